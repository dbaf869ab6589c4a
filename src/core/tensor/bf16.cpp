#include "diptych/core/tensor/bf16.h"

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace diptych {

bool cpu_has_bf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#elif defined(__aarch64__) && defined(HWCAP2_BF16)
  return (::getauxval(AT_HWCAP2) & HWCAP2_BF16) != 0;
#else
  return false;
#endif
}

std::string bf16_advice(c10::DeviceType device, bool cpu_has_it) {
  if (device != c10::DeviceType::CPU || cpu_has_it) return "";
  return "precision = bf16, but this CPU has no bf16 instructions: expect it to be several times slower than "
         "precision=fp32, which is the better choice here";
}

}  // namespace diptych

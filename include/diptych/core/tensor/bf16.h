#pragma once
#include <c10/core/DeviceType.h>

#include <string>

namespace diptych {

/// True where this CPU multiplies bf16 itself (x86: AVX512_BF16, AArch64: BF16). Elsewhere torch emulates it, several
/// times slower than fp32.
bool cpu_has_bf16();

/// What to tell somebody who computes in bf16 on `device`, or "".
std::string bf16_advice(c10::DeviceType device, bool cpu_has_it = cpu_has_bf16());

}  // namespace diptych

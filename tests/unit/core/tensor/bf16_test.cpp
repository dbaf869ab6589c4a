#include "diptych/core/tensor/bf16.h"

#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

namespace diptych {
namespace {

#if defined(__x86_64__)
TEST(Bf16, IsWhatTheKernelReports) {
  std::ifstream file("/proc/cpuinfo");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.find("flags") == std::string::npos) GTEST_SKIP() << "no /proc/cpuinfo here";
  EXPECT_EQ(cpu_has_bf16(), text.find(" avx512_bf16") != std::string::npos);
}
#endif

TEST(Bf16, AdvisesAgainstEmulationOnly) {
  EXPECT_THAT(bf16_advice(c10::DeviceType::CPU, false), ::testing::HasSubstr("precision=fp32"));
  EXPECT_EQ(bf16_advice(c10::DeviceType::CPU, true), "");
  EXPECT_EQ(bf16_advice(c10::DeviceType::CUDA, false), "");
}

}  // namespace
}  // namespace diptych

#include "diptych/train/environment.h"

#include <gtest/gtest.h>

#include "diptych/train/version.h"

namespace diptych {
namespace {

constexpr const char* kDescription = R"(PyTorch built with:
  - GCC 13.3
  - Intel(R) oneAPI Math Kernel Library Version 2024.2-Product Build 20240605 for Intel(R) 64 architecture applications
  - Intel(R) MKL-DNN v3.12.0 (Git Hash 80afa71049cd69a3df32adcccb623b12cd7baa22)
  - Build settings: BLAS_INFO=mkl, CXX_FLAGS= -DMY_BLAS_INFO=none -O2, LAPACK_INFO=mkl, TORCH_VERSION=2.13.0
)";

TEST(Environment, TorchNamesItsLibraries) {
  EXPECT_EQ(blas_of_torch(kDescription), "mkl 2024.2");
  EXPECT_EQ(onednn_of_torch(kDescription), "3.12.0");
  EXPECT_EQ(blas_of_torch("  - Build settings: A=1, BLAS_INFO=open, B=2\n"), "open") << "no version is known of it";
  EXPECT_EQ(blas_of_torch("nothing"), "");
  EXPECT_EQ(onednn_of_torch("nothing"), "");
}

TEST(Environment, TorchSettings) {
  EXPECT_EQ(torch_setting(kDescription, "TORCH_VERSION"), "2.13.0") << "the last of a line";
  EXPECT_EQ(torch_setting(kDescription, "CXX_FLAGS"), " -DMY_BLAS_INFO=none -O2");
  EXPECT_EQ(torch_setting(kDescription, "INFO"), "") << "the end of a longer name";
  EXPECT_EQ(torch_setting("CXX_FLAGS= -DX_KEY=1, KEY=2\n", "KEY"), "2") << "a longer name before it";
}

TEST(Environment, SaysFromWhatTheProgramWasBuilt) {
  const Catalog catalog;
  Experiment experiment(catalog);
  experiment.device = "cpu";
  const Json json = environment(experiment);
  EXPECT_EQ(json["commit"], kCommit);
  EXPECT_EQ(json["dirty"], *kDiff != 0);
  EXPECT_EQ(json.contains("diff"), *kDiff != 0);
  EXPECT_NE(json["build"].get<std::string>().find("-O"), std::string::npos) << json["build"];
  for (const char* key : {"torch", "blas", "onednn", "gemm", "cpu_capability", "device", "host"})
    EXPECT_TRUE(json[key].is_string()) << key;
  EXPECT_EQ(json["device"], "cpu");
}

}  // namespace
}  // namespace diptych

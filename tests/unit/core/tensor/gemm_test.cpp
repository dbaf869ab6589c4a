#include "diptych/core/tensor/gemm.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>

#include "diptych/core/error.h"
#include "diptych/core/tensor/scope.h"
#include "support/tensor_near.h"

namespace diptych {
namespace {

using testing::TensorNear;

/// Runs the tests with each backend, and with the processor's own.
class LinearNt : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string used = use_linear_nt_backend(GetParam());
    if (std::string(GetParam()) == "onednn" && used != "onednn") GTEST_SKIP() << "this LibTorch has no such operator";
    torch::manual_seed(5);
  }
  void TearDown() override { use_linear_nt_backend("auto"); }
};
INSTANTIATE_TEST_SUITE_P(Backends, LinearNt, ::testing::Values("mkl", "onednn", "auto"));

TEST_P(LinearNt, IsTheProductByHand) {
  const at::Tensor x = torch::tensor({{1.0f, 2.0f}, {3.0f, 4.0f}}),
                   w = torch::tensor({{1.0f, 0.0f}, {0.0f, 1.0f}, {1.0f, -1.0f}});
  EXPECT_TRUE(at::equal(linear_nt(x, w), torch::tensor({{1.0f, 2.0f, -1.0f}, {3.0f, 4.0f, -1.0f}})));
}

TEST_P(LinearNt, EqualsMmForAllShapes) {
  for (const auto& [n, m, d] :
       {std::tuple{1, 1, 1}, {5, 7, 3}, {256, 1024, 512}, {33, 1, 512}, {1, 33, 17}, {100, 257, 1024}}) {
    const at::Tensor x = torch::randn({n, d}) / std::sqrt(double(d)), w = torch::randn({m, d}) / std::sqrt(double(d));
    EXPECT_THAT(linear_nt(x, w),
                TensorNear(at::mm(x.to(at::kDouble), w.to(at::kDouble).t()).to(at::kFloat), 1e-5, 1e-5))
        << n << " " << m << " " << d;
  }
}

TEST_P(LinearNt, TakesEmptyMatrices) {
  for (const auto& [n, m, d] : {std::tuple{0, 3, 2}, {3, 0, 2}, {2, 3, 0}})
    EXPECT_TRUE(at::equal(linear_nt(torch::ones({n, d}), torch::ones({m, d})), torch::zeros({n, m})));
}

TEST_P(LinearNt, TakesViewsAndTransposes) {
  const at::Tensor x = torch::randn({40, 30}).t(), w = torch::randn({50, 80}).narrow(1, 3, 40);
  EXPECT_THAT(linear_nt(x, w), TensorNear(at::mm(x, w.t()), 1e-5, 1e-4));
}

TEST_P(LinearNt, RepeatsBitForBit) {
  const at::Tensor x = torch::randn({256, 512}), w = torch::randn({1024, 512});
  const at::Tensor first = linear_nt(x, w);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(at::equal(linear_nt(x, w), first));
  EXPECT_TRUE(at::equal(linear_nt(x.clone(), w.clone()), first));
}

TEST_P(LinearNt, ATileEqualsItsPartOfTheMatrixBitForBit) {  // what the evaluation kernel relies on
  const at::Tensor x = torch::randn({512, 512}), w = torch::randn({2048, 512});
  const at::Tensor whole = linear_nt(x, w);
  for (int64_t i : {0, 256})
    for (int64_t j : {0, 1024})
      EXPECT_TRUE(
          at::equal(linear_nt(x.narrow(0, i, 256), w.narrow(0, j, 1024)), whole.narrow(0, i, 256).narrow(1, j, 1024)));
}

TEST_P(LinearNt, StaysFloat32WithoutGradientUnderAutocast) {
  const AutocastScope scope(Precision::bf16, at::kCPU);
  const at::Tensor x = torch::randn({8, 64}).requires_grad_(true), w = torch::randn({9, 64});
  const at::Tensor y = linear_nt(x, w);
  EXPECT_EQ(y.scalar_type(), at::kFloat);
  EXPECT_FALSE(y.requires_grad());
  EXPECT_THAT(y.to(at::kDouble), TensorNear(at::matmul(x.detach().to(at::kDouble), w.to(at::kDouble).t()), 1e-5, 1e-4));
}

TEST_P(LinearNt, RefusesWhatDoesNotFit) {
  EXPECT_THROW(linear_nt(torch::ones({2, 3}), torch::ones({2, 4})), ShapeError);
  EXPECT_THROW(linear_nt(torch::ones({3}), torch::ones({2, 3})), ShapeError);
  EXPECT_THROW(linear_nt(torch::ones({2, 3}, at::kDouble), torch::ones({2, 3}, at::kDouble)), ShapeError);
}

TEST(LinearNtBackend, IsNamedAndCanBeSet) {
  EXPECT_THAT(linear_nt_backend(), ::testing::AnyOf(::testing::StrEq("mkl"), ::testing::StrEq("onednn")));
  EXPECT_STREQ(use_linear_nt_backend("mkl"), "mkl");
  EXPECT_THROW(use_linear_nt_backend("blas"), ShapeError);
  const std::string automatic = use_linear_nt_backend("auto");
  EXPECT_EQ(use_linear_nt_backend("auto"), automatic) << "no clock decides";
}

TEST(LinearNtBackend, TheTwoAgree) {
  const at::Tensor x = torch::randn({200, 512}) / 22, w = torch::randn({300, 512}) / 22;
  use_linear_nt_backend("mkl");
  const at::Tensor mkl = linear_nt(x, w);
  use_linear_nt_backend("onednn");
  EXPECT_LT((linear_nt(x, w) - mkl).abs().max().item<float>(), 1e-5);
  use_linear_nt_backend("auto");
}

TEST(Bf16LinearNt, SumsInFloat32AndRoundsOnce) {
  torch::manual_seed(3);
  const at::Tensor x = at::randn({33, 512}).to(at::kBFloat16), w = at::randn({70, 512}).to(at::kBFloat16);
  const at::Tensor exact = at::mm(x.to(at::kDouble), w.to(at::kDouble).t());
  const at::Tensor got = bf16_linear_nt(x, w);
  EXPECT_EQ(got.scalar_type(), at::kBFloat16);
  // Half a step of bfloat16 (at most 2^-8 of the value) and the summation in float32.
  const at::Tensor bound =
      exact.abs() / 256 + 520 * 0x1p-24 * at::mm(x.abs().to(at::kDouble), w.abs().to(at::kDouble).t());
  EXPECT_TRUE(((got.to(at::kDouble) - exact).abs() <= bound).all().item<bool>());
}

TEST(Bf16LinearNt, RefusesOtherTypes) { EXPECT_THROW(bf16_linear_nt(at::ones({2, 3}), at::ones({2, 3})), ShapeError); }

}  // namespace
}  // namespace diptych

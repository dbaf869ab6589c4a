#include "diptych/core/tensor/rows.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "support/gradcheck.h"
#include "support/tensor_near.h"

namespace diptych::testing {
namespace {

TEST(AtLeastFloat, WidensOnlyWhatIsNarrow) {
  for (const auto narrow : {at::kHalf, at::kBFloat16})
    EXPECT_EQ(at_least_float(at::ones({2}, narrow)).scalar_type(), at::kFloat);
  for (const auto wide : {at::kFloat, at::kDouble}) EXPECT_EQ(at_least_float(at::ones({2}, wide)).scalar_type(), wide);
}

TEST(UnitRows, HaveLengthOneOrNone) {
  const at::Tensor x = torch::tensor({{3., 4.}, {0., 0.}, {-2., 0.}}, at::kDouble);
  EXPECT_THAT(unit_rows(x), TensorNear(torch::tensor({{.6, .8}, {0., 0.}, {-1., 0.}}, at::kDouble)));
}

TEST(UnitRows, GradientsMatchDifferences) {
  const at::Tensor weight = torch::tensor({{1., -2.}, {.5, 3.}}, at::kDouble);
  expect_gradients([&](const at::Tensor& x) { return (unit_rows(x) * weight).sum(); },
                   torch::tensor({{3., 4.}, {-1., .5}}, at::kDouble));
}

TEST(UnitRows, GiveNoGradientToARowWithoutLength) {
  const at::Tensor x = at::zeros({1, 3}).requires_grad_(true);
  unit_rows(x).sum().backward();
  EXPECT_EQ(x.grad().abs().max().item<double>(), 0);
}

TEST(InverseOrZero, IsTheReciprocalRoot) {
  EXPECT_THAT(inverse_or_zero(torch::tensor({4., 0., 1e-20}, at::kDouble)),
              TensorNear(torch::tensor({.5, 0., 0.}, at::kDouble)));
}

}  // namespace
}  // namespace diptych::testing

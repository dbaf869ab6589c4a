#include "diptych/report/modality_gap.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/error.h"

namespace diptych::testing {
namespace {

TEST(ModalityGap, ByHand) {
  // Unit rows (1, 0), (1, 0) against (0, 1), (0, 1): the means are sqrt(2) apart.
  const at::Tensor x = torch::tensor({{2., 0.}, {5., 0.}}), y = torch::tensor({{0., 1.}, {0., 3.}});
  const ModalityGap gap = modality_gap(x, y);
  EXPECT_NEAR(gap.distance, std::sqrt(2.0), 1e-12);
  EXPECT_EQ(gap.separable, 100);
  EXPECT_NEAR(gap.x_spread, 0, 1e-12);
}

TEST(ModalityGap, OfOneCloudIsZero) {
  const at::Tensor x = torch::randn({50, 8});
  const ModalityGap gap = modality_gap(x, x);
  EXPECT_EQ(gap.distance, 0);
  EXPECT_EQ(gap.separable, 50);
  EXPECT_NEAR(gap.x_spread, gap.y_spread, 1e-12);
  EXPECT_GT(gap.x_spread, 0.5);
}

TEST(ModalityGap, SpreadIsTheMeanDistanceFromTheMean) {
  // (1, 0) and (-1, 0): mean 0, distances 1.
  EXPECT_NEAR(modality_gap(torch::tensor({{1., 0.}, {-1., 0.}}), torch::tensor({{0., 1.}})).x_spread, 1, 1e-12);
}

TEST(ModalityGap, RefusesOtherDimensions) {
  EXPECT_THROW(modality_gap(at::ones({2, 3}), at::ones({2, 4})), ShapeError);
}

}  // namespace
}  // namespace diptych::testing

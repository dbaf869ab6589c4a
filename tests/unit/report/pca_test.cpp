#include "diptych/report/pca.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/error.h"
#include "support/tensor_near.h"

namespace diptych::testing {
namespace {

at::Tensor rows(std::initializer_list<double> values, int64_t columns) {
  return torch::tensor(std::vector<double>(values), at::kDouble).view({-1, columns});
}

TEST(Pca, PointsOnALineHaveOneComponent) {
  // Along (3, 4) / 5 at -2, 0, 1, 1 from the mean.
  const Pca found = pca(rows({-1.2 + 1, -1.6 + 7, 1, 7, 1.6, 7.8, 1.6, 7.8}, 2), 2);
  EXPECT_THAT(found.coordinates.select(1, 0), TensorNear(rows({-2, 0, 1, 1}, 1).view(-1), 1e-12, 1e-12));
  EXPECT_NEAR(found.coordinates.select(1, 1).abs().max().item<double>(), 0, 1e-7);
  EXPECT_NEAR(found.share[0], 1, 1e-12);
  EXPECT_NEAR(found.share[1], 0, 1e-12);
}

TEST(Pca, AxesComeByDescendingVarianceWithPositiveLoadings) {
  const Pca found = pca(rows({0, 3, 0, 0, -3, 0, -1, 0, 0, 1, 0, 0}, 3), 2);
  EXPECT_THAT(found.coordinates, TensorNear(rows({3, 0, -3, 0, 0, -1, 0, 1}, 2), 1e-12, 1e-12));
  EXPECT_NEAR(found.share[0], 0.9, 1e-12);
  EXPECT_NEAR(found.share[1], 0.1, 1e-12);
}

TEST(Pca, WideMatricesGiveTheSameAsTallOnes) {
  torch::manual_seed(3);
  const at::Tensor tall = torch::randn({40, 9}, at::kDouble);
  // The same points with nine columns of zeros nine times: D > N takes the other way.
  const at::Tensor wide = at::cat({tall, at::zeros({40, 60}, at::kDouble)}, 1);
  const Pca a = pca(tall, 3), b = pca(wide, 3);
  EXPECT_THAT(b.coordinates, TensorNear(a.coordinates, 1e-9, 1e-9));
  EXPECT_NEAR(a.share[2], b.share[2], 1e-12);
}

TEST(Pca, IsDefinedForOnePointAndForEqualPoints) {
  EXPECT_EQ(pca(at::ones({1, 3}), 2).coordinates.sizes(), (at::IntArrayRef{1, 1}));
  const Pca equal = pca(at::ones({5, 3}), 2);
  EXPECT_EQ(equal.coordinates.abs().max().item<double>(), 0);
  EXPECT_EQ(equal.share[0], 0);
}

TEST(Pca, ADirectionWithoutVarianceHasCoordinatesOfZero) {
  torch::manual_seed(3);
  for (int i = 0; i < 200; ++i) {  // the second eigenvalue is rounding, above or below 0
    const at::Tensor found = pca(torch::randn({2, 4}), 2).coordinates;
    ASSERT_TRUE(found.isfinite().all().item<bool>()) << i;
    EXPECT_EQ(found.select(1, 1).abs().max().item<double>(), 0) << i;
  }
}

TEST(Pca, RefusesWhatIsNoFiniteMatrix) {
  EXPECT_THROW(pca(at::ones({3}), 2), ShapeError);
  EXPECT_THROW(pca(at::ones({0, 3}), 2), ShapeError);
  EXPECT_THROW(pca(at::ones({2, 3}), 0), ShapeError);
  EXPECT_THROW(pca(at::full({2, 3}, std::numeric_limits<float>::infinity()), 2), ShapeError);
}

}  // namespace
}  // namespace diptych::testing

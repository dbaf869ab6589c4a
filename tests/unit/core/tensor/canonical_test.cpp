#include "diptych/core/tensor/canonical.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <limits>

#include "diptych/core/error.h"
#include "support/tensor_near.h"

namespace diptych::testing {
namespace {

at::Tensor square(std::initializer_list<double> values, int64_t rows) {
  return torch::tensor(std::vector<double>(values), at::kDouble).view({rows, -1});
}

TEST(InverseRoot, OfADiagonalIsTheReciprocalRoots) {
  EXPECT_THAT(inverse_root(square({4, 0, 0, 0.25}, 2), 1e-12), TensorNear(square({0.5, 0, 0, 2}, 2)));
}

TEST(InverseRoot, WhitensACovariance) {
  torch::manual_seed(1);
  const at::Tensor a = torch::randn({7, 7}, at::kDouble);
  const at::Tensor s = a.mm(a.t()), root = inverse_root(s, 1e-12);
  EXPECT_THAT(root.mm(s).mm(root), TensorNear(at::eye(7, at::kDouble), 0, 1e-9));
  EXPECT_THAT(root, TensorNear(root.t(), 0, 1e-9));
}

TEST(InverseRoot, DropsWhatIsBelowTheFloorOrMadeByRounding) {
  EXPECT_THAT(inverse_root(square({4, 0, 0, 1e-3}, 2), 1e-2), TensorNear(square({0.5, 0, 0, 0}, 2)));
  // Rank one: the second eigenvalue is 0, or +-1e-16 of the first by rounding.
  const at::Tensor wide = square({1e6, 3e6, 3e6, 9e6}, 2);
  EXPECT_LT(inverse_root(wide, 1e-12).abs().max().item<double>(), 1e-3);
}

TEST(InverseRoot, RefusesWhatIsNoCovariance) {
  EXPECT_THROW(inverse_root(at::zeros({2, 3}, at::kDouble), 1e-12), ShapeError);
  EXPECT_THROW(inverse_root(at::zeros({2, 2}), 1e-12), ShapeError);  // float32
  EXPECT_THROW(inverse_root(at::full({2, 2}, std::numeric_limits<double>::quiet_NaN(), at::kDouble), 1e-12),
               NumericError);
}

TEST(CanonicalDirections, OfUncorrelatedUnitViewsAreTheSingularVectors) {
  // Sxx = Syy = 1, Sxy = diag(0.3, 0.8): correlations 0.8 and 0.3, axes in that order.
  const at::Tensor one = at::eye(2, at::kDouble);
  const CanonicalDirections found = canonical_directions(one, square({0.3, 0, 0, 0.8}, 2), one);
  EXPECT_THAT(found.values, TensorNear(torch::tensor({0.8, 0.3}, at::kDouble)));
  EXPECT_THAT(found.x.abs(), TensorNear(square({0, 1, 1, 0}, 2)));
  EXPECT_THAT(found.x, TensorNear(found.y));
}

TEST(CanonicalDirections, WhitenBothViewsAndDiagonaliseWhatTheyShare) {
  torch::manual_seed(2);
  const at::Tensor x = torch::randn({50, 6}, at::kDouble),
                   y = x.mm(torch::randn({6, 4}, at::kDouble)) + 0.5 * torch::randn({50, 4}, at::kDouble);
  const at::Tensor a = x - x.mean(0), b = y - y.mean(0);
  const at::Tensor sxx = a.t().mm(a), sxy = a.t().mm(b), syy = b.t().mm(b);
  const CanonicalDirections found = canonical_directions(sxx, sxy, syy);
  const at::Tensor one = at::eye(4, at::kDouble);
  EXPECT_EQ(found.values.sizes(), (at::IntArrayRef{4}));
  EXPECT_THAT(found.x.t().mm(sxx).mm(found.x), TensorNear(one, 0, 1e-9));
  EXPECT_THAT(found.y.t().mm(syy).mm(found.y), TensorNear(one, 0, 1e-9));
  EXPECT_THAT(found.x.t().mm(sxy).mm(found.y), TensorNear(at::diag(found.values), 0, 1e-9));
  EXPECT_LE(found.values[0].item<double>(), 1 + 1e-12);
}

TEST(CanonicalDirections, RefuseCovariancesThatDoNotFit) {
  const at::Tensor two = at::eye(2, at::kDouble), three = at::eye(3, at::kDouble);
  EXPECT_THROW(canonical_directions(two, at::zeros({3, 2}, at::kDouble), three), ShapeError);
}

}  // namespace
}  // namespace diptych::testing

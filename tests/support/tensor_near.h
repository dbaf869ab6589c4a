#pragma once
#include <gmock/gmock.h>
#include <torch/torch.h>

namespace diptych::testing {

struct Tolerance {
  double relative, absolute;
};
/// One table for all tests: what a dtype can be expected to keep.
inline Tolerance tolerance_of(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return {1e-12, 1e-12};
    case at::kFloat:
      return {1e-5, 1e-6};
    case at::kHalf:
      return {1e-2, 1e-2};
    case at::kBFloat16:
      return {4e-2, 4e-2};
    default:
      return {0, 0};
  }
}

/// EXPECT_THAT(t, TensorNear(expected)): same shape, values within the dtype's tolerance (or the one given); says both
/// shapes, the first bad index with both values and the worst difference.
MATCHER_P2(TensorNearWithin, expected, tolerance, "") {
  if (arg.sizes() != expected.sizes()) {
    *result_listener << "shape " << ::testing::PrintToString(arg.sizes().vec()) << ", expected "
                     << ::testing::PrintToString(expected.sizes().vec());
    return false;
  }
  const at::Tensor a = arg.detach().to(at::kDouble).reshape(-1), b = expected.detach().to(at::kDouble).reshape(-1);
  const at::Tensor gap = (a - b).abs();
  const at::Tensor bad = ~(gap <= tolerance.absolute + tolerance.relative * b.abs());
  if (!bad.any().template item<bool>()) return true;
  const int64_t at = bad.nonzero()[0][0].template item<int64_t>();
  *result_listener << bad.sum().template item<int64_t>() << " of " << a.numel() << " differ; first at flat index " << at
                   << ": " << a[at].template item<double>() << ", expected " << b[at].template item<double>()
                   << "; worst difference " << gap.max().template item<double>();
  return false;
}
inline auto TensorNear(const at::Tensor& expected) {
  return TensorNearWithin(expected, tolerance_of(expected.scalar_type()));
}
inline auto TensorNear(const at::Tensor& expected, double relative, double absolute) {
  return TensorNearWithin(expected, Tolerance{relative, absolute});
}

}  // namespace diptych::testing

#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace diptych {

/// How far the neighbours in a map are neighbours of the points themselves (Venna and Kaski, ICANN 2001):
///
///   T(k) = 1 - 2 / (N k (2N - 3k - 1)) sum_i sum_{j in map neighbours of i} max(0, r(i, j) - k)
///
/// where r(i, j) is the place of j in the order of distance from i among the points (1 = nearest). 1: all of the k
/// nearest in the map are among the k nearest points; about 0.5: chance. Of equal distances the lower index is nearer.
///
/// points [N, D], places [N, K], any float type. throws ShapeError unless both are finite, of one N, and 1 <= k < N
/// / 2.
double trustworthiness(const at::Tensor& points, const at::Tensor& places, int64_t k = 5);

}  // namespace diptych

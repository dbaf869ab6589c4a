#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace diptych {

/// Rows in blocks [n, F], the same ones at every call: data that need not fit into memory.
using RowBlocks = std::function<void(const std::function<void(const at::Tensor& rows)>& visit)>;

/// Where rows spread most: their mean, the leading eigenvectors of their covariance, and the variances along them.
struct PrincipalAxes {
  at::Tensor mean;      // [F] float64
  at::Tensor axes;      // [F, K] float64, orthonormal columns by descending variance
  at::Tensor variance;  // [K] float64
};

struct PrincipalAxesOptions {
  int64_t exact_up_to = 3000;  // features; beyond, the covariance is never made
  int64_t passes = 5;          // over the rows, when it is not; the error falls by the ratio of the variances at K and
                               // beyond K + 16 with each
  uint64_t seed = 1;           // of the random start
};

/// The K axes of largest variance. Each has the sign that makes its largest loading positive.
///
/// Up to exact_up_to features: the covariance, gathered in float64 in one pass, and its eigenvectors. Beyond: subspace
/// iteration from a random start with 16 more columns than asked for, whose products are float32 and their sums
/// float64 (Halko, Martinsson and Tropp, SIAM Review 2011, algorithm 4.4); memory O(F K).
///
/// throws   DataError for K above min(F, rows - 1); NumericError for rows that are not finite
PrincipalAxes principal_axes(const RowBlocks& blocks, int64_t count, const PrincipalAxesOptions& options = {});

}  // namespace diptych

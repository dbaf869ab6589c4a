#pragma once
#include <ATen/core/Tensor.h>

namespace diptych {

/// What two views have in common: directions whose projections correlate most (Hotelling 1936).
struct CanonicalDirections {
  at::Tensor x, y;    // [F, K], [G, K]; x^T Sxx x = y^T Syy y = identity, x^T Sxy y = diag(correlation)
  at::Tensor values;  // [K] correlations, descending, K = min(F, G)
};

/// Sxx^-1/2 of a symmetric, positive semidefinite matrix [F, F] float64, by its eigenvectors. Eigenvalues below
/// `floor`, and those that rounding alone could have made (below F eps times the largest), are dropped: their
/// directions become 0. throws ShapeError unless the matrix is square, NumericError if it is not finite.
at::Tensor inverse_root(const at::Tensor& covariance, double floor);

/// From covariances to directions:
///
///   T = Sxx^-1/2 Sxy Syy^-1/2 = U diag(values) V^T,   x = Sxx^-1/2 U,   y = Syy^-1/2 V
///
/// sxx [F, F], sxy [F, G], syy [G, G] float64; whoever regularises has added r I to sxx and syy. No gradient. throws as
/// inverse_root does.
CanonicalDirections canonical_directions(const at::Tensor& sxx, const at::Tensor& sxy, const at::Tensor& syy,
                                         double floor = 1e-12);

}  // namespace diptych

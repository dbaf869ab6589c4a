#pragma once
#include <ATen/core/Tensor.h>

namespace diptych {

/// The points as contiguous float64. throws ShapeError in the name of `function` unless they are a finite
/// [N >= 1, D >= 1] matrix.
at::Tensor finite_points(const at::Tensor& points, const char* function);

/// Squared Euclidean distances [N, N] float64 of points [N, D] float64, zero on the diagonal, never negative.
at::Tensor squared_distances(const at::Tensor& points);

}  // namespace diptych

#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

namespace diptych {

/// Principal components: the directions of largest variance, and the points in them.
struct Pca {
  at::Tensor coordinates;     // [N, K] float64, columns by descending variance
  std::vector<double> share;  // of the total variance, of each column; 0 where all points are equal
};

/// points [N, D], any float type. K = min(components, N, D) directions of the centred points, each with the sign that
/// makes its largest loading (of those of equal size the first) positive, so that equal points give equal maps.
/// throws ShapeError unless points is a finite [N >= 1, D >= 1] matrix and components >= 1.
Pca pca(const at::Tensor& points, int64_t components);

}  // namespace diptych

#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace diptych {

/// In how many directions the embeddings spread.
struct Spectrum {
  std::vector<double> values;  // singular values of the centred points, descending, min(N, D) of them
  /// exp of the entropy of values / sum (Roy and Vetterli, EUSIPCO 2007): D for a round cloud, 1 for a line, 0 where
  /// all points are equal.
  double effective_rank = 0;
  int64_t directions_of_90_percent = 0;  // fewest directions that hold 90 % of the variance
};

/// points [N, D], any float type. throws ShapeError unless they are a finite matrix with a row and a column.
Spectrum singular_spectrum(const at::Tensor& points);

}  // namespace diptych

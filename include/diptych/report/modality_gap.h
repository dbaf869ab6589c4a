#pragma once
#include <ATen/core/Tensor.h>

namespace diptych {

/// How far apart the two views lie as clouds, whatever their pairs do (Liang et al., NeurIPS 2022).
struct ModalityGap {
  double distance = 0;   // |mean x - mean y| of unit rows, 0 to 2
  double separable = 0;  // percent of all points nearer to their own mean: 50 = one cloud, 100 = two
  double x_spread = 0;   // mean distance of unit rows from their mean: a gap is wide or narrow against this
  double y_spread = 0;
};

/// x [N, D], y [M, D], any float type; rows are scaled to unit length (zero rows stay). throws ShapeError unless both
/// are finite matrices of one D.
ModalityGap modality_gap(const at::Tensor& x, const at::Tensor& y);

}  // namespace diptych

#pragma once
#include <ATen/core/Tensor.h>

namespace diptych {

/// features -> weight features + offset.
struct AffineMap {
  at::Tensor weight, offset;  // [D, F], [D]
  bool defined() const { return weight.defined(); }
  /// features [N, F] of weight's dtype -> [N, D].
  at::Tensor operator()(const at::Tensor& features) const;
};

/// First `inner` [E, F], then `outer` [D, E]: [D, F] of outer's dtype.
AffineMap compose(const AffineMap& outer, const AffineMap& inner);
/// Copies a map into parameters of its sizes, of whatever dtype and device. throws ShapeError for other sizes.
void copy_map(const AffineMap& from, AffineMap to);

}  // namespace diptych

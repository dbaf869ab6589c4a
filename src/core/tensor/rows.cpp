#include "diptych/core/tensor/rows.h"

#include <ATen/ATen.h>

namespace diptych {

at::Tensor at_least_float(const at::Tensor& x) {
  return at::isReducedFloatingType(x.scalar_type()) ? x.to(at::kFloat) : x;
}

at::Tensor inverse_or_zero(const at::Tensor& squared_norm) {
  const at::Tensor alive = squared_norm > 1e-16;
  // The inner where keeps sqrt away from 0, whose infinite slope would become NaN in the backward pass.
  const at::Tensor norm = at::where(alive, squared_norm, at::ones_like(squared_norm)).sqrt();
  return at::where(alive, norm.reciprocal(), at::zeros_like(norm));
}

at::Tensor unit_rows(const at::Tensor& x) { return x * inverse_or_zero((x * x).sum(1, /*keepdim=*/true)); }

}  // namespace diptych

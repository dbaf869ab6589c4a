#pragma once
#include <ATen/core/Tensor.h>

namespace diptych {

/// float16 and bfloat16 as float32; float32 and float64 as they are: what sums, roots and logarithms are computed in.
at::Tensor at_least_float(const at::Tensor& x);

/// 1 / norm, and 0 without gradient where the norm is below 1e-8. squared_norm: any shape, >= 0.
at::Tensor inverse_or_zero(const at::Tensor& squared_norm);

/// x_i / |x_i|, [N, D] of x's dtype. Rows without length (below 1e-8) become 0 and get no gradient.
at::Tensor unit_rows(const at::Tensor& x);

}  // namespace diptych

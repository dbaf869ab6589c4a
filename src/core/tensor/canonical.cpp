#include "diptych/core/tensor/canonical.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {

at::Tensor inverse_root(const at::Tensor& covariance, double floor) {
  if (covariance.dim() != 2 || covariance.size(0) != covariance.size(1) || covariance.scalar_type() != at::kDouble)
    throw ShapeError(
        concat("inverse_root: ", covariance.scalar_type(), " ", covariance.sizes(), ", needed is float64 [F, F]"));
  if (!covariance.isfinite().all().item<bool>())
    throw NumericError("", "a covariance is not finite", "look for NaN or infinite features");
  const at::NoGradGuard no_grad;
  const auto [values, vectors] = at::linalg_eigh(covariance);
  const double rounding = static_cast<double>(covariance.size(0)) * std::numeric_limits<double>::epsilon() *
                          (values.numel() ? values.max().item<double>() : 0);
  const at::Tensor kept = values >= std::max(floor, rounding);
  const at::Tensor roots = at::where(kept, values.clamp_min(floor).rsqrt(), at::zeros_like(values));
  return (vectors * roots).mm(vectors.t());
}

CanonicalDirections canonical_directions(const at::Tensor& sxx, const at::Tensor& sxy, const at::Tensor& syy,
                                         double floor) {
  if (sxy.dim() != 2 || sxx.dim() != 2 || syy.dim() != 2 || sxy.size(0) != sxx.size(0) || sxy.size(1) != syy.size(0))
    throw ShapeError(concat("canonical_directions: covariances ", sxx.sizes(), ", ", sxy.sizes(), ", ", syy.sizes(),
                            ", needed are [F, F], [F, G], [G, G]"));
  const at::NoGradGuard no_grad;
  const at::Tensor x = inverse_root(sxx, floor), y = inverse_root(syy, floor);
  const auto [u, values, v] = at::linalg_svd(x.mm(sxy).mm(y), /*full_matrices=*/false);
  return {x.mm(u), y.mm(v.t()), values};
}

}  // namespace diptych

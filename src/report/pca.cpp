#include "diptych/report/pca.h"

#include <torch/torch.h>

#include <algorithm>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "report/points.h"

namespace diptych {

at::Tensor finite_points(const at::Tensor& points, const char* function) {
  if (points.dim() != 2 || points.size(0) < 1 || points.size(1) < 1)
    throw ShapeError(concat(function, ": points ", points.sizes(), ", needed is [N >= 1, D >= 1]"));
  const at::Tensor out = points.detach().to(at::kDouble).contiguous();
  if (!out.isfinite().all().item<bool>()) throw ShapeError(concat(function, ": a coordinate is not finite"));
  return out;
}

constexpr double kNoVariance = 1e-12;  // of the largest

Pca pca(const at::Tensor& points, int64_t components) {
  if (components < 1) throw ShapeError(concat("pca: ", components, " components, needed is at least 1"));
  const at::NoGradGuard no_grad;
  at::Tensor centred = finite_points(points, "pca");
  centred = centred - centred.mean(0, true);
  const int64_t kept = std::min({components, centred.size(0), centred.size(1)});
  // The smaller of D x D and N x N has the same leading eigenvalues.
  const bool wide = centred.size(1) > centred.size(0);
  const auto [values, vectors] = at::linalg_eigh(wide ? centred.mm(centred.t()) : centred.t().mm(centred));
  const at::Tensor largest = values.flip(0).narrow(0, 0, kept).clamp_min(0);  // [K]
  at::Tensor leading = vectors.flip(1).narrow(1, 0, kept);                    // [D or N, K]
  at::Tensor loadings = leading;                                              // [D, K]
  if (wide) {  // a component without variance has no direction: rounding would give it any length
    const at::Tensor real = largest > largest[0] * kNoVariance;
    loadings = at::where(real, centred.t().mm(leading) / largest.sqrt(), 0.0);
  }
  const at::Tensor at_largest = loadings.abs().argmax(0, true);
  const at::Tensor sign = at::where(loadings.gather(0, at_largest) < 0, -1.0, 1.0).to(at::kDouble);
  Pca out;
  out.coordinates = centred.mm(loadings * sign);
  const double total = centred.square().sum().item<double>();
  for (int64_t i = 0; i < kept; ++i) out.share.push_back(total > 0 ? largest[i].item<double>() / total : 0.0);
  return out;
}

}  // namespace diptych

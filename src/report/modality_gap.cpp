#include "diptych/report/modality_gap.h"

#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "report/points.h"

namespace diptych {
namespace {

at::Tensor unit(const at::Tensor& points) { return points / points.norm(2, {1}, true).clamp_min(1e-300); }

double share_nearer(const at::Tensor& points, const at::Tensor& own, const at::Tensor& other) {
  return ((points - own).norm(2, 1) < (points - other).norm(2, 1)).sum().item<double>() +
         0.5 * ((points - own).norm(2, 1) == (points - other).norm(2, 1)).sum().item<double>();
}

}  // namespace

ModalityGap modality_gap(const at::Tensor& x, const at::Tensor& y) {
  const at::NoGradGuard no_grad;
  const at::Tensor a = unit(finite_points(x, "modality_gap")), b = unit(finite_points(y, "modality_gap"));
  if (a.size(1) != b.size(1)) throw ShapeError(concat("modality_gap: x ", x.sizes(), " and y ", y.sizes()));
  const at::Tensor mean_a = a.mean(0), mean_b = b.mean(0);
  ModalityGap out;
  out.distance = (mean_a - mean_b).norm().item<double>();
  out.separable = 100 * (share_nearer(a, mean_a, mean_b) + share_nearer(b, mean_b, mean_a)) /
                  static_cast<double>(a.size(0) + b.size(0));
  out.x_spread = (a - mean_a).norm(2, 1).mean().item<double>();
  out.y_spread = (b - mean_b).norm(2, 1).mean().item<double>();
  return out;
}

}  // namespace diptych

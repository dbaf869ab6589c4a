#include "loss/cmpm.h"

#include <torch/torch.h>

#include "loss/support.h"

namespace diptych {
namespace {

at::Tensor target_distribution(const at::Tensor& match, TargetNorm norm, at::ScalarType type) {
  const at::Tensor y = match.to(type);
  const at::Tensor count = y.sum(1, /*keepdim=*/true);  // >= 1: the diagonal matches
  return y / (norm == TargetNorm::l1 ? count : count.sqrt());
}

at::Tensor mean_divergence(const at::Tensor& scores, const at::Tensor& q, const CmpmOptions& options) {
  const at::Tensor p = scores.softmax(1);
  const bool forward = options.direction == CmpmDirection::p_from_q;
  const at::Tensor &a = forward ? p : q, &b = forward ? q : p;
  return (a * (options.eps + a / (b + options.eps)).log()).sum(1).mean();
}

}  // namespace

LossValue cmpm_loss(const at::Tensor& image, const at::Tensor& text, const at::Tensor& label,
                    const CmpmOptions& options) {
  loss_support::check_views("cmpm_loss", image, text, label);
  const at::Tensor x = at_least_float(image), y = at_least_float(text);
  const at::Tensor q =
      target_distribution(loss_support::matches(label, options.positives), options.target_norm, x.scalar_type());
  const at::Tensor unit_x = unit_rows(x), unit_y = unit_rows(y);
  const at::Tensor &from_x = options.normalize_both ? unit_x : x, &from_y = options.normalize_both ? unit_y : y;
  return loss_support::sum_of_directions(mean_divergence(at::mm(from_x, unit_y.t()) / options.tau, q, options),
                                         mean_divergence(at::mm(from_y, unit_x.t()) / options.tau, q, options));
}

LossValue CmpmLoss::forward(const LossInput& input) { return cmpm_loss(input.x, input.y, input.label, options_); }

}  // namespace diptych

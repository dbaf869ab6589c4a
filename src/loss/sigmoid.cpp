#include "loss/sigmoid.h"

#include <torch/torch.h>

#include <cmath>

#include "loss/support.h"

namespace diptych {

LossValue sigmoid_loss(const at::Tensor& logits_in, const at::Tensor& label, Positives positives) {
  loss_support::check_scores("sigmoid_loss", logits_in, label);
  const at::Tensor logits = at_least_float(logits_in);
  const at::Tensor match = loss_support::matches(label, positives);
  const at::Tensor cells = at::softplus(at::where(match, -logits, logits));
  return {cells.sum() / logits.size(0), {}, {}};
}

SigmoidLoss::SigmoidLoss(const Options& options, const LossContext&) : options_(options) {
  if (!options.learned) return;
  log_scale_ = register_parameter("log_scale", at::scalar_tensor(std::log(options.scale), at::kFloat));
  bias_ = register_parameter("bias", at::scalar_tensor(options.bias, at::kFloat));
}

LossValue SigmoidLoss::forward(const LossInput& input) {
  loss_support::check_scores("sigmoid", input.scores, input.label);
  const at::Tensor scores = at_least_float(input.scores);
  const at::Tensor logits =
      options_.learned ? scores * log_scale_.exp() + bias_ : scores * options_.scale + options_.bias;
  return sigmoid_loss(logits, input.label, options_.positives);
}

}  // namespace diptych

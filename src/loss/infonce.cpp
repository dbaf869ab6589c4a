#include "loss/infonce.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "diptych/core/options.h"
#include "loss/support.h"

namespace diptych {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

// Mean over the rows of logits [B, B]; match [B, B] holds the positives.
at::Tensor row_softmax_loss(const at::Tensor& logits, const at::Tensor& match, const InfoNceTargets& options) {
  const bool drop = options.multi_positive == MultiPositive::drop_false_negatives;
  const at::Tensor own = at::eye(match.size(0), match.options());
  const at::Tensor left_out = drop ? match & ~own : at::zeros_like(match);
  const at::Tensor log_p = logits.masked_fill(left_out, kMinusInfinity).log_softmax(1);

  at::Tensor loss;  // [B]
  if (options.multi_positive == MultiPositive::log_sum) {
    loss = -log_p.masked_fill(~match, kMinusInfinity).logsumexp(1);
  } else {
    const at::Tensor positive = drop ? own : match;
    loss = -log_p.masked_fill(~positive, 0).sum(1) / positive.sum(1);
  }
  if (options.label_smoothing > 0) {
    const at::Tensor uniform = -log_p.masked_fill(left_out, 0).sum(1) / (~left_out).sum(1);
    loss = (1 - options.label_smoothing) * loss + options.label_smoothing * uniform;
  }
  return loss.mean();
}

}  // namespace

LossValue infonce_loss(const at::Tensor& logits_in, const at::Tensor& label, const InfoNceTargets& options) {
  loss_support::check_scores("infonce_loss", logits_in, label);
  const at::Tensor logits = at_least_float(logits_in);
  const at::Tensor match = loss_support::matches(label, options.positives);
  const at::Tensor x_to_y = row_softmax_loss(logits, match, options);
  const at::Tensor y_to_x = row_softmax_loss(logits.t(), match, options);
  return {(x_to_y + y_to_x) / 2, x_to_y, y_to_x};
}

void InfoNceOptions::validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
  if (learned && 1 / temperature > max_scale)
    complaints.add(origin,
                   concat(path, ".temperature = ", temperature, ": 1/temperature is above max_scale = ", max_scale),
                   concat("start at ", 1 / max_scale, " or above, or raise max_scale"));
}

InfoNceLoss::InfoNceLoss(const Options& options, const LossContext&) : options_(options) {
  if (options.learned)
    log_scale_ = register_parameter("log_scale", at::scalar_tensor(-std::log(options.temperature), at::kFloat));
}

at::Tensor InfoNceLoss::scaled(const at::Tensor& scores) {
  if (!options_.learned) return scores / options_.temperature;
  if (is_training()) {
    at::NoGradGuard no_grad;
    log_scale_.clamp_max_(std::log(options_.max_scale));
  }
  return scores * log_scale_.exp();
}

LossValue InfoNceLoss::forward(const LossInput& input) {
  loss_support::check_scores("infonce", input.scores, input.label);
  return infonce_loss(scaled(at_least_float(input.scores)), input.label, options_);
}

}  // namespace diptych

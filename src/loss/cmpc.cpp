#include "loss/cmpc.h"

#include <torch/torch.h>

#include "loss/classification.h"
#include "loss/support.h"

namespace diptych {
namespace {

// (a_i . u_i) u_i, [B, D]
at::Tensor projected(const at::Tensor& a, const at::Tensor& unit) { return (a * unit).sum(1, /*keepdim=*/true) * unit; }

// What is classified: images above texts, [2B, D].
at::Tensor stacked_features(at::Tensor x, at::Tensor y, const CmpcOptions& options) {
  const bool project = options.variant == CmpcVariant::cmpc;
  if (!project && !options.normalize) return at::cat({x, y});
  const at::Tensor unit_x = unit_rows(x), unit_y = unit_rows(y);
  if (options.normalize) x = unit_x, y = unit_y;
  return project ? at::cat({projected(x, unit_y), projected(y, unit_x)}) : at::cat({x, y});
}

}  // namespace

LossValue cmpc_loss(const at::Tensor& image, const at::Tensor& text, const at::Tensor& label, const at::Tensor& weight,
                    const CmpcOptions& options) {
  loss_support::check_views("cmpc_loss", image, text, label);
  loss_support::check_weight("cmpc_loss", weight, image.size(1));
  loss_support::check_classes("cmpc_loss", label, weight.size(1));
  const at::Tensor both = stacked_features(at_least_float(image), at_least_float(text), options);
  at::Tensor logits = at::mm(both, weight);  // [2B, C]
  // Dividing the logits instead of the weight saves a normalised copy of [D, C].
  if (options.variant != CmpcVariant::ce)
    logits = logits * inverse_or_zero(at::linalg_vector_norm(weight, 2, 0).square());
  const at::Tensor labels = at::cat({label, label});
  if (options.margin != 0) {
    const at::Tensor target = labels.unsqueeze(1);
    logits = logits.scatter_add(1, target, at::full_like(target, -options.margin, logits.options()));
  }
  if (options.scale != 1) logits = logits * options.scale;
  const auto halves = loss_support::row_cross_entropy(logits, labels, options.label_smoothing).chunk(2);
  return loss_support::sum_of_directions(halves[0].mean(), halves[1].mean());
}

CmpcLoss::CmpcLoss(const Options& options, const LossContext& context)
    : options_(options),
      weight_(register_parameter("weight",
                                 loss_support::new_classifier_weight("cmpc", context.dimension, context.classes))) {}

LossValue CmpcLoss::forward(const LossInput& input) {
  return cmpc_loss(input.x, input.y, input.label, weight_, options_);
}

}  // namespace diptych

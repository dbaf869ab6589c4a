#include "loss/lifted.h"

#include <torch/torch.h>

#include <limits>

#include "loss/support.h"

namespace diptych {

LossValue lifted_loss(const at::Tensor& distance_in, const at::Tensor& label, double margin, bool mask_same_label) {
  loss_support::check_scores("lifted_loss", distance_in, label);
  const at::Tensor distance = at_least_float(distance_in);
  const auto kept_out = mask_same_label ? Positives::labels : Positives::diagonal;
  const at::Tensor closeness = (margin - distance)
                                   .masked_fill(loss_support::matches(label, kept_out),
                                                -std::numeric_limits<double>::infinity());  // the mask is symmetric
  const at::Tensor j = at::cat({closeness, closeness.t()}, 1).logsumexp(1) + distance.diagonal();  // [B]
  return {j.relu().square().mean() / 2, {}, {}};
}

LossValue LiftedLoss::forward(const LossInput& input) {
  loss_support::check_views("lifted", input.x, input.y, input.label);
  const auto prepared = [&](const at::Tensor& rows) {
    const at::Tensor full = at_least_float(rows);
    return options_.normalize ? unit_rows(full) : full;
  };
  return lifted_loss(loss_support::euclidean(prepared(input.x), prepared(input.y), 1e-8), input.label, options_.margin,
                     options_.mask_same_label);
}

}  // namespace diptych

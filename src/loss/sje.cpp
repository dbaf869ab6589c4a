#include "loss/sje.h"

#include <torch/torch.h>

#include "loss/support.h"

namespace diptych {

LossValue sje_loss(const at::Tensor& scores, const at::Tensor& label, double margin, bool mask_same_label) {
  loss_support::check_scores("sje_loss", scores, label);
  const LossValue sums =
      triplet_loss(scores, label, {.margin = margin, .mining = Mining::sum, .mask_same_label = mask_same_label});
  const double cells = static_cast<double>(scores.numel());
  return loss_support::sum_of_directions(sums.x_to_y / cells, sums.y_to_x / cells);
}

LossValue SjeLoss::forward(const LossInput& input) {
  return sje_loss(loss_support::similarities("sje", input, options_.similarity), input.label, options_.margin,
                  options_.mask_same_label);
}

}  // namespace diptych

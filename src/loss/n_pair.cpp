#include "loss/n_pair.h"

#include <ATen/core/Tensor.h>

#include "loss/support.h"

namespace diptych {

LossValue n_pair_loss(const at::Tensor& scores, const at::Tensor& label, bool mask_same_label) {
  loss_support::check_scores("n_pair_loss", scores, label);
  // log(1 + sum exp(s_ij - s_ii)) = -log softmax_i(s)_i
  return infonce_loss(scores, label,
                      {.positives = mask_same_label ? Positives::labels : Positives::diagonal,
                       .multi_positive = MultiPositive::drop_false_negatives});
}

LossValue NPairLoss::forward(const LossInput& input) {
  return n_pair_loss(loss_support::similarities("n_pair", input, options_.similarity), input.label,
                     options_.mask_same_label);
}

}  // namespace diptych

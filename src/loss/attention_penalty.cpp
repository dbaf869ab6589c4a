#include "loss/attention_penalty.h"

#include <ATen/ATen.h>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "loss/support.h"

namespace diptych {

LossValue attention_penalty_loss(const at::Tensor& penalty, PenalisedPairs pairs) {
  if (!penalty.defined() || penalty.dim() != 2 || penalty.numel() == 0)
    throw ShapeError("attention_penalty_loss: penalty is not [N, M] with at least one element");
  if (pairs == PenalisedPairs::matching && penalty.size(0) != penalty.size(1))
    throw ShapeError(concat("attention_penalty_loss: penalty ", penalty.sizes(), " has no diagonal of own pairs"));
  const at::Tensor chosen = pairs == PenalisedPairs::matching ? penalty.diagonal() : penalty;
  return {at_least_float(chosen).mean(), {}, {}};
}

LossValue AttentionPenaltyLoss::forward(const LossInput& input) {
  loss_support::check_scores("attention_penalty", input.scores, input.label);
  if (!input.penalty.defined())
    throw UsageError("", "attention_penalty: the scorer has no attention to penalise",
                     "take the term out of the objective, or give it weight 0; model.scorer: {type: sm_lstm, variant: "
                     "full} has attention");
  return attention_penalty_loss(input.penalty, options_.pairs);
}

}  // namespace diptych

#include "loss/match_logistic.h"

#include <ATen/ATen.h>

#include "diptych/loss/softmax.h"
#include "loss/support.h"

namespace diptych {

LossValue match_logistic_loss(const at::Tensor& scores, const at::Tensor& label, bool balanced, Positives positives) {
  loss_support::check_scores("match_logistic_loss", scores, label);
  const at::Tensor logits = at_least_float(scores), match = loss_support::matches(label, positives);
  const at::Tensor cells = at::softplus(at::where(match, -logits, logits));
  if (!balanced) return {cells.mean(), {}, {}};
  const at::Tensor yes = match.to(logits.scalar_type()), no = 1 - yes;
  const at::Tensor of_matches = (cells * yes).sum() / yes.sum();  // the diagonal at least
  return {(of_matches + (cells * no).sum() / no.sum().clamp_min(1)) / 2, {}, {}};
}

LossValue MatchLogisticLoss::forward(const LossInput& input) {
  loss_support::check_scores("match_logistic", input.scores, input.label);
  return match_logistic_loss(input.scores, input.label, options_.balanced, options_.positives);
}

}  // namespace diptych

#include "loss/rotation_symmetry.h"

#include "diptych/core/error.h"
#include "loss/support.h"

namespace diptych {

LossValue RotationSymmetryLoss::forward(const LossInput& input) {
  loss_support::check_scores("rotation_symmetry", input.scores, input.label);
  if (!input.back_scores.defined())
    throw UsageError("", "rotation_symmetry: the composer has no way back from a target to its source",
                     "take the term out of the objective, or give it weight 0; model.composer: {type: compose_ae} has "
                     "one");
  loss_support::check_scores("rotation_symmetry", input.back_scores, input.source_row);
  return {tirg_softmax_loss(input.back_scores, input.source_row, {.mask_same_label = options_.mask_same_source}).total,
          {},
          {}};
}

}  // namespace diptych

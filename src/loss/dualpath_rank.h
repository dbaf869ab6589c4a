#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

/// dualpath_rank_loss on the scorer's scores.
class DualpathRankLoss final : public Loss {
 public:
  using Options = DualpathRankOptions;
  DualpathRankLoss(const Options& options, const LossContext&) : options_(options) {}
  LossValue forward(const LossInput& input) override { return dualpath_rank_loss(input.scores, input.label, options_); }
  bool needs_embeddings() const override { return false; }
  bool needs_scores() const override { return true; }

 private:
  Options options_;
};

}  // namespace diptych

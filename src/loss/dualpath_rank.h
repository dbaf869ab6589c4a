#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

/// dualpath_rank_loss on the scorer's scores; chooses its captions among candidates if they are to be mined.
class DualpathRankLoss final : public Loss {
 public:
  using Options = DualpathRankOptions;
  DualpathRankLoss(const Options& options, const LossContext&) : options_(options) {}
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return false; }
  bool needs_scores() const override { return true; }
  int64_t candidates() const override { return options_.candidates.value_or(0); }
  at::Tensor choose(const Candidates& from) const override;

 private:
  Options options_;
};

}  // namespace diptych

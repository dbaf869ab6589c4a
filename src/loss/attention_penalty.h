#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

/// attention_penalty_loss of what the scorer's attention left out.
class AttentionPenaltyLoss final : public Loss {
 public:
  struct Options {
    PenalisedPairs pairs = PenalisedPairs::matching;
    static void visit(auto& self, auto& field) {
      field("pairs", self.pairs,
            "which pairs of a batch the mean is over: the own pairs, or every image with every text");
    }
  };
  AttentionPenaltyLoss(const Options& options, const LossContext&) : options_(options) {}
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return false; }
  bool needs_scores() const override { return true; }

 private:
  Options options_;
};

}  // namespace diptych

#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

/// match_logistic_loss of the scorer's scores, without parameters of its own.
class MatchLogisticLoss final : public Loss {
 public:
  struct Options {
    bool balanced = true;
    Positives positives = Positives::labels;
    static void visit(auto& self, auto& field) {
      field("balanced", self.balanced,
            "matches and non-matches count one half each, however many there are; false: every pair counts alike");
      field("positives", self.positives, "who matches: rows with the same label, or only the own pair");
    }
  };
  MatchLogisticLoss(const Options& options, const LossContext&) : options_(options) {}
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return false; }
  bool needs_scores() const override { return true; }

 private:
  Options options_;
};

}  // namespace diptych

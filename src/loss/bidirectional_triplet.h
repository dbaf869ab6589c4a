#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

struct BidirectionalTripletOptions : TripletOptions {
  double warmup_epochs = 0;
  static void visit(auto& self, auto& field) {
    TripletOptions::visit(self, field);
    field("warmup_epochs", self.warmup_epochs,
          "epochs of mining: sum before the chosen mining; fractions are legal (Chen et al. 2021 use 1 before hardest)",
          {.lo = 0, .hi = 1e6});
  }
};

/// triplet_loss on the scorer's scores, with all negatives during the first epochs.
class BidirectionalTripletLoss final : public Loss {
 public:
  using Options = BidirectionalTripletOptions;
  BidirectionalTripletLoss(const Options& options, const LossContext&) : options_(options) {}
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return false; }
  bool needs_scores() const override { return true; }

 private:
  Options options_;
};

}  // namespace diptych

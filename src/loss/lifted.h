#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

struct LiftedOptions {
  double margin = 1;
  bool normalize = true;
  bool mask_same_label = true;
  static void visit(auto& self, auto& field) {
    field("margin", self.margin, "in units of distance (Oh Song et al. 2016: 1)", {.lo = 0, .hi = 1e3});
    field("normalize", self.normalize,
          "distances of unit rows, 0 to 2, so that the margin has one meaning; false as in Oh Song et al. 2016");
    field("mask_same_label", self.mask_same_label, "rows with the pair's label are never its negatives");
  }
};

/// lifted_loss on the Euclidean distances sqrt(|x_i - y_j|^2 + 1e-8) of the batch's embeddings.
class LiftedLoss final : public Loss {
 public:
  using Options = LiftedOptions;
  LiftedLoss(const Options& options, const LossContext&) : options_(options) {}
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return true; }
  bool needs_scores() const override { return false; }

 private:
  Options options_;
};

}  // namespace diptych

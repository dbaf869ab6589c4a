#pragma once
#include "loss/similarity.h"

namespace diptych {

struct SjeOptions {
  double margin = 1;
  Similarity similarity = Similarity::dot;
  bool mask_same_label = true;
  static void visit(auto& self, auto& field) {
    field("margin", self.margin, "0/1 loss of a wrong class, in units of the scores (Reed et al. 2016: 1)",
          {.lo = 0, .hi = 1e3});
    field("similarity", self.similarity, "dot products of the embeddings (Reed et al. 2016) or the model's scorer");
    field("mask_same_label", self.mask_same_label, "rows with the anchor's label cost nothing (Reed et al. 2016)");
  }
};

/// sje_loss on dot products or on the scorer's scores.
class SjeLoss final : public Loss {
 public:
  using Options = SjeOptions;
  SjeLoss(const Options& options, const LossContext&) : options_(options) {}
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return options_.similarity == Similarity::dot; }
  bool needs_scores() const override { return options_.similarity == Similarity::scorer; }

 private:
  Options options_;
};

}  // namespace diptych

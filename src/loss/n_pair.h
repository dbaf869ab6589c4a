#pragma once
#include "loss/similarity.h"

namespace diptych {

struct NPairOptions {
  Similarity similarity = Similarity::dot;
  bool mask_same_label = true;
  static void visit(auto& self, auto& field) {
    field("similarity", self.similarity, "dot products of the embeddings (Sohn 2016) or the model's scorer");
    field("mask_same_label", self.mask_same_label,
          "rows with the anchor's label are left out; Sohn's batches hold two rows per class, one on either side");
  }
};

/// n_pair_loss on dot products or on the scorer's scores.
class NPairLoss final : public Loss {
 public:
  using Options = NPairOptions;
  NPairLoss(const Options& options, const LossContext&) : options_(options) {}
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return options_.similarity == Similarity::dot; }
  bool needs_scores() const override { return options_.similarity == Similarity::scorer; }

 private:
  Options options_;
};

}  // namespace diptych

#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

/// structure_preserving_loss on a batch of pairs; rows with one image_row are one image.
class StructurePreservingLoss final : public Loss {
 public:
  using Options = StructurePreservingOptions;
  StructurePreservingLoss(const Options& options, const LossContext&) : options_(options) {}
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return true; }
  bool needs_scores() const override { return false; }

 private:
  Options options_;
};

}  // namespace diptych

#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

/// sdm_loss on the batch's embeddings.
class SdmLoss final : public Loss {
 public:
  using Options = SdmOptions;
  SdmLoss(const Options& options, const LossContext&) : options_(options) {}
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return true; }
  bool needs_scores() const override { return false; }

 private:
  Options options_;
};

}  // namespace diptych

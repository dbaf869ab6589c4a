#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

/// dcca_loss on the batch's embeddings. Refuses batches that are not larger than the dimension: of those every view
/// correlates perfectly with every other.
class DccaLoss final : public Loss {
 public:
  using Options = DccaOptions;
  /// throws UsageError for top_k above the dimension.
  DccaLoss(const Options& options, const LossContext& context);
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return true; }
  bool needs_scores() const override { return false; }

 private:
  Options options_;
};

}  // namespace diptych

#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

/// cmpc_loss with its own classifier: parameter `weight` [D, C], Xavier uniform, shared by both views.
class CmpcLoss final : public Loss {
 public:
  using Options = CmpcOptions;
  CmpcLoss(const Options& options, const LossContext& context);
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return true; }
  bool needs_scores() const override { return false; }
  bool classifies() const override { return true; }

 private:
  Options options_;
  at::Tensor weight_;
};

}  // namespace diptych

#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

/// tirg_softmax_loss on the scorer's scores.
class TirgSoftmaxLoss final : public Loss {
 public:
  using Options = TirgSoftmaxOptions;
  TirgSoftmaxLoss(const Options& options, const LossContext&) : options_(options) {}
  LossValue forward(const LossInput& input) override { return tirg_softmax_loss(input.scores, input.label, options_); }
  bool needs_embeddings() const override { return false; }
  bool needs_scores() const override { return true; }

 private:
  Options options_;
};

}  // namespace diptych

#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

struct SigmoidOptions {
  double scale = 10;
  double bias = -10;
  bool learned = true;
  Positives positives = Positives::labels;
  static void visit(auto& self, auto& field) {
    field("scale", self.scale, "multiplies the scores; the start value if learned (Zhai et al. 2023: 10)",
          {.lo = 1e-3, .hi = 1e4});
    field("bias", self.bias,
          "added to the scaled scores; the start value if learned (Zhai et al. 2023: -10; near -log(batch size) for "
          "batches of 32 to 512)",
          {.lo = -1e3, .hi = 1e3});
    field("learned", self.learned, "train the bias and the logarithm of the scale (Zhai et al. 2023)");
    field("positives", self.positives,
          "who matches: rows with the same label, or only the own pair (Zhai et al. 2023)");
  }
};

/// sigmoid_loss of scale * scores + bias. If learned, the parameters are `log_scale` [] and `bias` [].
class SigmoidLoss final : public Loss {
 public:
  using Options = SigmoidOptions;
  SigmoidLoss(const Options& options, const LossContext&);
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return false; }
  bool needs_scores() const override { return true; }

 private:
  Options options_;
  at::Tensor log_scale_, bias_;  // undefined unless learned
};

}  // namespace diptych

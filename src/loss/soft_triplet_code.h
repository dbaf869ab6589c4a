#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

struct SoftTripletCodeLossOptions : SoftTripletCodeOptions {
  bool normalize = true;
  double scale = 4;
  bool learned = true;
  static void visit(auto& self, auto& field) {
    SoftTripletCodeOptions::visit(self, field);
    field("normalize", self.normalize, "unit rows, times `scale` (Vo et al. 2019); false: the embeddings as they are");
    field("scale", self.scale,
          "length of the normalised rows, the start value if learned (Vo et al. 2019: 4). It is the loss's own: of a "
          "scorer norm_scale this loss sees nothing",
          {.lo = 1e-3, .hi = 1e3});
    field("learned", self.learned, "train the scale (Vo et al. 2019)");
  }
};

/// soft_triplet_code_loss on unit rows times one number, which is the parameter `scale` [] if it is learned.
class SoftTripletCodeLoss final : public Loss {
 public:
  using Options = SoftTripletCodeLossOptions;
  SoftTripletCodeLoss(const Options& options, const LossContext&);
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return true; }
  bool needs_scores() const override { return false; }

 private:
  at::Tensor prepared(const at::Tensor& rows) const;

  Options options_;
  at::Tensor scale_;
};

}  // namespace diptych

#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

struct InstanceOptions {
  bool shared = true;
  bool bias = true;
  double text_weight = 1;
  double label_smoothing = 0;
  double dropout = 0;
  static void visit(auto& self, auto& field) {
    field("shared", self.shared, "one classifier for both views (Zheng et al. 2020); false is their ablation");
    field("bias", self.bias, "a bias per class (Zheng et al. 2020: with Flickr30k and CUHK-PEDES, without on COCO)");
    field("text_weight", self.text_weight,
          "weight of the text side (Zheng et al. 2020: 1 in stage I, 0.1 or 0.5 in stage II); a stage's text_weight "
          "replaces it",
          {.lo = 0, .hi = 1e3});
    field("label_smoothing", self.label_smoothing, "share of the target spread over all classes (Szegedy et al. 2016)",
          {.lo = 0, .hi = 0.99});
    field("dropout", self.dropout,
          "share of the features dropped before the classifier while training (Zheng et al. 2020: 0.75)",
          {.lo = 0, .hi = 0.99});
  }
};

/// instance_loss with its own classifier(s): parameters `weight` [D, C] and `bias` [C], or, not shared, `image_weight`,
/// `image_bias`, `text_weight`, `text_bias`. Xavier uniform, biases 0. Dropout only in training mode.
/// Captions that another loss chose beside the batch are classified too, under their own labels.
class InstanceLoss final : public Loss {
 public:
  using Options = InstanceOptions;
  InstanceLoss(const Options& options, const LossContext& context);
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return true; }
  bool needs_scores() const override { return false; }
  bool classifies() const override { return true; }
  bool weighs_text() const override { return true; }

 private:
  Classifier new_classifier(const std::string& prefix, const LossContext& context);

  Options options_;
  Classifier image_, text_;
};

}  // namespace diptych

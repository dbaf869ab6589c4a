#pragma once
#include <torch/nn/modules/linear.h>

#include "diptych/model/composer.h"

namespace diptych {

/// The combiner of CLIP4Cir (Baldrati et al., CVPR workshops 2022): a mixture of both views and a correction.
///
///   z = [dropout(ReLU(FC t)); dropout(ReLU(FC phi))],   h = dropout(ReLU(FC z))
///   out = FC h + l t + (1 - l) phi,   l = sigmoid(FC(dropout(ReLU(FC z))))
///
/// The result is to be normalised, as the scorers cosine and norm_scale do; the paper's logits are 100 cosines.
/// Parameters: text, image, hidden, out; mix1, mix2.
class CombinerComposer : public Composer {
 public:
  struct Options {
    int64_t projection = 2560, hidden = 5120;
    double dropout = 0.5;
    static void visit(auto& self, auto& field) {
      field("projection", self.projection, "units that each view is projected to (Baldrati et al. 2022: 2560)",
            {.lo = 1, .hi = 65536});
      field("hidden", self.hidden, "units of both hidden layers (Baldrati et al. 2022: 5120)", {.lo = 1, .hi = 65536});
      field("dropout", self.dropout, "share dropped behind each ReLU in training (Baldrati et al. 2022: 0.5)",
            {.lo = 0, .hi = 0.99});
    }
  };
  CombinerComposer(const Options& options, const ComposerContext& context);
  Composed forward(const ComposerInput& input) override;

 private:
  at::Tensor hidden(torch::nn::Linear& fc, const at::Tensor& x) const;
  int64_t dimension_;
  double dropout_;
  torch::nn::Linear text_, image_, hidden_, out_, mix1_, mix2_;
};

}  // namespace diptych

#pragma once
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>

#include "diptych/model/composer.h"

namespace diptych {

/// ComposeAE (Anwaar et al., WACV 2021): the text turns the image in a complex space.
///
///   delta = MLP(t), m = MLP(phi);   re = m cos delta, im = m sin delta
///   out = w_l L[re; im] + w_c conv(re, im)
///
/// L linear, conv two 1-D convolutions over the D dimensions with ReLU between them; w_l and w_c learned, at first 10
/// and 1. MLP: FC - ReLU - FC of D units; sizes and depth are ours. undo turns by -delta, the conjugate, and is
/// otherwise the same with the same weights. The paper's further losses are terms of the objective: rotation_symmetry,
/// which reads undo, and reconstruction, which owns the decoders.
/// Parameters: phase, magnitude, linear, conv by position; linear_weight, conv_weight.
class ComposeAeComposer : public Composer {
 public:
  struct Options {
    int64_t channels = 64;
    static void visit(auto& self, auto& field) {
      field("channels", self.channels,
            "between the two 1-D convolutions. ComposeAE's losses beside the batch softmax are the terms "
            "rotation_symmetry and reconstruction, twice (Anwaar et al. 2021)",
            {.lo = 1, .hi = 4096});
    }
  };
  ComposeAeComposer(const Options& options, const ComposerContext& context);
  Composed forward(const ComposerInput& input) override;
  at::Tensor undo(const at::Tensor& image, const at::Tensor& text) override;

 private:
  // sense: 1 turns by the text's phase, -1 by its conjugate.
  at::Tensor turned(const at::Tensor& image, const at::Tensor& text, double sense);

  int64_t dimension_;
  torch::nn::Sequential phase_{nullptr}, magnitude_{nullptr}, conv_{nullptr};
  torch::nn::Linear linear_{nullptr};
  at::Tensor linear_weight_, conv_weight_;
};

}  // namespace diptych

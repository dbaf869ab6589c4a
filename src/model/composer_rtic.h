#pragma once
#include <torch/nn/modules/container/sequential.h>

#include <vector>

#include "diptych/model/composer.h"

namespace diptych {

/// RTIC (Shin et al., 2021): a residual network estimates what lies between the image and the target.
///
///   f = FC(2D, D) of LeakyReLU(BN[phi; t]),   g = sigmoid(FC(LeakyReLU(BN(FC f))))
///   e = f after `blocks` bottlenecks, each x + FC(D/2, D) . FC(D/2, D/2) . FC(D, D/2) x with BN behind each FC and
///       LeakyReLU behind the first two;   out = phi g + e (1 - g)
///
/// Parameters: fusion, gate, block0, block1, ... by position.
class RticComposer : public Composer {
 public:
  struct Options {
    int64_t blocks = 4;
    static void visit(auto& self, auto& field) {
      field("blocks", self.blocks, "residual bottlenecks (Shin et al. 2021, code: 4)", {.lo = 0, .hi = 64});
    }
  };
  RticComposer(const Options& options, const ComposerContext& context);
  Composed forward(const ComposerInput& input) override;

 private:
  int64_t dimension_;
  torch::nn::Sequential fusion_{nullptr}, gate_{nullptr};
  std::vector<torch::nn::Sequential> blocks_;
};

}  // namespace diptych

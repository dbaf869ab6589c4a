#pragma once
#include <torch/nn/modules/linear.h>

#include <array>
#include <vector>

#include "diptych/model/composer.h"

namespace diptych {

enum class MrnOrder { tanh_fc, fc_tanh };
constexpr auto enum_names(MrnOrder) {
  return std::array{std::pair{MrnOrder::tanh_fc, "tanh_fc"}, std::pair{MrnOrder::fc_tanh, "fc_tanh"}};
}

/// Multimodal residual network (Kim et al., NeurIPS 2016, as Vo et al. 2019 use it). x_0 = t; block i:
///
///   tanh_fc  x_i = x_i-1 + fc(tanh x_i-1) * fc(tanh(fc(tanh phi)))              (as Vo et al. print it)
///   fc_tanh  x_i = fc(x_i-1) + tanh(fc(x_i-1)) * tanh(fc(tanh(fc(phi))))        (the original's order)
///
/// Every fc has its own weights and, in training, dropout before it. A linear map follows the last block.
/// Parameters: block0.text, .image1, .image2, with fc_tanh .shortcut; block1.text, ...; out.
class MrnComposer : public Composer {
 public:
  struct Options {
    int64_t blocks = 1;
    MrnOrder order = MrnOrder::tanh_fc;
    double dropout = 0;
    static void visit(auto& self, auto& field) {
      field("blocks", self.blocks, "how often the image is multiplied in; Vo et al. 2019 give no number",
            {.lo = 1, .hi = 64});
      field("order", self.order,
            "activation before each linear map and a plain shortcut (Vo et al. 2019), or after it and a linear map on "
            "the shortcut (Kim et al. 2016)");
      field("dropout", self.dropout, "share dropped before each linear map of a block in training (rtic's port: 0.5)",
            {.lo = 0, .hi = 0.99});
    }
  };
  MrnComposer(const Options& options, const ComposerContext& context);
  Composed forward(const ComposerInput& input) override;

 private:
  class Block;
  int64_t dimension_;
  std::vector<std::shared_ptr<Block>> blocks_;
  torch::nn::Linear out_;
};

}  // namespace diptych

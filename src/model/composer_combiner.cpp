#include "model/composer_combiner.h"

#include <torch/torch.h>

#include "diptych/core/tensor/scope.h"
#include "model/composer_support.h"

namespace diptych {

CombinerComposer::CombinerComposer(const Options& options, const ComposerContext& context)
    : dimension_(context.dimension),
      dropout_(options.dropout),
      text_(register_module("text", torch::nn::Linear(context.dimension, options.projection))),
      image_(register_module("image", torch::nn::Linear(context.dimension, options.projection))),
      hidden_(register_module("hidden", torch::nn::Linear(2 * options.projection, options.hidden))),
      out_(register_module("out", torch::nn::Linear(options.hidden, context.dimension))),
      mix1_(register_module("mix1", torch::nn::Linear(2 * options.projection, options.hidden))),
      mix2_(register_module("mix2", torch::nn::Linear(options.hidden, 1))) {}

at::Tensor CombinerComposer::hidden(torch::nn::Linear& fc, const at::Tensor& x) const {
  return at::dropout(at::relu(fc->forward(x)), dropout_, is_training());
}

Composed CombinerComposer::forward(const ComposerInput& input) {
  const Fp32Scope fp32(input.image.device().type());
  const auto [image, text] = composing::views_of("combiner", input, dimension_);
  const at::Tensor both = at::cat({hidden(text_, text), hidden(image_, image)}, 1);
  const at::Tensor mix = mix2_->forward(hidden(mix1_, both)).sigmoid();  // [B, 1]
  return {out_->forward(hidden(hidden_, both)) + mix * text + (1 - mix) * image, {}};
}

}  // namespace diptych

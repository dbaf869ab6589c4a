#include "model/composer_compose_ae.h"

#include <torch/torch.h>

#include "diptych/core/tensor/scope.h"
#include "model/composer_support.h"

namespace diptych {
namespace {

torch::nn::Sequential two_layers(int64_t dimension) {
  return torch::nn::Sequential(torch::nn::Linear(dimension, dimension), torch::nn::ReLU(),
                               torch::nn::Linear(dimension, dimension));
}
torch::nn::Conv1d conv1d(int64_t in, int64_t out) {
  return torch::nn::Conv1d(torch::nn::Conv1dOptions(in, out, 3).padding(1));
}

}  // namespace

ComposeAeComposer::ComposeAeComposer(const Options& options, const ComposerContext& context)
    : dimension_(context.dimension) {
  phase_ = register_module("phase", two_layers(dimension_));
  magnitude_ = register_module("magnitude", two_layers(dimension_));
  linear_ = register_module("linear", torch::nn::Linear(2 * dimension_, dimension_));
  conv_ = register_module(
      "conv", torch::nn::Sequential(conv1d(2, options.channels), torch::nn::ReLU(), conv1d(options.channels, 1)));
  linear_weight_ = register_parameter("linear_weight", at::scalar_tensor(10, at::kFloat));
  conv_weight_ = register_parameter("conv_weight", at::scalar_tensor(1, at::kFloat));
}

Composed ComposeAeComposer::forward(const ComposerInput& input) { return {turned(input.image, input.text, 1), {}}; }
at::Tensor ComposeAeComposer::undo(const at::Tensor& image, const at::Tensor& text) { return turned(image, text, -1); }

at::Tensor ComposeAeComposer::turned(const at::Tensor& image, const at::Tensor& text, double sense) {
  const Fp32Scope fp32(image.device().type());
  ComposerInput input;
  input.image = image, input.text = text;
  const composing::Views views = composing::views_of("compose_ae", input, dimension_);
  const at::Tensor phase = sense * phase_->forward(views.text), magnitude = magnitude_->forward(views.image);
  const at::Tensor complex = at::stack({magnitude * phase.cos(), magnitude * phase.sin()}, 1);  // [B, 2, D]
  const at::Tensor straight = linear_->forward(complex.flatten(1));
  return linear_weight_ * straight + conv_weight_ * conv_->forward(complex).squeeze(1);
}

}  // namespace diptych

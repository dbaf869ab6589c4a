#include "model/composer_tirg.h"

#include <torch/torch.h>

#include "diptych/core/tensor/scope.h"
#include "model/composer_support.h"

namespace diptych {
namespace {

torch::nn::Conv2d conv3x3(int64_t in, int64_t out, bool bias) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 3).padding(1).bias(bias));
}
torch::nn::Linear plain_linear(int64_t in, int64_t out) {
  return torch::nn::Linear(torch::nn::LinearOptions(in, out).bias(false));
}

torch::nn::Sequential fc_as_printed(int64_t in, int64_t out) {
  return torch::nn::Sequential(plain_linear(in, in), torch::nn::BatchNorm1d(in), torch::nn::ReLU(),
                               plain_linear(in, out), torch::nn::BatchNorm1d(out));
}
torch::nn::Sequential conv_as_printed(int64_t in, int64_t out) {
  return torch::nn::Sequential(conv3x3(in, in, false), torch::nn::BatchNorm2d(in), torch::nn::ReLU(),
                               conv3x3(in, out, false), torch::nn::BatchNorm2d(out));
}

torch::nn::Sequential fc_gate(const TirgOptions& options, int64_t out) {
  const int64_t in = 2 * out;
  if (options.variant == TirgVariant::paper) return fc_as_printed(in, out);
  return torch::nn::Sequential(torch::nn::BatchNorm1d(in), torch::nn::ReLU(), torch::nn::Linear(in, out));
}
torch::nn::Sequential fc_residual(const TirgOptions& options, int64_t out) {
  const int64_t in = 2 * out;
  if (options.variant == TirgVariant::paper) return fc_as_printed(in, out);
  return torch::nn::Sequential(torch::nn::BatchNorm1d(in), torch::nn::ReLU(), torch::nn::Linear(in, in),
                               torch::nn::ReLU(), torch::nn::Linear(in, out));
}
torch::nn::Sequential conv_branch(const TirgOptions& options, const ComposerContext& context) {
  const int64_t out = composing::map_channels("tirg_conv", context), in = out + context.dimension;
  if (options.variant == TirgVariant::paper) return conv_as_printed(in, out);
  return torch::nn::Sequential(torch::nn::BatchNorm2d(in), conv3x3(in, in, true), torch::nn::ReLU(),
                               conv3x3(in, out, true));
}

}  // namespace

Tirg::Tirg(const TirgOptions& options, const torch::nn::Sequential& gate, const torch::nn::Sequential& residual) {
  const auto weight = [&](const char* name, double start) {
    return register_parameter(name, at::scalar_tensor(start, at::kFloat));
  };
  if (options.gate) {
    gate_ = register_module("gate", gate);
    gate_weight_ = weight("gate_weight", options.gate_weight);
  }
  if (options.residual) {
    residual_ = register_module("residual", residual);
    residual_weight_ = weight("residual_weight", options.residual_weight);
  }
}

at::Tensor Tirg::mixed(const at::Tensor& image, const at::Tensor& joined) {
  at::Tensor out;
  if (gate_) out = gate_weight_ * gate_->forward(joined).sigmoid() * image;
  if (!residual_) return out;
  const at::Tensor added = residual_weight_ * residual_->forward(joined);
  return out.defined() ? out + added : added;
}

TirgFcComposer::TirgFcComposer(const Options& options, const ComposerContext& context)
    : Tirg(options, fc_gate(options, context.dimension), fc_residual(options, context.dimension)),
      dimension_(context.dimension) {}

Composed TirgFcComposer::forward(const ComposerInput& input) {
  const Fp32Scope fp32(input.image.device().type());
  const auto views = composing::views_of("tirg_fc", input, dimension_);
  return {mixed(views.image, composing::side_by_side(views)), {}};
}

TirgConvComposer::TirgConvComposer(const Options& options, const ComposerContext& context)
    : Tirg(options, conv_branch(options, context), conv_branch(options, context)),
      dimension_(context.dimension),
      channels_(context.channels) {}

Composed TirgConvComposer::forward(const ComposerInput& input) {
  const Fp32Scope fp32(input.image.device().type());
  const at::Tensor text = composing::views_of("tirg_conv", input, dimension_).text;
  const at::Tensor map = composing::part_of("tirg_conv", "map", input.map, {text.size(0), channels_, -1, -1});
  const at::Tensor everywhere = text.unsqueeze(2).unsqueeze(3).expand({-1, -1, map.size(2), map.size(3)});
  const at::Tensor joined = at::cat({map, everywhere.contiguous(map.suggest_memory_format())}, 1);  // [B, C + D, h, w]
  return {{}, mixed(map, joined)};
}

}  // namespace diptych

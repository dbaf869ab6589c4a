#include "model/heads.h"

#include <torch/torch.h>

#include "diptych/core/text.h"

namespace diptych {
namespace {

// Xavier uniform weights, zero bias: what the published heads start from.
torch::nn::Linear head_linear(int64_t in, int64_t out, bool bias) {
  torch::nn::Linear linear(torch::nn::LinearOptions(in, out).bias(bias));
  torch::nn::init::xavier_uniform_(linear->weight);
  if (bias) torch::nn::init::zeros_(linear->bias);
  return linear;
}

void check_features(const at::Tensor& features, int64_t needed) {
  if (features.dim() != 2 || features.size(1) != needed)
    throw ShapeError(concat("head: features ", features.sizes(), ", needed is [B, ", needed, "]"));
}

at::Tensor activate(const at::Tensor& x, HeadActivation activation) {
  switch (activation) {
    case HeadActivation::relu:
      return at::relu(x);
    case HeadActivation::tanh:
      return at::tanh(x);
    case HeadActivation::gelu:
      break;
  }
  return at::gelu(x);
}

}  // namespace

LinearHead::LinearHead(const Options& options, const HeadContext& context)
    : options_(options), fc_(register_module("fc", head_linear(context.features, options.dim, options.bias))) {}

at::Tensor LinearHead::forward(const at::Tensor& features) {
  check_features(features, fc_->options.in_features());
  return fc_->forward(features);
}

LinearBnHead::LinearBnHead(const Options& options, const HeadContext& context)
    : options_(options),
      fc_(register_module("fc", head_linear(context.features, options.dim, false))),
      bn_(register_module(
          "bn",
          torch::nn::BatchNorm1d(
              torch::nn::BatchNorm1dOptions(options.dim).momentum(1 - options.bn_decay).affine(options.affine)))) {}

at::Tensor LinearBnHead::forward(const at::Tensor& features) {
  check_features(features, fc_->options.in_features());
  return bn_->forward(fc_->forward(features));
}

MlpHead::MlpHead(const Options& options, const HeadContext& context) : options_(options) {
  int64_t in = context.features;
  for (int64_t i = 0; i < options.layers; ++i, in = options.hidden) {
    fc_.push_back(register_module(concat("fc", i), head_linear(in, options.hidden, true)));
    if (options.bn) bn_.push_back(register_module(concat("bn", i), torch::nn::BatchNorm1d(options.hidden)));
  }
  out_ = register_module("out", head_linear(in, options.dim, true));
}

at::Tensor MlpHead::forward(const at::Tensor& features) {
  check_features(features, fc_[0]->options.in_features());
  at::Tensor x = features;
  for (size_t i = 0; i < fc_.size(); ++i) {
    x = fc_[i]->forward(x);
    if (options_.bn) x = bn_[i]->forward(x);
    x = at::dropout(activate(x, options_.activation), options_.dropout, is_training());
  }
  return out_->forward(x);
}

void register_heads(HeadRegistry& heads) {
  heads.add<LinearHead>("linear", "a linear map");
  heads.add<LinearBnHead>("linear_bn", "a linear map without bias, then BatchNorm; no activation",
                          "Zhang and Lu: Deep cross-modal projection learning, ECCV 2018");
  heads.add<MlpHead>("mlp", "hidden layers with BatchNorm, activation and dropout, then a linear map",
                     "Wang et al.: Learning two-branch neural networks for image-text matching tasks, TPAMI 2018");
}

}  // namespace diptych

#include "model/composer_rtic.h"

#include <torch/torch.h>

#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"
#include "model/composer_support.h"

namespace diptych {
namespace {

torch::nn::Sequential rtic_bottleneck(int64_t dimension) {
  const int64_t narrow = std::max<int64_t>(1, dimension / 2);
  return torch::nn::Sequential(torch::nn::Linear(dimension, narrow), torch::nn::BatchNorm1d(narrow),
                               torch::nn::LeakyReLU(), torch::nn::Linear(narrow, narrow),
                               torch::nn::BatchNorm1d(narrow), torch::nn::LeakyReLU(),
                               torch::nn::Linear(narrow, dimension), torch::nn::BatchNorm1d(dimension));
}

}  // namespace

RticComposer::RticComposer(const Options& options, const ComposerContext& context) : dimension_(context.dimension) {
  const int64_t d = dimension_;
  fusion_ = register_module("fusion", torch::nn::Sequential(torch::nn::BatchNorm1d(2 * d), torch::nn::LeakyReLU(),
                                                            torch::nn::Linear(2 * d, d)));
  gate_ = register_module("gate", torch::nn::Sequential(torch::nn::Linear(d, d), torch::nn::BatchNorm1d(d),
                                                        torch::nn::LeakyReLU(), torch::nn::Linear(d, d)));
  for (int64_t i = 0; i < options.blocks; ++i)
    blocks_.push_back(register_module(concat("block", i), rtic_bottleneck(d)));
}

Composed RticComposer::forward(const ComposerInput& input) {
  const Fp32Scope fp32(input.image.device().type());
  const auto views = composing::views_of("rtic", input, dimension_);
  at::Tensor x = fusion_->forward(composing::side_by_side(views));
  const at::Tensor gate = gate_->forward(x).sigmoid();
  for (auto& block : blocks_) x = x + block->forward(x);
  return {views.image * gate + x * (1 - gate), {}};
}

}  // namespace diptych

#include "model/composer_relationship.h"

#include <torch/torch.h>

#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"
#include "model/composer_support.h"

namespace diptych {

RelationshipComposer::RelationshipComposer(const Options& options, const ComposerContext& context)
    : dimension_(context.dimension),
      channels_(composing::map_channels("relationship", context)),
      aggregate_(options.aggregate) {
  const auto of_place = [&] {
    return torch::nn::Linear(torch::nn::LinearOptions(channels_, options.hidden).bias(false));
  };
  first_a_ = register_module("first_a", of_place());
  first_b_ = register_module("first_b", of_place());
  first_text_ = register_module("first_text", torch::nn::Linear(dimension_, options.hidden));
  for (int64_t i = 1; i < options.pair_layers; ++i)
    pair_.push_back(register_module(concat("pair", i), torch::nn::Linear(options.hidden, options.hidden)));
  for (int64_t i = 0; i < options.out_layers; ++i)
    out_.push_back(register_module(
        concat("out", i), torch::nn::Linear(options.hidden, i + 1 < options.out_layers ? options.hidden : dimension_)));
}

Composed RelationshipComposer::forward(const ComposerInput& input) {
  const Fp32Scope fp32(input.image.device().type());
  const at::Tensor text = composing::views_of("relationship", input, dimension_).text;
  const at::Tensor map = composing::part_of("relationship", "map", input.map, {text.size(0), channels_, -1, -1});
  const at::Tensor places = map.flatten(2).transpose(1, 2);  // [B, n, C]
  const at::Tensor a = first_a_->forward(places) + first_text_->forward(text).unsqueeze(1);
  at::Tensor pairs = at::relu(a.unsqueeze(2) + first_b_->forward(places).unsqueeze(1));  // [B, n, n, H]
  for (auto& layer : pair_) pairs = at::relu(layer->forward(pairs));
  at::Tensor x = aggregate_ == PairAggregate::sum ? pairs.sum({1, 2}) : pairs.mean({1, 2});  // [B, H]
  for (size_t i = 0; i < out_.size(); ++i) x = out_[i]->forward(i ? at::relu(x) : x);
  return {x, {}};
}

}  // namespace diptych

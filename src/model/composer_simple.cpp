#include "model/composer_simple.h"

#include <torch/torch.h>

#include "diptych/core/tensor/scope.h"
#include "model/composer_support.h"

namespace diptych {

Composed NoComposer::forward(const ComposerInput&) {
  throw std::logic_error("composer none: a model that matches composes nothing");
}

Composed ImageOnlyComposer::forward(const ComposerInput& input) {
  return {composing::views_of("image_only", input, dimension_).image, {}};
}

Composed TextOnlyComposer::forward(const ComposerInput& input) {
  return {composing::views_of("text_only", input, dimension_).text, {}};
}

ConcatComposer::ConcatComposer(const Options& options, const ComposerContext& context) : dimension_(context.dimension) {
  const int64_t both = 2 * dimension_;
  layers_ = register_module(
      "layers", torch::nn::Sequential(torch::nn::BatchNorm1d(both), torch::nn::ReLU(), torch::nn::Linear(both, both),
                                      torch::nn::BatchNorm1d(both), torch::nn::ReLU(),
                                      torch::nn::Dropout(options.dropout), torch::nn::Linear(both, dimension_)));
}

Composed ConcatComposer::forward(const ComposerInput& input) {
  const Fp32Scope fp32(input.image.device().type());
  return {layers_->forward(composing::side_by_side(composing::views_of("concat", input, dimension_))), {}};
}

}  // namespace diptych

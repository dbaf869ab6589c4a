#include "model/composer_show_tell.h"

#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"
#include "model/composer_support.h"

namespace diptych {

ShowTellComposer::ShowTellComposer(const Options&, const ComposerContext& context)
    : dimension_(context.dimension), word_dim_(context.word_dim) {
  if (word_dim_ < 1)
    throw UsageError("", "composer show_tell reads word vectors, and this text encoder has none",
                     "model.text: a recurrent encoder or a text CNN, or another composer");
  image_ = register_module("image", torch::nn::Linear(dimension_, word_dim_));
  lstm_ = register_module("lstm",
                          std::make_shared<RecurrentStack>(RecurrentShape{.input = word_dim_, .hidden = dimension_}));
}

Composed ShowTellComposer::forward(const ComposerInput& input) {
  const Fp32Scope fp32(input.image.device().type());
  const auto [image, text] = composing::views_of("show_tell", input, dimension_);
  const int64_t batch = image.size(0);
  const at::Tensor words = composing::part_of("show_tell", "words", input.words, {batch, -1, word_dim_});
  composing::part_of("show_tell", "length", input.length, {batch});
  const at::Tensor read = at::cat({image_->forward(image).unsqueeze(0), words.transpose(0, 1)});  // [1 + L, B, E]
  const at::Tensor states = lstm_->forward(read, {}, /*dropout=*/0).forward;                      // [1 + L, B, D]
  const at::Tensor last = input.length.view({1, batch, 1}).expand({1, batch, dimension_});
  return {states.gather(0, last).squeeze(0), {}};
}

}  // namespace diptych

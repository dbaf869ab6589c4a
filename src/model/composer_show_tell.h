#pragma once
#include <torch/nn/modules/linear.h>

#include "diptych/model/composer.h"
#include "model/recurrent_stack.h"

namespace diptych {

/// An LSTM of D units reads the image, brought to a word's size by a linear map, and then the words; its last state is
/// the query. A text without words leaves the state behind the image. Parameters: image; lstm. (Vo et al. 2019 after
/// Vinyals et al., CVPR 2015.)
class ShowTellComposer : public Composer {
 public:
  struct Options {
    static void visit(auto&, auto&) {}
  };
  /// throws UsageError if the text encoder has no word vectors.
  ShowTellComposer(const Options&, const ComposerContext& context);
  Composed forward(const ComposerInput& input) override;
  ComposerNeeds needs() const override { return {.words = true}; }

 private:
  int64_t dimension_, word_dim_;
  torch::nn::Linear image_{nullptr};
  std::shared_ptr<RecurrentStack> lstm_;
};

}  // namespace diptych

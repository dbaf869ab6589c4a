#pragma once
#include <torch/nn/modules/linear.h>

#include <vector>

#include "diptych/model/composer.h"

namespace diptych {

/// FiLM (Perez et al., AAAI 2018): the text scales and shifts every channel of every block of the image encoder,
///
///   x -> (1 + delta) x + beta,   [delta; beta] = W_i t + b_i for block i
///
/// W and b start at 0, so that the query's encoder starts as the gallery's, which is never modulated. The query costs a
/// second pass through the image encoder. Parameters: block0, block1, ...
class FilmComposer : public Composer {
 public:
  struct Options {
    static void visit(auto&, auto&) {}
  };
  /// throws UsageError if the image encoder has no blocks that can be modulated.
  FilmComposer(const Options&, const ComposerContext& context);
  Composed forward(const ComposerInput& input) override;
  ComposerNeeds needs() const override { return {.modulated_map = true}; }

 private:
  int64_t dimension_;
  std::vector<torch::nn::Linear> blocks_;
};

}  // namespace diptych

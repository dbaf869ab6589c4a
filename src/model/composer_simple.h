#pragma once
#include <torch/nn/modules/container/sequential.h>

#include "diptych/model/composer.h"

namespace diptych {

/// Matching: there is nothing to compose, and nobody calls it.
class NoComposer : public Composer {
 public:
  struct Options {
    static void visit(auto&, auto&) {}
  };
  NoComposer(const Options&, const ComposerContext&) {}
  /// throws std::logic_error.
  Composed forward(const ComposerInput& input) override;
};

/// The image as it is: what a query without its text finds.
class ImageOnlyComposer : public Composer {
 public:
  using Options = NoComposer::Options;
  ImageOnlyComposer(const Options&, const ComposerContext& context) : dimension_(context.dimension) {}
  Composed forward(const ComposerInput& input) override;

 private:
  int64_t dimension_;
};

/// The text as it is.
class TextOnlyComposer : public Composer {
 public:
  using Options = NoComposer::Options;
  TextOnlyComposer(const Options&, const ComposerContext& context) : dimension_(context.dimension) {}
  Composed forward(const ComposerInput& input) override;

 private:
  int64_t dimension_;
};

/// [phi; t] - BN - ReLU - FC(2D, 2D) - BN - ReLU - dropout - FC(2D, D). Parameters: layers.0 ... layers.6, by position.
/// source: the published code of Vo et al.
class ConcatComposer : public Composer {
 public:
  struct Options {
    double dropout = 0.1;
    static void visit(auto& self, auto& field) {
      field("dropout", self.dropout, "share of the hidden units dropped in training (Vo et al. 2019, code: 0.1)",
            {.lo = 0, .hi = 0.99});
    }
  };
  ConcatComposer(const Options& options, const ComposerContext& context);
  Composed forward(const ComposerInput& input) override;

 private:
  int64_t dimension_;
  torch::nn::Sequential layers_;
};

}  // namespace diptych

#pragma once
#include <torch/nn/modules/linear.h>

#include <optional>

#include "diptych/model/composer.h"

namespace diptych {

/// The text makes a matrix, which is applied to the image: T(t) phi, T(t) = I + reshape(W t + b), or, with a rank r,
/// I + U(t) V(t)', U and V [D, r] affine in t. W and b (of V) start at 0, T as the identity. After Nagarajan and
/// Grauman (ECCV 2018), who keep one matrix per attribute; here it is generated, so that unseen texts have one, too.
/// Parameters: matrix; or left, right.
class AttrOperatorComposer : public Composer {
 public:
  struct Options {
    std::optional<int64_t> rank = 32;
    static void visit(auto& self, auto& field) {
      field("rank", self.rank,
            "of what the text adds to the identity; null: a full D x D matrix, which takes D^3 weights (134 million of "
            "512 dimensions)",
            {.lo = 1, .hi = 4096});
    }
  };
  /// throws UsageError for a full matrix that would take more than 2^28 weights.
  AttrOperatorComposer(const Options& options, const ComposerContext& context);
  Composed forward(const ComposerInput& input) override;

 private:
  int64_t dimension_;
  std::optional<int64_t> rank_;
  torch::nn::Linear matrix_{nullptr}, left_{nullptr}, right_{nullptr};
};

/// The image's last linear map with weights that the text makes, Noh et al. (CVPR 2016) style: few numbers c = FC(t)
/// stand in all places of a [D, F] matrix, by a fixed hash and a fixed sign,
///
///   out = T(t) p,   T_ij = sign(i, j) c[hash(i, j)],   p the pooled features [F]
///
/// Takes the image before image_head. Parameters: fc. Hash and sign are a fixed pseudo-random sequence, so they are not
/// saved.
class ParamHashComposer : public Composer {
 public:
  struct Options {
    int64_t weights = 4096;
    static void visit(auto& self, auto& field) {
      field("weights", self.weights, "numbers that the text makes; each stands in D F / weights places of the matrix",
            {.lo = 1, .hi = 1 << 20});
    }
  };
  ParamHashComposer(const Options& options, const ComposerContext& context);
  Composed forward(const ComposerInput& input) override;
  ComposerNeeds needs() const override { return {.features = true}; }
  /// Which of [c; -c] stands in row i, column j.
  int64_t slot(int64_t i, int64_t j) const;

 private:
  int64_t dimension_, features_;
  torch::nn::Linear fc_;
  at::Tensor slots_;  // [D * F] int64, on the device of the last call
};

}  // namespace diptych

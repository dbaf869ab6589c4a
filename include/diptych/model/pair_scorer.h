#pragma once
#include <string>
#include <vector>

#include "diptych/model/scorer.h"

namespace diptych {

/// N images against M texts.
struct PairScores {
  at::Tensor scores;     // [N, M] float32 or float64
  at::Tensor penalty{};  // [N, M] >= 0: places that attention left out or saw too often; undefined: no attention
};

/// Where one step of attention looks in an image and in a text.
struct PairAttention {
  std::string name;        // "step 1"
  at::Tensor image, text;  // [R], [L], each sums to 1
};

/// A network that scores every image against every text from what both hold in detail, for example sm-LSTM. It makes
/// no embeddings, so nothing can be indexed: N x M pairs cost N x M passes. JointModel asks both encoders for their
/// local features when its scorer compares places.
class PairScorer : public Scorer {
 public:
  /// Whether it looks at regions and words; otherwise it gets `global` alone.
  virtual bool compares_places() const { return true; }
  /// x: global [N, D] (the heads' output, the context), local [N, R, C], mask [N, R]; y: global [M, D], local
  /// [M, L, E], mask [M, L]. Differentiable. Beside inputs and results, memory does not grow with
  /// N x M.
  virtual PairScores pairs(const Encoded& x, const Encoded& y) = 0;
  /// Of one image and one text (N = M = 1); nothing where the network has no attention.
  virtual std::vector<PairAttention> attention(const Encoded&, const Encoded&) { return {}; }

  bool indexable() const final { return false; }
  /// throws ShapeError: a pair is more than two vectors.
  at::Tensor forward(const at::Tensor&, const at::Tensor&) final { refuse(); }
  at::Tensor prepare(const at::Tensor&, bool) const final { refuse(); }

 private:
  [[noreturn]] void refuse() const { throw ShapeError("scorer: '" + describe() + "' compares pairs, not embeddings"); }
};

}  // namespace diptych

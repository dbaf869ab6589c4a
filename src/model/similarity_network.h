#pragma once
#include <vector>

#include "diptych/model/pair_scorer.h"

namespace diptych {

/// Similarity network (Wang, Li, Huang and Lazebnik, TPAMI 2018): what two embeddings have in common, as their product
/// element by element, goes through fully connected layers to one number, the logit of a match.
///
///   z_0 = x * y,   z_l = ReLU(W_l z_l-1 + b_l),   score = w . z_L + b
///
/// It compares two vectors and nothing in detail, but not as a dot product: nothing can be indexed. Trained with
/// match_logistic_loss. Parameters: layers.0.{weight, bias}, ...
class SimilarityNetwork : public PairScorer {
 public:
  struct Options {
    std::vector<int64_t> hidden{256, 128};
    int64_t tile_pairs = 65536;
    static void visit(auto& self, auto& field) {
      field("hidden", self.hidden, "units of the layers between the product and the score; [] = none", {.lo = 1});
      field("tile_pairs", self.tile_pairs,
            "pairs computed at once; more of them are computed tile by tile, and once more for the gradient",
            {.lo = 1, .hi = 1 << 24});
    }
  };
  SimilarityNetwork(const Options& options, const ScorerContext& context);
  bool compares_places() const override { return false; }
  /// Reads `global` alone: x [N, D], y [M, D].
  PairScores pairs(const Encoded& x, const Encoded& y) override;
  std::string describe() const override;

 private:
  Options options_;
  std::vector<at::Tensor> layers_;  // weight, bias, weight, bias, ...
};

}  // namespace diptych

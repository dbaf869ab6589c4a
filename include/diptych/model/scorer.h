#pragma once
#include <torch/nn/module.h>

#include "diptych/core/registry.h"
#include "diptych/model/encoded.h"

namespace diptych {

/// Two sets of embeddings -> score matrix [N, M], higher = better. Registry "scorer":
///
///   cosine      x.y / (sqrt(|x|^2 + e) sqrt(|y|^2 + e)), e = 1e-10: a zero vector scores 0 and its gradient is bounded
///   dot         x.y
///   neg_l2      -|x - y|^2, or -|x - y| with squared: false
///   norm_scale  dot or neg_l2 of s x / |x| and s y / |y|, s one learned number
///   sm_lstm, similarity_network   networks over pairs (pair_scorer.h)
///   artemis     of images and the queries of composer artemis, which are four times as wide
///
/// An `indexable` scorer is a dot product of prepared embeddings, which evaluation computes in tiles and search
/// indexes: prepare(x) prepare(y)^T ranks rows and columns exactly as score(x, y) does (and is equal to it, except for
/// -|x - y|). A pairwise network and artemis are not indexable: evaluation calls them on tiles (train/scorer_tiles.h).
class Scorer : public torch::nn::Module {
 public:
  /// x [N, D], y [M, D] -> [N, M], differentiable. In composed retrieval one side are queries.
  virtual at::Tensor forward(const at::Tensor& x, const at::Tensor& y) = 0;
  /// The same scores, but with the lengths of the rows of x taken as given when they are differentiated by x:
  /// explanations ask what x holds of y. The slope of a cosine asks instead how x would have to turn; it is at right
  /// angles to x, so that what x consists of vanishes from it.
  virtual at::Tensor evidence(const at::Tensor& x, const at::Tensor& y) { return forward(x, y); }
  virtual bool indexable() const { return true; }
  /// The embeddings whose dot product ranks like the scores, in float32: unit rows for cosine; for neg_l2 two more
  /// columns, query [2x, -|x|^2, -1] and gallery [y, 1, |y|^2], which is what is_query tells apart.
  virtual at::Tensor prepare(const at::Tensor& embeddings, bool is_query) const = 0;
  /// What such dot products [N, M] are as scores: themselves, except for -|x - y|. Where scores of several models are
  /// added, their order alone is not enough.
  virtual at::Tensor from_products(const at::Tensor& products) const { return products; }
  /// Numbers of a query that it compares with images of D numbers: those of Composer::query_dimension.
  virtual int64_t query_dimension(int64_t dimension) const { return dimension; }
  /// Queries, one a row, as places [M, D] among the embeddings of images, where these are drawn or measured together.
  virtual at::Tensor places(const at::Tensor& queries) const { return queries; }
  /// "cosine", for protocol lines.
  virtual std::string describe() const = 0;
};
/// What a scorer has to know of the rest of the model.
struct ScorerContext {
  int64_t dimension;                // D, of both heads
  int64_t image_local, text_local;  // C of a place of the image, E of a word
};
using ScorerRegistry = Registry<Scorer, const ScorerContext&>;
void register_scorers(ScorerRegistry& scorers);

}  // namespace diptych

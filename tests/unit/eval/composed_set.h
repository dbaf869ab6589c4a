#pragma once
#include <functional>
#include <string>
#include <vector>

#include "diptych/core/text.h"
#include "unit/eval/matrix_tiles.h"

namespace diptych::testing {

/// Composed queries with given scores: query q changes the image source[q] and asks for the label target[q].
struct ComposedSet {
  MatrixTiles tiles;
  RetrievalSet set;
  ComposedSet(const at::Tensor& scores, std::vector<int64_t> x_label, std::vector<int64_t> source,
              std::vector<int64_t> target)
      : tiles(scores) {
    set.scores = &tiles, set.split = "test", set.scorer = "cosine", set.bootstrap = false;
    set.x_label = std::move(x_label), set.y_image = std::move(source), set.y_label = std::move(target);
    set.y_query.resize(set.y_label.size());
    for (size_t i = 0; i < set.x_label.size(); ++i) set.x_id.push_back(concat("img", i));
    for (size_t q = 0; q < set.y_label.size(); ++q) set.y_id.push_back(concat("img", set.y_image[q], "#", q));
  }
  ComposedSet(const ComposedSet&) = delete;  // the set points to the tiles
  ComposedSet& operator=(const ComposedSet&) = delete;
};

/// Random sources and targets over images with `labels` labels, and scores of which nearly all are tied.
inline ComposedSet random_composed_set(int64_t images, int64_t queries, uint64_t labels, uint64_t seed) {
  Random random(seed, {23});
  std::vector<int64_t> label, source, target;
  for (int64_t i = 0; i < images; ++i) label.push_back(static_cast<int64_t>(random.below(labels)));
  for (int64_t q = 0; q < queries; ++q) {
    source.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(images))));
    target.push_back(static_cast<int64_t>(random.below(labels)));
  }
  return {tied_scores(images, queries, 11, seed), label, source, target};
}

/// The oracle: best ranks by sorting, query by query, over the rows that `ranked` lets in; 0 where nothing is relevant.
using PairRule = std::function<bool(size_t query, size_t row)>;
inline std::vector<int32_t> sorted_first_ranks(const ComposedSet& composed, const PairRule& ranked,
                                               const PairRule& relevant, bool stable) {
  std::vector<int32_t> out;
  for (size_t q = 0; q < composed.set.y_label.size(); ++q) {
    std::vector<float> scores;
    std::vector<bool> right;
    for (size_t row = 0; row < composed.set.x_label.size(); ++row) {
      if (!ranked(q, row)) continue;
      scores.push_back(composed.tiles.scores()[static_cast<int64_t>(row)][static_cast<int64_t>(q)].item<float>());
      right.push_back(relevant(q, row));
    }
    const std::vector<int32_t> ranks = sorted_ranks(scores, right, stable);
    out.push_back(ranks.empty() ? 0 : ranks.front());
  }
  return out;
}

}  // namespace diptych::testing

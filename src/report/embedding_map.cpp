#include "diptych/report/embedding_map.h"

#include <torch/torch.h>

#include <algorithm>
#include <set>

#include "diptych/core/random.h"
#include "diptych/core/text.h"
#include "diptych/report/pca.h"
#include "diptych/report/trustworthiness.h"
#include "diptych/report/tsne.h"

namespace diptych {
namespace {

constexpr int64_t kNeighbours = 5;

/// Images that have a caption, each with its first.
std::vector<EmbeddingMap::Pair> described_images(const EvaluationRecord& record) {
  std::vector<int64_t> first(record.images.size(), -1);
  for (size_t i = record.captions.size(); i-- > 0;)
    if (record.captions[i].fold >= 0) first[static_cast<size_t>(record.captions[i].image)] = static_cast<int64_t>(i);
  std::vector<EmbeddingMap::Pair> pairs;
  for (size_t i = 0; i < first.size(); ++i)
    if (first[i] >= 0) pairs.push_back({static_cast<int64_t>(i), first[i], 0, 0, 0, 0});
  return pairs;
}

/// Composed queries, each with its best answer; neither a source nor an answer twice.
std::vector<EmbeddingMap::Pair> answered_queries(const EvaluationRecord& record) {
  std::vector<EmbeddingMap::Pair> pairs;
  std::set<int64_t> sources, answers;
  for (const DirectionRanks& ranks : record.result.ranks)
    for (size_t q = 0; q < ranks.query.size(); ++q) {
      const int64_t answer = ranks.positive_items[static_cast<size_t>(ranks.offsets[q])], query = ranks.query[q];
      const int64_t source = record.image_of(ranks.name, query);
      if (sources.contains(source) || !answers.insert(answer).second) continue;
      sources.insert(source);
      pairs.push_back({answer, query, 0, 0, 0, 0});
    }
  return pairs;
}

/// At most `limit` pairs, in their order.
std::vector<EmbeddingMap::Pair> sampled_pairs(const EvaluationRecord& record, int64_t limit, uint64_t seed) {
  std::vector<EmbeddingMap::Pair> pairs = record.result.composed ? answered_queries(record) : described_images(record);
  if (static_cast<int64_t>(pairs.size()) <= limit) return pairs;
  std::vector<int64_t> chosen =
      permutation(static_cast<int64_t>(pairs.size()), Random(seed, {static_cast<uint64_t>(Stream::report), 3}));
  chosen.resize(static_cast<size_t>(limit));
  std::ranges::sort(chosen);
  std::vector<EmbeddingMap::Pair> out;
  for (const int64_t i : chosen) out.push_back(pairs[static_cast<size_t>(i)]);
  return out;
}

at::Tensor points_of(const EvaluationRecord& record, const std::vector<EmbeddingMap::Pair>& pairs) {
  std::vector<int64_t> images, captions;
  for (const auto& pair : pairs) images.push_back(pair.image), captions.push_back(pair.caption);
  return at::cat({record.x_points.index_select(0, torch::tensor(images, at::kLong)),
                  record.y_points.index_select(0, torch::tensor(captions, at::kLong))});
}

/// [2 pairs, 2]; fills the description.
at::Tensor places_of(const at::Tensor& points, const EmbeddingMapOptions& options, EmbeddingMap& map,
                     const std::function<void(int64_t)>& progress) {
  if (options.method == MapMethod::tsne) {
    const TsneMap found = tsne(points, {.perplexity = options.perplexity}, progress);
    map.description = concat("exact t-SNE, perplexity ", fixed_text(found.perplexity, 0), ", ", found.iterations,
                             " iterations, exaggeration ", found.exaggeration, ", PCA start; KL divergence ",
                             fixed_text(found.divergence, 2));
    return found.places;
  }
  const Pca found = pca(points, 2);
  map.description = concat("first two principal components, ", fixed_text(100 * found.share[0], 1), " % and ",
                           found.share.size() > 1 ? fixed_text(100 * found.share[1], 1) : "0", " % of the variance");
  return found.coordinates.size(1) == 2 ? found.coordinates
                                        : at::cat({found.coordinates, at::zeros_like(found.coordinates)}, 1);
}

}  // namespace

EmbeddingMap embedding_map(const EvaluationRecord& record, const EmbeddingMapOptions& options,
                           const std::function<void(int64_t)>& progress) {
  const at::NoGradGuard no_grad;
  EmbeddingMap map;
  map.pairs = sampled_pairs(record, options.pairs, options.seed);
  if (map.pairs.empty()) return map;
  const at::Tensor points = points_of(record, map.pairs);
  const at::Tensor places = places_of(points, options, map, progress).to(at::kDouble).contiguous();
  if (points.size(0) > 2 * kNeighbours) map.trustworthiness = trustworthiness(points, places, kNeighbours);
  const double* at = places.const_data_ptr<double>();
  const auto count = static_cast<int64_t>(map.pairs.size());
  for (int64_t i = 0; i < count; ++i) {
    EmbeddingMap::Pair& pair = map.pairs[static_cast<size_t>(i)];
    pair.image_x = at[2 * i], pair.image_y = at[2 * i + 1];
    pair.caption_x = at[2 * (count + i)], pair.caption_y = at[2 * (count + i) + 1];
  }
  return map;
}

}  // namespace diptych

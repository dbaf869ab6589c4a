#include "diptych/report/score_distribution.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "diptych/core/random.h"

namespace diptych {
namespace {

using Scores = std::vector<float>;

Scores hardest_negatives(const EvaluationRecord& record, size_t direction) {
  Scores out;
  const std::vector<int64_t>& queries = record.result.ranks[direction].query;
  for (size_t q = 0; q < queries.size(); ++q) {
    const auto& list = record.top[direction][q];
    const auto found = std::ranges::find_if(
        list, [&](const Scored& item) { return !record.relevant(direction, queries[q], item.index); });
    if (found != list.end()) out.push_back(found->score);
  }
  return out;
}

/// Rows of the gallery by fold.
std::map<int32_t, std::vector<int64_t>> gallery_by_fold(const EvaluationRecord& record, size_t direction) {
  std::map<int32_t, std::vector<int64_t>> out;
  const auto& folds = record.from_images(direction) ? record.result.y_fold : record.result.x_fold;
  for (size_t i = 0; i < folds.size(); ++i)
    if (folds[i] >= 0) out[folds[i]].push_back(static_cast<int64_t>(i));
  return out;
}

Scores random_negatives(const EvaluationRecord& record, size_t direction, int64_t draws, uint64_t seed) {
  const std::vector<int64_t>& queries = record.result.ranks[direction].query;
  if (queries.empty() || !record.x.defined()) return {};  // a network's scores of other pairs are not kept
  const bool from_images = record.from_images(direction);
  const auto& folds = from_images ? record.result.x_fold : record.result.y_fold;
  const auto gallery = gallery_by_fold(record, direction);
  Random random(seed, {static_cast<uint64_t>(Stream::report), 1, direction});
  std::vector<int64_t> images, captions;
  for (int64_t i = 0; i < draws; ++i) {
    const int64_t query = queries[random.below(queries.size())];
    const std::vector<int64_t>& items = gallery.at(folds[static_cast<size_t>(query)]);
    const int64_t item = items[random.below(items.size())];
    if (record.relevant(direction, query, item) || (!from_images && !record.meets(item, query))) continue;
    images.push_back(from_images ? query : item), captions.push_back(from_images ? item : query);
  }
  const at::Tensor scores = (record.x.index_select(0, torch::tensor(images, at::kLong)) *
                             record.y.index_select(0, torch::tensor(captions, at::kLong)))
                                .sum(1)
                                .contiguous();
  return {scores.const_data_ptr<float>(), scores.const_data_ptr<float>() + scores.numel()};
}

ScoreHistogram histogram_of(const Scores& scores, double low, double high, int64_t bins) {
  ScoreHistogram out{std::vector<int64_t>(static_cast<size_t>(bins)), static_cast<int64_t>(scores.size()), 0};
  for (const float score : scores) {
    const auto bin = static_cast<int64_t>((score - low) / (high - low) * static_cast<double>(bins));
    ++out.counts[static_cast<size_t>(std::clamp<int64_t>(bin, 0, bins - 1))];
  }
  if (!scores.empty())
    out.mean = std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(scores.size());
  return out;
}

}  // namespace

ScoreDistribution score_distribution(const EvaluationRecord& record, size_t direction,
                                     const ScoreDistributionOptions& options) {
  const at::NoGradGuard no_grad;
  const DirectionRanks& ranks = record.result.ranks[direction];
  const Scores hardest = hardest_negatives(record, direction),
               random = random_negatives(record, direction, options.random_pairs, options.seed);
  ScoreDistribution out{ranks.name, INFINITY, -INFINITY, {}, {}, {}};
  for (const Scores* scores : {&ranks.positive_scores, &hardest, &random})
    for (const float score : *scores)
      out.low = std::min<double>(out.low, score), out.high = std::max<double>(out.high, score);
  if (!(out.low <= out.high)) out.low = 0, out.high = 1;     // no scores at all
  if (out.low == out.high) out.low -= 0.5, out.high += 0.5;  // all equal
  out.positive = histogram_of(ranks.positive_scores, out.low, out.high, options.bins);
  out.hardest = histogram_of(hardest, out.low, out.high, options.bins);
  out.random = histogram_of(random, out.low, out.high, options.bins);
  return out;
}

}  // namespace diptych

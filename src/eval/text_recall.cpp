#include "diptych/eval/text_recall.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "diptych/eval/bootstrap.h"
#include "diptych/eval/ranks.h"
#include "eval/resampled_metrics.h"

namespace diptych {
namespace {

/// The same scores with the lowest finite number on the diagonal: an item never comes before another one in its own
/// list.
class WithoutSelf final : public ScoreTiles {
 public:
  explicit WithoutSelf(const ScoreTiles& scores) : scores_(scores) {}
  int64_t rows() const override { return scores_.rows(); }
  int64_t cols() const override { return scores_.cols(); }
  bool concurrent() const override { return scores_.concurrent(); }
  at::Tensor tile(int64_t row, int64_t col, int64_t row_count, int64_t col_count) const override {
    at::Tensor out = scores_.tile(row, col, row_count, col_count).clone();
    auto* data = out.data_ptr<float>();
    const int64_t last = std::min(row + row_count, col + col_count);
    for (int64_t self = std::max(row, col); self < last; ++self)
      data[(self - row) * col_count + self - col] = std::numeric_limits<float>::lowest();
    return out;
  }

 private:
  const ScoreTiles& scores_;
};

IndexLists siblings_of(const std::vector<int64_t>& y_image) {
  const IndexLists all = equal_values(y_image, y_image);
  IndexLists out;
  for (int64_t caption = 0; caption < all.size(); ++caption) {
    std::vector<int64_t> others(all[caption].begin(), all[caption].end());
    std::erase(others, caption);
    out.add(others);
  }
  return out;
}

/// K of the protocol's "t2i/R@K".
std::vector<int64_t> recalls_of(const ProtocolResult& result) {
  std::vector<int64_t> out;
  for (const auto& [name, metric] : result.metrics)
    if (name.starts_with("t2i/R@"))
      if (const auto k = parse_integer(std::string_view(name).substr(6))) out.push_back(*k);
  return out.empty() ? std::vector<int64_t>{1, 5, 10} : out;
}

/// Images that have a query, numbered fold after fold.
struct ImageClusters {
  std::vector<int32_t> of_query;
  std::vector<int64_t> strata;
};

ImageClusters clusters_of(const std::vector<int64_t>& queries, const std::vector<int64_t>& y_image,
                          const std::vector<int32_t>& fold) {
  std::map<std::pair<int32_t, int64_t>, int32_t> number;  // (fold, image)
  const auto key = [&](int64_t caption) {
    return std::pair(fold[static_cast<size_t>(caption)], y_image[static_cast<size_t>(caption)]);
  };
  for (const int64_t caption : queries) number.emplace(key(caption), 0);
  ImageClusters out;
  int32_t next = 0, former = -1;
  for (auto& [place, each] : number) {
    if (place.first != former) out.strata.push_back(0), former = place.first;
    each = next++, ++out.strata.back();
  }
  for (const int64_t caption : queries) out.of_query.push_back(number.at(key(caption)));
  return out;
}

/// Captions of the smallest fold, without the query.
int64_t gallery_of(const std::vector<int32_t>& fold) {
  std::map<int32_t, int64_t> count;
  for (const int32_t each : fold)
    if (each >= 0) ++count[each];
  int64_t smallest = INT64_MAX;
  for (const auto& [number, captions] : count) smallest = std::min(smallest, captions);
  return count.empty() ? 0 : smallest - 1;
}

}  // namespace

void add_text_to_text(ProtocolResult& result, const ScoreTiles& scores, const std::vector<int64_t>& y_image,
                      uint64_t seed, bool bootstrap) {
  const auto captions = static_cast<int64_t>(y_image.size());
  if (scores.rows() != captions || scores.cols() != captions || result.y_fold.size() != y_image.size())
    throw ShapeError(concat("text_to_text: scores of ", scores.rows(), " x ", scores.cols(), " and folds of ",
                            result.y_fold.size(), " captions for ", captions));
  const WithoutSelf others(scores);
  const RankTable table = rank_by_counting({&others, siblings_of(y_image), {}, result.y_fold, result.y_fold});
  if (table.rows.query.empty())
    throw DataError(concat("protocol ", result.protocol, " on the ", result.split, " split"),
                    "no image has two captions, so that no caption can find another of its image",
                    "evaluate.text_to_text=false");
  const ImageClusters clusters = clusters_of(table.rows.query, y_image, result.y_fold);
  const std::vector<int64_t> recall = recalls_of(result);
  const ResampledMetrics metrics({table.rows.first, {}, {}, clusters.of_query}, clusters.strata, recall, {});
  const ResampledMetrics stable({table.rows.first_stable, {}, {}, clusters.of_query}, clusters.strata, recall, {});
  const std::vector<int32_t> once(
      static_cast<size_t>(std::accumulate(clusters.strata.begin(), clusters.strata.end(), int64_t{0})), 1);
  const std::vector<double> values = metrics(once), stable_values = stable(once);
  std::vector<Interval> intervals(values.size(), Interval{1, 0});
  if (bootstrap)
    intervals =
        bootstrap_intervals(clusters.strata, seed, [&](std::span<const int32_t> weights) { return metrics(weights); });
  const int64_t gallery = gallery_of(result.y_fold);
  const std::vector<std::string> names = ResampledMetrics::names(recall, {});
  for (size_t i = 0; i < names.size(); ++i) {
    Metric metric{values[i], stable_values[i], intervals[i].low, intervals[i].high, true, gallery};
    if (i < recall.size() && recall[i] > gallery) metric = {0, 0, 1, 0, false, gallery};
    result.metrics.emplace_back("t2t/" + names[i], metric);
  }
}

}  // namespace diptych

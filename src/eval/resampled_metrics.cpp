#include "eval/resampled_metrics.h"

#include <algorithm>
#include <numeric>

#include "diptych/core/text.h"

namespace diptych {

ResampledMetrics::ResampledMetrics(const QueryTable& table, std::span<const int64_t> strata,
                                   std::span<const int64_t> recall, std::span<const ListMetric> lists)
    : strata_(strata.begin(), strata.end()),
      recall_(recall.begin(), recall.end()),
      lists_(lists.begin(), lists.end()),
      width_(recall.size() + 2 + lists.size()),
      by_rank_(strata.size()) {
  const auto clusters = static_cast<size_t>(std::accumulate(strata.begin(), strata.end(), int64_t{0}));
  std::vector<size_t> fold_of_cluster;
  for (size_t fold = 0; fold < strata.size(); ++fold)
    fold_of_cluster.insert(fold_of_cluster.end(), static_cast<size_t>(strata[fold]), fold);
  sums_.resize(clusters * width_);
  for (size_t q = 0; q < table.first.size(); ++q) {
    const auto cluster = static_cast<size_t>(table.cluster[q]);
    by_rank_[fold_of_cluster[cluster]].emplace_back(table.first[q], table.cluster[q]);
    std::span<const int32_t> positives;
    if (!lists_.empty())
      positives = std::span(table.positives)
                      .subspan(static_cast<size_t>(table.offsets[q]),
                               static_cast<size_t>(table.offsets[q + 1] - table.offsets[q]));
    add_query(cluster, table.first[q], positives);
  }
  for (auto& fold : by_rank_) std::ranges::sort(fold);
  plain_ = (*this)(std::vector<int32_t>(clusters, 1));
}

void ResampledMetrics::add_query(size_t cluster, int32_t first, std::span<const int32_t> positives) {
  double* sum = &sums_[cluster * width_];
  for (const int64_t k : recall_) *sum++ += first <= k ? 100 : 0;
  *sum++ += first;
  for (const ListMetric& metric : lists_) *sum++ += 100 * metric.of(positives);
  *sum += 1;
}

std::vector<std::string> ResampledMetrics::names(std::span<const int64_t> recall, std::span<const ListMetric> lists) {
  std::vector<std::string> names;
  for (const int64_t k : recall) names.push_back(concat("R@", k));
  names.insert(names.end(), {"medr", "meanr"});
  for (const ListMetric& metric : lists) names.emplace_back(metric.name);
  return names;
}

int64_t ResampledMetrics::fewest_queries() const {
  size_t fewest = by_rank_.front().size();
  for (const auto& fold : by_rank_) fewest = std::min(fewest, fold.size());
  return static_cast<int64_t>(fewest);
}

/// As median_rank, over each query as often as its cluster was drawn.
double ResampledMetrics::median(size_t fold, std::span<const int32_t> weights, int64_t total) const {
  const int64_t low_place = (total - 1) / 2, high_place = total / 2;  // the middle two, or the middle one twice
  int64_t passed = 0, low = 0;
  for (const auto& [rank, cluster] : by_rank_[fold]) {
    const int64_t before = passed;
    passed += weights[static_cast<size_t>(cluster)];
    if (before <= low_place && low_place < passed) low = rank;
    if (before <= high_place && high_place < passed) return static_cast<double>((low + rank) / 2);
  }
  return 0;
}

std::vector<double> ResampledMetrics::operator()(std::span<const int32_t> weights) const {
  std::vector<double> out(width_);
  size_t cluster = 0, folds = 0;
  for (size_t fold = 0; fold < strata_.size(); ++fold) {
    std::vector<double> sum(width_);
    for (int64_t i = 0; i < strata_[fold]; ++i, ++cluster)
      if (const int32_t weight = weights[cluster])
        for (size_t m = 0; m < width_; ++m) sum[m] += weight * sums_[cluster * width_ + m];
    const double queries = sum.back();
    if (queries == 0) continue;  // no image with a query of this direction was drawn
    ++folds;
    size_t place = 0;
    const auto add = [&](double value) { out[place++] += value; };
    for (size_t k = 0; k < recall_.size(); ++k) add(sum[k] / queries);
    add(median(fold, weights, static_cast<int64_t>(queries)));
    for (size_t m = recall_.size(); m + 1 < width_; ++m) add(sum[m] / queries);
  }
  if (folds == 0) return plain_.empty() ? out : plain_;
  for (double& value : out) value /= static_cast<double>(folds);
  return out;
}

}  // namespace diptych

#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "diptych/eval/metrics.h"

namespace diptych {

/// A metric of one query's ranks of all relevant items, a share in [0, 1], and the name of its mean in percent.
struct ListMetric {
  const char* name;
  double (*of)(std::span<const int32_t>);
};
constexpr ListMetric kMeanAp{"mAP", average_precision};
constexpr ListMetric kMeanInp{"mINP", inverse_negative_penalty};
constexpr ListMetric kMeanApTrapezoid{"mAP-trapezoid", average_precision_trapezoid};

/// Queries of one direction under one tie rule, with all that its metrics need.
struct QueryTable {
  std::vector<int32_t> first;               // best ranks
  std::vector<int32_t> positives, offsets;  // ranks of all relevant items; only for ListMetrics
  std::vector<int32_t> cluster;             // of each query: the number of its image in the order of the folds
};

/// The metrics of one direction as functions of cluster weights, averaged over folds: weights of one give the metrics
/// themselves, resampled weights those of a bootstrap sample. Sums of each cluster are made once, so that a resample
/// costs one pass over the clusters.
class ResampledMetrics {
 public:
  /// strata: number of clusters in each fold.
  ResampledMetrics(const QueryTable& table, std::span<const int64_t> strata, std::span<const int64_t> recall,
                   std::span<const ListMetric> lists);
  /// "R@1", ..., "medr", "meanr", and the names of `lists`.
  static std::vector<std::string> names(std::span<const int64_t> recall, std::span<const ListMetric> lists);
  std::vector<double> operator()(std::span<const int32_t> weights) const;
  /// Queries in the fold that has the fewest.
  int64_t fewest_queries() const;

 private:
  void add_query(size_t cluster, int32_t first, std::span<const int32_t> positives);
  double median(size_t fold, std::span<const int32_t> weights, int64_t total) const;

  std::vector<int64_t> strata_, recall_;
  std::vector<ListMetric> lists_;
  size_t width_;              // means of one cluster: recalls, meanr, lists, number of queries
  std::vector<double> sums_;  // [clusters, width]
  std::vector<std::vector<std::pair<int32_t, int32_t>>> by_rank_;  // of each fold: (rank, cluster) in ascending order
  std::vector<double> plain_;                                      // the metrics themselves
};

}  // namespace diptych

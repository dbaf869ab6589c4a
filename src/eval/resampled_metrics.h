#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace diptych {

/// Queries of one direction under one tie rule, with all that its metrics need.
struct QueryTable {
  std::vector<int32_t> first;               // best ranks
  std::vector<int32_t> positives, offsets;  // ranks of all relevant items; only for mAP and mINP
  std::vector<int32_t> cluster;             // of each query: the number of its image in the order of the folds
};

/// The metrics of one direction as functions of cluster weights, averaged over folds: weights of one give the metrics
/// themselves, resampled weights those of a bootstrap sample. Sums of each cluster are made once, so that a resample
/// costs one pass over the clusters.
class ResampledMetrics {
 public:
  /// strata: number of clusters in each fold.
  ResampledMetrics(const QueryTable& table, std::span<const int64_t> strata, std::span<const int64_t> recall,
                   bool precision);
  /// "R@1", ..., "medr", "meanr", and "mAP", "mINP" with precision.
  static std::vector<std::string> names(std::span<const int64_t> recall, bool precision);
  std::vector<double> operator()(std::span<const int32_t> weights) const;
  /// Queries in the fold that has the fewest.
  int64_t fewest_queries() const;

 private:
  void add_query(size_t cluster, int32_t first, std::span<const int32_t> positives);
  double median(size_t fold, std::span<const int32_t> weights, int64_t total) const;

  std::vector<int64_t> strata_, recall_;
  bool precision_;
  size_t width_;              // means of one cluster: recalls, meanr, [mAP, mINP], number of queries
  std::vector<double> sums_;  // [clusters, width]
  std::vector<std::vector<std::pair<int32_t, int32_t>>> by_rank_;  // of each fold: (rank, cluster) in ascending order
  std::vector<double> plain_;                                      // the metrics themselves
};

}  // namespace diptych

#include "diptych/report/comparison.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <unordered_map>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "diptych/eval/bootstrap.h"
#include "diptych/eval/metrics.h"

namespace diptych {
namespace {

/// One direction of both runs, queries in the order of a.
struct PairedDirection {
  const DirectionRanks *a, *b;
  std::vector<size_t> place_in_b;
  std::vector<size_t> cluster;  // of each query: the number of its image
};

[[noreturn]] void refuse(const std::string& message) {
  throw UsageError("comparison", message,
                   "compare runs that were evaluated under the same protocol on the same split of the same data");
}

std::vector<size_t> matched_places(const DirectionRanks& a, const DirectionRanks& b, const std::string& name_a,
                                   const std::string& name_b) {
  std::unordered_map<std::string, size_t> places;
  for (size_t i = 0; i < b.query_id.size(); ++i) places.emplace(b.query_id[i], i);
  std::vector<size_t> out;
  for (const std::string& id : a.query_id) {
    const auto found = places.find(id);
    if (found == places.end())
      refuse(concat(a.name, ": query ", escape_for_log(id), " of ", name_a, " is not in ", name_b, " (",
                    a.query_id.size(), " and ", b.query_id.size(), " queries)"));
    out.push_back(found->second);
  }
  if (a.query_id.size() == b.query_id.size()) return out;
  const auto of_a = [&](const std::string& id) { return std::ranges::count(a.query_id, id) > 0; };
  const auto extra = std::ranges::find_if_not(b.query_id, of_a);
  refuse(concat(a.name, ": query ", escape_for_log(extra == b.query_id.end() ? "" : *extra), " of ", name_b,
                " is not in ", name_a, " (", b.query_id.size(), " and ", a.query_id.size(), " queries)"));
}

/// "x" of the caption "x#3"; an image is its own.
std::string image_of_query(const std::string& direction, const std::string& id) {
  return direction == "i2t" ? id : id.substr(0, id.rfind('#'));
}

std::span<const int32_t> positives_of(const DirectionRanks& ranks, size_t q) {
  const auto begin = static_cast<size_t>(ranks.offsets[q]), end = static_cast<size_t>(ranks.offsets[q + 1]);
  return std::span(ranks.positives).subspan(begin, end - begin);
}

/// Sums over the queries of each image, of both runs, so that a resample costs one pass over the images.
class PairedMetrics {
 public:
  PairedMetrics(const std::vector<PairedDirection>& directions, size_t clusters, const ComparisonOptions& options)
      : options_(options), width_(options.recall.size() + (options.precision ? 2 : 1)) {
    for (const PairedDirection& direction : directions) {
      for (const int64_t k : options.recall) names_.push_back(concat(direction.a->name, "/R@", k));
      names_.push_back(direction.a->name + "/meanr");
      if (options.precision) names_.push_back(direction.a->name + "/mAP");
      Sums& sums = sums_.emplace_back(Sums{std::vector<double>(clusters), {}, {}});
      for (auto* side : {&sums.a, &sums.b}) side->resize(clusters * width_);
      for (size_t q = 0; q < direction.cluster.size(); ++q) {
        const size_t cluster = direction.cluster[q];
        ++sums.queries[cluster];
        add(*direction.a, q, &sums.a[cluster * width_]);
        add(*direction.b, direction.place_in_b[q], &sums.b[cluster * width_]);
      }
    }
    if (directions.size() == 2) names_.push_back("rsum");
  }

  const std::vector<std::string>& names() const { return names_; }

  /// Metrics of both runs, one after the other.
  std::pair<std::vector<double>, std::vector<double>> operator()(std::span<const int32_t> weights) const {
    std::pair<std::vector<double>, std::vector<double>> out;
    double rsum_a = 0, rsum_b = 0;
    for (const Sums& sums : sums_) {
      std::vector<double> a(width_), b(width_);
      double queries = 0;
      for (size_t cluster = 0; cluster < weights.size(); ++cluster) {
        const double weight = weights[cluster];
        if (weight == 0) continue;
        queries += weight * sums.queries[cluster];
        for (size_t i = 0; i < width_; ++i) {
          a[i] += weight * sums.a[cluster * width_ + i];
          b[i] += weight * sums.b[cluster * width_ + i];
        }
      }
      for (size_t i = 0; i < width_; ++i) {
        out.first.push_back(queries > 0 ? a[i] / queries : 0), out.second.push_back(queries > 0 ? b[i] / queries : 0);
        if (i < options_.recall.size()) rsum_a += out.first.back(), rsum_b += out.second.back();
      }
    }
    if (sums_.size() == 2) out.first.push_back(rsum_a), out.second.push_back(rsum_b);
    return out;
  }

 private:
  struct Sums {
    std::vector<double> queries;  // of each image
    std::vector<double> a, b;     // [images, width]: recalls in percent, rank, [AP in percent]
  };
  void add(const DirectionRanks& ranks, size_t q, double* sums) const {
    for (const int64_t k : options_.recall) *sums++ += ranks.first[q] <= k ? 100 : 0;
    *sums++ += ranks.first[q];
    if (options_.precision) *sums += 100 * average_precision(positives_of(ranks, q));
  }

  const ComparisonOptions& options_;
  size_t width_;
  std::vector<std::string> names_;
  std::vector<Sums> sums_;
};

std::vector<double> differences(const PairedMetrics& metrics, std::span<const int32_t> weights) {
  constexpr double kRounding = 1e-9;  // sums of equal parts in another order
  const auto [a, b] = metrics(weights);
  std::vector<double> out;
  for (size_t i = 0; i < a.size(); ++i) out.push_back(std::abs(b[i] - a[i]) < kRounding ? 0 : b[i] - a[i]);
  return out;
}

std::vector<ComparedMetric> compare_metrics(const PairedMetrics& metrics, size_t clusters,
                                            const ComparisonOptions& options) {
  const size_t count = metrics.names().size();
  std::vector<int64_t> not_above(count), not_below(count);
  const int64_t strata[] = {static_cast<int64_t>(clusters)};
  const auto intervals = bootstrap_intervals(
      strata, options.seed,
      [&](std::span<const int32_t> weights) {
        std::vector<double> deltas = differences(metrics, weights);
        for (size_t i = 0; i < count; ++i) not_above[i] += deltas[i] <= 0, not_below[i] += deltas[i] >= 0;
        return deltas;
      },
      options.resamples);
  const std::vector<int32_t> once(clusters, 1);
  const auto [a, b] = metrics(once);
  const std::vector<double> deltas = differences(metrics, once);
  std::vector<ComparedMetric> out;
  for (size_t i = 0; i < count; ++i) {
    const auto rarer = static_cast<double>(std::min(not_above[i], not_below[i]));
    out.push_back({metrics.names()[i], a[i], b[i], deltas[i], intervals[i].low, intervals[i].high,
                   std::min(1.0, 2 * (1 + rarer) / (1 + static_cast<double>(options.resamples)))});
  }
  return out;
}

ComparedDirection count_queries(const PairedDirection& pair, size_t examples) {
  ComparedDirection out;
  out.name = pair.a->name, out.queries = static_cast<int64_t>(pair.a->query_id.size());
  std::vector<std::pair<double, size_t>> change;  // log of the ratio of ranks: positive = b is better
  for (size_t q = 0; q < pair.a->query_id.size(); ++q) {
    const int32_t a = pair.a->first[q], b = pair.b->first[pair.place_in_b[q]];
    out.won += b<a, out.lost += b> a, out.same += a == b;
    out.gained_top1 += b == 1 && a != 1, out.lost_top1 += a == 1 && b != 1;
    if (a != b) change.emplace_back(std::log(static_cast<double>(a) / b), q);
  }
  std::ranges::stable_sort(change, [](const auto& x, const auto& y) { return x.first > y.first; });
  for (size_t i = 0; i < change.size() && change[i].first > 0 && out.most_won.size() < examples; ++i)
    out.most_won.push_back(pair.a->query_id[change[i].second]);
  for (size_t i = change.size(); i-- > 0 && change[i].first < 0 && out.most_lost.size() < examples;)
    out.most_lost.push_back(pair.a->query_id[change[i].second]);
  return out;
}

}  // namespace

Comparison compare_ranks(const std::vector<DirectionRanks>& a, const std::vector<DirectionRanks>& b,
                         const std::string& name_a, const std::string& name_b, const ComparisonOptions& options) {
  const auto directions_text = [](const std::vector<DirectionRanks>& side) {
    std::vector<std::string> names;
    for (const DirectionRanks& ranks : side) names.push_back(ranks.name);
    return names.empty() ? std::string("none") : join(names, ", ");
  };
  if (directions_text(a) != directions_text(b) || a.empty())
    refuse(
        concat("directions differ: ", name_a, " has ", directions_text(a), "; ", name_b, " has ", directions_text(b)));
  std::vector<PairedDirection> pairs;
  std::unordered_map<std::string, size_t> clusters;
  for (size_t d = 0; d < a.size(); ++d) {
    PairedDirection& pair = pairs.emplace_back(PairedDirection{&a[d], &b[d], {}, {}});
    pair.place_in_b = matched_places(a[d], b[d], name_a, name_b);
    for (const std::string& id : a[d].query_id)
      pair.cluster.push_back(clusters.emplace(image_of_query(a[d].name, id), clusters.size()).first->second);
  }
  const PairedMetrics metrics(pairs, clusters.size(), options);
  Comparison out{compare_metrics(metrics, clusters.size(), options), {}};
  for (const PairedDirection& pair : pairs) out.directions.push_back(count_queries(pair, options.examples));
  return out;
}

}  // namespace diptych

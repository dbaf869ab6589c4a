#include "diptych/eval/metrics.h"

#include <algorithm>
#include <numeric>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

void require_ranks(std::span<const int32_t> ranks, const char* metric) {
  if (ranks.empty()) throw ShapeError(concat(metric, ": no ranks; the mean of nothing is not a number"));
}

}  // namespace

double recall_at(std::span<const int32_t> best_ranks, int64_t k) {
  require_ranks(best_ranks, "recall_at");
  const auto hits = std::ranges::count_if(best_ranks, [&](int32_t rank) { return rank <= k; });
  return 100.0 * static_cast<double>(hits) / static_cast<double>(best_ranks.size());
}

double median_rank(std::span<const int32_t> best_ranks) {
  require_ranks(best_ranks, "median_rank");
  std::vector<int32_t> sorted(best_ranks.begin(), best_ranks.end());
  const auto middle = sorted.begin() + static_cast<int64_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  if (sorted.size() % 2) return *middle;
  // floor(((a - 1) + (b - 1)) / 2) + 1 = floor((a + b) / 2)
  return (int64_t{*middle} + *std::max_element(sorted.begin(), middle)) / 2;
}

double mean_rank(std::span<const int32_t> best_ranks) {
  require_ranks(best_ranks, "mean_rank");
  return std::accumulate(best_ranks.begin(), best_ranks.end(), 0.0) / static_cast<double>(best_ranks.size());
}

double average_precision(std::span<const int32_t> ranks) {
  require_ranks(ranks, "average_precision");
  double sum = 0;
  for (size_t n = 0; n < ranks.size(); ++n) sum += static_cast<double>(n + 1) / ranks[n];
  return sum / static_cast<double>(ranks.size());
}

double average_precision_trapezoid(std::span<const int32_t> ranks) {
  require_ranks(ranks, "average_precision_trapezoid");
  double sum = 0;
  for (size_t n = 0; n < ranks.size(); ++n) {
    const double before = ranks[n] == 1 ? 1.0 : static_cast<double>(n) / (ranks[n] - 1);
    sum += (before + static_cast<double>(n + 1) / ranks[n]) / 2;
  }
  return sum / static_cast<double>(ranks.size());
}

double inverse_negative_penalty(std::span<const int32_t> ranks) {
  require_ranks(ranks, "inverse_negative_penalty");
  return static_cast<double>(ranks.size()) / ranks.back();
}

double precision_at(std::span<const int32_t> ranks, int64_t k, int64_t gallery) {
  const auto hits = std::ranges::count_if(ranks, [&](int32_t rank) { return rank <= k; });
  return static_cast<double>(hits) / static_cast<double>(std::min(k, gallery));
}

double mean_percent(std::span<const int32_t> ranks, std::span<const int32_t> offsets,
                    double (*metric)(std::span<const int32_t>)) {
  if (offsets.size() < 2) throw ShapeError("mean_percent: no queries; the mean of nothing is not a number");
  double sum = 0;
  for (size_t q = 0; q + 1 < offsets.size(); ++q)
    sum += metric(ranks.subspan(static_cast<size_t>(offsets[q]), static_cast<size_t>(offsets[q + 1] - offsets[q])));
  return 100 * sum / static_cast<double>(offsets.size() - 1);
}

}  // namespace diptych

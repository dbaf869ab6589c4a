#include "diptych/eval/bootstrap.h"

#include <algorithm>
#include <numeric>

#include "diptych/core/error.h"
#include "diptych/core/random.h"

namespace diptych {
namespace {

double order_statistic(const std::vector<double>& sorted, double quantile) {
  const double place = quantile * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

Interval percentile_interval(std::vector<double> values, double coverage) {
  if (values.empty()) throw ShapeError("percentile_interval: no values");
  std::ranges::sort(values);
  return {order_statistic(values, (1 - coverage) / 2), order_statistic(values, (1 + coverage) / 2)};
}

std::vector<Interval> bootstrap_intervals(std::span<const int64_t> strata, uint64_t seed,
                                          const ResampledStatistics& statistics, int64_t resamples) {
  Random random(seed, {static_cast<uint64_t>(Stream::bootstrap)});
  std::vector<int32_t> weights(static_cast<size_t>(std::accumulate(strata.begin(), strata.end(), int64_t{0})));
  std::vector<std::vector<double>> values;  // of each statistic
  for (int64_t resample = 0; resample < resamples; ++resample) {
    std::ranges::fill(weights, 0);
    int64_t begin = 0;
    for (const int64_t clusters : strata) {
      for (int64_t draw = 0; draw < clusters; ++draw)
        ++weights[static_cast<size_t>(begin) + random.below(static_cast<uint64_t>(clusters))];
      begin += clusters;
    }
    const std::vector<double> drawn = statistics(weights);
    values.resize(drawn.size());
    for (size_t i = 0; i < drawn.size(); ++i) values[i].push_back(drawn[i]);
  }
  std::vector<Interval> intervals;
  for (auto& each : values) intervals.push_back(percentile_interval(std::move(each)));
  return intervals;
}

}  // namespace diptych

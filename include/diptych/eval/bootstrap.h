#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace diptych {

struct Interval {
  double low = 0, high = 0;
};

/// Percentile interval that leaves out (1 - coverage) / 2 on either side, linear between order statistics.
/// values must not be empty.
Interval percentile_interval(std::vector<double> values, double coverage = 0.95);

/// Statistics of a resampled set: weights[c] = how often cluster c was drawn.
using ResampledStatistics = std::function<std::vector<double>(std::span<const int32_t> weights)>;

/// 95 % bootstrap intervals (Efron's percentile method) of several statistics at once, over clusters of queries:
/// whatever belongs to one image is drawn together, because five captions of one image are not five independent
/// queries.
///
/// strata      numbers of clusters drawn from separately (folds); cluster numbers run through them
/// seed        of Random(seed, {Stream::bootstrap}): equal seeds, equal intervals
/// statistics  called `resamples` times
std::vector<Interval> bootstrap_intervals(std::span<const int64_t> strata, uint64_t seed,
                                          const ResampledStatistics& statistics, int64_t resamples = 1000);

}  // namespace diptych

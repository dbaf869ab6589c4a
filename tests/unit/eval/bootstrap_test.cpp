#include "diptych/eval/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "diptych/core/error.h"

namespace diptych {
namespace {

/// Percentage of hits where cluster c holds `each` queries, all hits or all misses, the first half hits.
ResampledStatistics share_of_hits(int64_t clusters) {
  return [clusters](std::span<const int32_t> weights) {
    double hits = 0, all = 0;
    for (size_t c = 0; c < weights.size(); ++c)
      all += weights[c], hits += static_cast<int64_t>(c) < clusters / 2 ? weights[c] : 0;
    return std::vector<double>{100 * hits / all};
  };
}

TEST(PercentileInterval, IsLinearBetweenOrderStatistics) {
  std::vector<double> values(101);
  std::iota(values.rbegin(), values.rend(), 0.0);  // 100, 99, ..., 0
  const Interval interval = percentile_interval(values, 0.95);
  EXPECT_NEAR(interval.low, 2.5, 1e-9);
  EXPECT_NEAR(interval.high, 97.5, 1e-9);
  EXPECT_EQ(percentile_interval({3.0}).low, 3.0);
  EXPECT_THROW(percentile_interval({}), ShapeError);
}

TEST(BootstrapIntervals, OfAShareAgreeWithTheNormalApproximation) {
  // Half of 1,000 queries hit: the standard error is 100 sqrt(0.25 / 1000) = 1.58, the interval 50 -+ 3.1.
  const std::vector<int64_t> strata{1000};
  const Interval interval = bootstrap_intervals(strata, 1, share_of_hits(1000)).front();
  EXPECT_NEAR(interval.low, 46.9, 0.4);
  EXPECT_NEAR(interval.high, 53.1, 0.4);
}

TEST(BootstrapIntervals, FewerClustersGiveAWiderInterval) {
  const std::vector<int64_t> strata{200};
  const Interval interval = bootstrap_intervals(strata, 1, share_of_hits(200)).front();
  EXPECT_NEAR(interval.high - interval.low, 4 * 100 * std::sqrt(0.25 / 200) * 0.98, 1.0);
}

TEST(BootstrapIntervals, DependOnTheSeedOnly) {
  const std::vector<int64_t> strata{100};
  const auto run = [&](uint64_t seed) { return bootstrap_intervals(strata, seed, share_of_hits(100), 50).front(); };
  EXPECT_EQ(run(3).low, run(3).low);
  EXPECT_EQ(run(3).high, run(3).high);
  EXPECT_TRUE(run(3).low != run(4).low || run(3).high != run(4).high);
}

TEST(BootstrapIntervals, EachStratumKeepsItsNumberOfDraws) {
  const std::vector<int64_t> strata{3, 5};
  int64_t calls = 0;
  bootstrap_intervals(
      strata, 1,
      [&](std::span<const int32_t> weights) {
        ++calls;
        EXPECT_EQ(weights.size(), 8u);
        EXPECT_EQ(std::accumulate(weights.begin(), weights.begin() + 3, 0), 3);
        EXPECT_EQ(std::accumulate(weights.begin() + 3, weights.end(), 0), 5);
        return std::vector<double>{1.0};
      },
      20);
  EXPECT_EQ(calls, 20);
}

}  // namespace
}  // namespace diptych

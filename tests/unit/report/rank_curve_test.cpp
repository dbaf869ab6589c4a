#include "diptych/report/rank_curve.h"

#include <gmock/gmock.h>

#include "diptych/eval/metrics.h"

namespace diptych {
namespace {

TEST(RankHistogram, HasBinsOfOneTwoFiveThatRecallsAreSumsOf) {
  const std::vector<int32_t> ranks{1, 1, 2, 3, 5, 6, 10, 11, 37};
  const auto bins = rank_histogram(ranks, 40);
  std::vector<std::vector<int64_t>> shown;
  for (const RankBin& bin : bins) shown.push_back({bin.first, bin.last, bin.queries});
  EXPECT_EQ(shown,
            (std::vector<std::vector<int64_t>>{{1, 1, 2}, {2, 2, 1}, {3, 5, 2}, {6, 10, 2}, {11, 20, 1}, {21, 40, 1}}));
  EXPECT_NEAR(bins[0].percent, recall_at(ranks, 1), 1e-12);
  EXPECT_NEAR(bins[0].percent + bins[1].percent + bins[2].percent, recall_at(ranks, 5), 1e-12);
}

TEST(RankHistogram, CoversOneItemAndLargeGalleries) {
  EXPECT_EQ(rank_histogram(std::vector<int32_t>{1}, 1).size(), 1u);
  const auto bins = rank_histogram(std::vector<int32_t>{25000}, 25000);
  EXPECT_EQ(bins.back().last, 25000);
  EXPECT_EQ(bins.back().queries, 1);
  for (size_t i = 1; i < bins.size(); ++i) EXPECT_EQ(bins[i].first, bins[i - 1].last + 1);
  EXPECT_EQ(rank_histogram({}, 10).back().last, 10);
}

TEST(RecallCurve, RisesThroughTheRecallsToAHundred) {
  const std::vector<int32_t> ranks{1, 1, 2, 3, 5, 6, 10, 11, 900};
  const auto curve = recall_curve(ranks, 1000);
  for (size_t i = 0; i < curve.size(); ++i) {
    EXPECT_NEAR(curve[i].recall, recall_at(ranks, curve[i].k), 1e-12) << curve[i].k;
    if (i > 0) {
      EXPECT_GT(curve[i].k, curve[i - 1].k);
    }
    if (i < 20) {
      EXPECT_EQ(curve[i].k, static_cast<int64_t>(i) + 1);
    }
  }
  EXPECT_EQ(curve.back().k, 1000);
  EXPECT_EQ(curve.back().recall, 100);
  EXPECT_LT(curve.size(), 70u);
}

}  // namespace
}  // namespace diptych

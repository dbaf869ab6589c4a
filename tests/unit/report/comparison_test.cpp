#include "diptych/report/comparison.h"

#include <gmock/gmock.h>

#include "diptych/core/error.h"
#include "diptych/core/random.h"
#include "diptych/core/text.h"
#include "diptych/eval/metrics.h"

namespace diptych {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

DirectionRanks t2i(const std::vector<int32_t>& first, int64_t captions_per_image = 1) {
  DirectionRanks out;
  out.name = "t2i", out.first = out.first_stable = out.positives = first;
  out.first_tied.assign(first.size(), 0);
  for (size_t q = 0; q < first.size(); ++q) {
    const auto place = static_cast<int64_t>(q);
    out.query_id.push_back(concat("im#g", place / captions_per_image, "#", place % captions_per_image));
    out.offsets.push_back(static_cast<int32_t>(q));
  }
  out.offsets.push_back(static_cast<int32_t>(first.size()));
  return out;
}

DirectionRanks i2t(const std::vector<int32_t>& first) {
  DirectionRanks out = t2i(first);
  out.name = "i2t";
  for (std::string& id : out.query_id) id = id.substr(0, id.rfind('#'));
  return out;
}

const ComparedMetric& metric(const Comparison& comparison, const std::string& name) {
  return *std::ranges::find(comparison.metrics, name, &ComparedMetric::name);
}

std::string refusal(const std::vector<DirectionRanks>& a, const std::vector<DirectionRanks>& b) {
  try {
    compare_ranks(a, b, "run A", "run B");
    return "";
  } catch (const UsageError& error) {
    return to_text(error.issues().at(0));
  }
}

TEST(CompareRanks, OfARunWithItselfFindsNothing) {
  const std::vector<DirectionRanks> run{i2t({1, 4, 2, 9}), t2i({1, 2, 7, 1})};
  const Comparison found = compare_ranks(run, run, "a", "b");
  ASSERT_EQ(found.metrics.size(), 9u);
  for (const ComparedMetric& each : found.metrics) {
    EXPECT_EQ(each.delta, 0) << each.name;
    EXPECT_EQ(each.low, 0) << each.name;
    EXPECT_EQ(each.high, 0) << each.name;
    EXPECT_EQ(each.p, 1) << each.name;
  }
  EXPECT_EQ(found.directions[0].same, 4);
}

TEST(CompareRanks, GivesBothRunsTheirOwnMetrics) {
  const std::vector<int32_t> a{1, 3, 6, 11}, b{1, 1, 12, 2};
  const Comparison found = compare_ranks({t2i(a)}, {t2i(b)}, "a", "b");
  EXPECT_EQ(metric(found, "t2i/R@1").a, recall_at(a, 1));
  EXPECT_EQ(metric(found, "t2i/R@1").b, recall_at(b, 1));
  EXPECT_EQ(metric(found, "t2i/R@1").delta, 25);
  EXPECT_EQ(metric(found, "t2i/R@5").delta, 25);
  EXPECT_EQ(metric(found, "t2i/meanr").a, mean_rank(a));
  EXPECT_EQ(metric(found, "t2i/meanr").delta, 4 - 5.25);
}

TEST(CompareRanks, CountsQueriesWonAndLost) {
  const Comparison found = compare_ranks({t2i({1, 3, 6, 11, 5})}, {t2i({2, 1, 12, 2, 5})}, "a", "b");
  const ComparedDirection& t = found.directions.at(0);
  EXPECT_EQ(t.queries, 5);
  EXPECT_EQ(t.won, 2);
  EXPECT_EQ(t.lost, 2);
  EXPECT_EQ(t.same, 1);
  EXPECT_EQ(t.gained_top1, 1);
  EXPECT_EQ(t.lost_top1, 1);
  EXPECT_THAT(t.most_won, ElementsAre("im#g3#0", "im#g1#0"));  // 11 -> 2 before 3 -> 1
  EXPECT_THAT(t.most_lost, ElementsAre("im#g2#0", "im#g0#0"));
}

TEST(CompareRanks, TheIntervalIsThatOfTheBinomialForPairedHits) {
  // Of 400 queries b gains 60 and loses 20: delta 10 points, standard error sqrt(80 / 400 - 0.01) / sqrt(400) = 2.18.
  std::vector<int32_t> a(400, 2), b(400, 2);
  for (size_t i = 0; i < 60; ++i) b[i] = 1;
  for (size_t i = 60; i < 80; ++i) a[i] = 1;
  const Comparison found = compare_ranks({t2i(a)}, {t2i(b)}, "a", "b");
  const ComparedMetric& r1 = metric(found, "t2i/R@1");
  EXPECT_NEAR(r1.delta, 10, 1e-12);
  EXPECT_NEAR(r1.low, 10 - 1.96 * 2.18, 0.5);
  EXPECT_NEAR(r1.high, 10 + 1.96 * 2.18, 0.5);
  EXPECT_LT(r1.p, 0.01);
  EXPECT_GE(r1.p, 2.0 / 2001);
}

TEST(CompareRanks, PIsAboutOneInTwentyAsOftenAsItSaysWhereRunsDoNotDiffer) {
  Random random(7);
  int64_t small = 0;
  const int64_t trials = 300;
  for (int64_t trial = 0; trial < trials; ++trial) {
    std::vector<int32_t> a, b;
    for (int i = 0; i < 100; ++i) a.push_back(1 + random.chance(0.5)), b.push_back(1 + random.chance(0.5));
    small += metric(compare_ranks({t2i(a)}, {t2i(b)}, "a", "b", {.resamples = 200}), "t2i/R@1").p < 0.05;
  }
  EXPECT_NEAR(static_cast<double>(small) / static_cast<double>(trials), 0.05, 0.035);
}

TEST(CompareRanks, CaptionsOfAnImageAreDrawnTogether) {
  // All five captions of an image change alike: the interval is that of 40 images, not of 200 captions.
  std::vector<int32_t> a(200, 2), b(200, 2), a_image(40, 2), b_image(40, 2);
  for (size_t image = 0; image < 10; ++image) {
    b_image[image] = 1;
    for (size_t c = 0; c < 5; ++c) b[5 * image + c] = 1;
  }
  const auto together = metric(compare_ranks({t2i(a, 5)}, {t2i(b, 5)}, "a", "b"), "t2i/R@1");
  const auto images = metric(compare_ranks({t2i(a_image)}, {t2i(b_image)}, "a", "b"), "t2i/R@1");
  EXPECT_NEAR(together.low, images.low, 1e-9);
  EXPECT_NEAR(together.high, images.high, 1e-9);
}

TEST(CompareRanks, QueriesMayStandInAnotherOrder) {
  DirectionRanks a = t2i({1, 3, 6}), b = t2i({2, 3, 5}), turned = b;
  for (size_t i = 0; i < 3; ++i) {
    turned.query_id[i] = b.query_id[2 - i];
    turned.first[i] = turned.positives[i] = b.first[2 - i];
  }
  const Comparison found = compare_ranks({a}, {b}, "a", "b"), other = compare_ranks({a}, {turned}, "a", "b");
  EXPECT_EQ(found.directions[0].won, other.directions[0].won);
  EXPECT_EQ(metric(found, "t2i/meanr").low, metric(other, "t2i/meanr").low);
}

TEST(CompareRanks, SumsRecallsOfBothDirectionsAndAddsPrecisionIfAsked) {
  const Comparison found =
      compare_ranks({i2t({1, 2}), t2i({1, 2})}, {i2t({1, 1}), t2i({1, 20})}, "a", "b", {.precision = true});
  EXPECT_EQ(metric(found, "rsum").a, 500);
  EXPECT_EQ(metric(found, "rsum").b, 450);
  EXPECT_EQ(metric(found, "i2t/mAP").a, 75);
  EXPECT_EQ(metric(found, "i2t/mAP").b, 100);
}

TEST(CompareRanks, RefusesOtherQueriesAndOtherDirections) {
  EXPECT_THAT(refusal({t2i({1, 2, 3})}, {t2i({1, 2})}),
              AllOf(HasSubstr("query im#g2#0 of run A is not in run B"), HasSubstr("3 and 2 queries"),
                    HasSubstr("same protocol")));
  EXPECT_THAT(refusal({t2i({1, 2})}, {t2i({1, 2, 3})}), HasSubstr("query im#g2#0 of run B is not in run A"));
  EXPECT_THAT(refusal({t2i({1, 2})}, {i2t({1, 2}), t2i({1, 2})}),
              AllOf(HasSubstr("directions differ"), HasSubstr("run B has i2t, t2i")));
  EXPECT_THAT(refusal({}, {}), HasSubstr("none"));
}

}  // namespace
}  // namespace diptych

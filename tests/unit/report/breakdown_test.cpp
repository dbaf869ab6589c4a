#include "diptych/report/breakdown.h"

#include <gmock/gmock.h>

#include <numeric>

#include "diptych/core/error.h"
#include "diptych/core/random.h"
#include "unit/report/record_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::ElementsAre;

std::vector<int64_t> ones(size_t count) { return std::vector<int64_t>(count, 1); }
std::vector<int64_t> hits_of(size_t hits, size_t count) {
  std::vector<int64_t> out(count);
  std::fill_n(out.begin(), hits, 1);
  return out;
}

TEST(ClusteredInterval, OfSingleQueriesIsWilsons) {
  // 5 of 10, Wilson 95 %: 23.7 to 76.3; C / (C - 1) in the variance makes 9 effective queries, held up to 10.
  const Interval half = clustered_interval(hits_of(5, 10), ones(10));
  EXPECT_NEAR(half.low, 23.66, 0.01);
  EXPECT_NEAR(half.high, 76.34, 0.01);
  const Interval all = clustered_interval(ones(10), ones(10));
  EXPECT_NEAR(all.low, 72.25, 0.01);  // 1 / (1 + z^2 / 10)
  EXPECT_NEAR(all.high, 100, 1e-9);
}

TEST(ClusteredInterval, FiveAlikeCaptionsOfAnImageCountOnce) {
  std::vector<int64_t> hits;
  for (size_t i = 0; i < 40; ++i) hits.push_back(i % 2 ? 5 : 0);
  const Interval clustered = clustered_interval(hits, std::vector<int64_t>(40, 5));
  const Interval alone = clustered_interval(hits_of(20, 40), ones(40));
  EXPECT_NEAR(clustered.low, alone.low, 1e-9);
  EXPECT_NEAR(clustered.high, alone.high, 1e-9);
}

TEST(ClusteredInterval, IndependentCaptionsCountEach) {
  // Every image has 2 or 3 of 5: less spread than chance gives; never narrower than that of 200 single queries.
  std::vector<int64_t> hits;
  for (size_t i = 0; i < 40; ++i) hits.push_back(i % 2 ? 2 : 3);
  const Interval clustered = clustered_interval(hits, std::vector<int64_t>(40, 5));
  const Interval single = clustered_interval(hits_of(100, 200), ones(200));
  EXPECT_NEAR(clustered.low, single.low, 0.2);
  EXPECT_LE(clustered.low, single.low + 1e-9);
}

TEST(ClusteredInterval, CoversTheTrueShareAsOftenAsItSays) {
  // 60 images, each with its own chance; 3 captions an image that share it.
  Random random(4);
  int64_t covered = 0;
  const int64_t trials = 2000;
  for (int64_t trial = 0; trial < trials; ++trial) {
    std::vector<int64_t> hits, queries;
    for (int image = 0; image < 60; ++image) {
      const double chance = random.chance(0.5) ? 0.1 : 0.5;
      hits.push_back(random.chance(chance) + random.chance(chance) + random.chance(chance)), queries.push_back(3);
    }
    const Interval interval = clustered_interval(hits, queries);
    covered += interval.low <= 30 && 30 <= interval.high;
  }
  EXPECT_NEAR(static_cast<double>(covered) / static_cast<double>(trials), 0.95, 0.02);
}

TEST(ClusteredInterval, OneClusterSaysLittleAndNoneIsRefused) {
  const Interval one = clustered_interval(std::vector<int64_t>{3}, std::vector<int64_t>{5});
  EXPECT_LT(one.low, 15);
  EXPECT_GT(one.high, 90);
  EXPECT_THROW(clustered_interval({}, {}), ShapeError);
}

/// Ten images with one caption each; captions 0 to 4 are right at rank 1, the others at rank 2.
EvaluationRecord half_right() {
  at::Tensor scores = at::eye(10);
  for (int64_t c = 5; c < 10; ++c) scores[(c + 1) % 5][c] = 2;
  std::vector<int64_t> own(10);
  std::iota(own.begin(), own.end(), 0);
  return record_of_scores(scores, own);
}

TEST(Breakdowns, GroupCaptionsByLengthAndByUnknownWords) {
  EvaluationRecord record = half_right();
  for (size_t c = 0; c < 10; ++c) {
    record.captions[c].tokens = static_cast<int64_t>(c < 5 ? 6 : 12);
    record.captions[c].unknown = static_cast<int64_t>(c % 5);
  }
  const auto found = breakdowns(record);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].by, "caption length");
  EXPECT_EQ(found[0].direction, "t2i");
  EXPECT_THAT(found[0].k, ElementsAre(1, 5, 10));
  ASSERT_EQ(found[0].rows.size(), 2u);
  EXPECT_EQ(found[0].rows[0].group, "6");
  EXPECT_EQ(found[0].rows[0].queries, 5);
  EXPECT_EQ(found[0].rows[0].images, 5);
  EXPECT_THAT(found[0].rows[0].recall, ElementsAre(100, 100, 100));
  EXPECT_EQ(found[0].rows[1].group, "7-12");
  EXPECT_THAT(found[0].rows[1].recall, ElementsAre(0, 100, 100));
  EXPECT_GT(found[0].rows[1].interval[0].high, 20);
  EXPECT_EQ(found[1].by, "unknown words");
  ASSERT_EQ(found[1].rows.size(), 4u);
  EXPECT_EQ(found[1].rows[3].group, "3 or more");
  EXPECT_EQ(found[1].rows[3].queries, 4);
  EXPECT_THAT(found[1].rows[3].recall, ElementsAre(50, 100, 100));
}

TEST(Breakdowns, AGroupAloneIsLeftOut) { EXPECT_TRUE(breakdowns(half_right()).empty()); }

TEST(Breakdowns, GroupIdentitiesByTheirImages) {
  // Identity 7 has three images, identity 9 one.
  const EvaluationRecord record = record_of_scores(at::eye(4), {0, 1, 2, 3}, {7, 7, 7, 9});
  const auto found = breakdowns(record);
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found.back().by, "images of the identity");
  ASSERT_EQ(found.back().rows.size(), 2u);
  EXPECT_EQ(found.back().rows[0].group, "1");
  EXPECT_EQ(found.back().rows[0].queries, 1);
  EXPECT_EQ(found.back().rows[1].group, "2-3");
  EXPECT_EQ(found.back().rows[1].queries, 3);
}

TEST(Breakdowns, GroupComposedQueriesByTheirWordsAndTheirAnswers) {
  // Queries 0 and 1 have two answers besides their own image, query 2 has one.
  EvaluationRecord record =
      composed_record_of_scores(at::eye(4, at::kFloat).narrow(1, 0, 3), {7, 7, 7, 9}, {2, 0, 1}, {7, 7, 9});
  record.captions[2].tokens = 5;
  const auto found = breakdowns(record);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].by, "words of the change");
  EXPECT_EQ(found[0].rows[1].group, "3-5");
  EXPECT_EQ(found[1].by, "right answers");
  ASSERT_EQ(found[1].rows.size(), 2u);
  EXPECT_EQ(found[1].rows[0].group, "1");
  EXPECT_EQ(found[1].rows[0].queries, 1);
  EXPECT_EQ(found[1].rows[1].queries, 2);
}

}  // namespace
}  // namespace diptych::testing

#include "diptych/report/score_distribution.h"

#include <gmock/gmock.h>

#include <numeric>

#include "unit/report/record_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::ElementsAre;

int64_t sum(const std::vector<int64_t>& counts) { return std::accumulate(counts.begin(), counts.end(), int64_t{0}); }

TEST(ScoreDistribution, CountsPositivesAndHardestNegativesByHand) {
  const EvaluationRecord record = record_of_scores(torch::tensor({{1.0, 0.5, 0.0}, {0.25, 0.75, 0.5}}), {0, 0, 1});
  // t2i: positives 1, 0.5, 0.5; hardest negatives 0.25, 0.75, 0.
  const ScoreDistribution found = score_distribution(record, direction_of(record, "t2i"), {.bins = 4});
  EXPECT_EQ(found.low, 0);
  EXPECT_EQ(found.high, 1);
  EXPECT_THAT(found.positive.counts, ElementsAre(0, 0, 2, 1));  // the last bin is closed
  EXPECT_THAT(found.hardest.counts, ElementsAre(1, 1, 0, 1));
  EXPECT_NEAR(found.positive.mean, 2.0 / 3, 1e-6);
  EXPECT_NEAR(found.hardest.mean, 1.0 / 3, 1e-6);
  // i2t: image 0 misses caption 2 (0), image 1 captions 1 (0.75) and 0.
  EXPECT_THAT(score_distribution(record, direction_of(record, "i2t"), {.bins = 4}).hardest.counts,
              ElementsAre(1, 0, 0, 1));
}

TEST(ScoreDistribution, RandomPairsNeverMatchAndHaveTheMeanOfAllThatDoNot) {
  const at::Tensor scores = torch::rand({20, 20});
  std::vector<int64_t> own(20);
  std::iota(own.begin(), own.end(), 0);
  const EvaluationRecord record = record_of_scores(scores + 10 * at::eye(20), own);  // positives are far away
  const ScoreDistribution found = score_distribution(record, 0, {.bins = 11, .random_pairs = 20000});
  EXPECT_EQ(found.random.pairs, sum(found.random.counts));
  EXPECT_NEAR(static_cast<double>(found.random.pairs), 19000, 300);  // one pair in twenty matches
  const double expected = ((scores.sum() - scores.trace()) / 380).item<double>();
  EXPECT_NEAR(found.random.mean, expected, 0.01);
  EXPECT_EQ(std::accumulate(found.random.counts.begin() + 2, found.random.counts.end(), int64_t{0}), 0);
}

TEST(ScoreDistribution, SameSeedSameDraws) {
  std::vector<int64_t> own{0, 1, 2, 3, 4, 5};
  const EvaluationRecord record = record_of_scores(torch::rand({6, 6}), own);
  const auto counts = [&](uint64_t seed) {
    return score_distribution(record, 0, {.random_pairs = 100, .seed = seed}).random.counts;
  };
  EXPECT_EQ(counts(1), counts(1));
  EXPECT_NE(counts(1), counts(2));
}

TEST(ScoreDistribution, EqualScoresHaveBinsToo) {
  const EvaluationRecord record = record_of_scores(at::full({3, 3}, 0.5), {0, 1, 2});
  const ScoreDistribution found = score_distribution(record, 0, {.bins = 2});
  EXPECT_LT(found.low, found.high);
  EXPECT_EQ(sum(found.positive.counts), 3);
}

TEST(ScoreDistribution, OfComposedQueriesNeverCountsTheOwnImage) {
  const at::Tensor scores = torch::tensor({{9.f, 0.f}, {.5f, 9.f}, {.8f, .4f}, {.7f, .3f}});
  const EvaluationRecord record = composed_record_of_scores(scores, {0, 1, 1, 2}, {0, 1}, {1, 1});
  const ScoreDistribution found = score_distribution(record, 0, {.bins = 10, .random_pairs = 1000});
  EXPECT_NEAR(found.high, 0.8, 1e-6);
  EXPECT_EQ(found.positive.pairs, 3);  // images 2 and 1 of query 0, image 2 of query 1
  EXPECT_GT(found.random.pairs, 0);
}

}  // namespace
}  // namespace diptych::testing

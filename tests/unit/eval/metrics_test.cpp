#include "diptych/eval/metrics.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "diptych/core/error.h"
#include "unit/eval/matrix_tiles.h"

namespace diptych::testing {
namespace {

constexpr double kNear = 1e-6;
using Ranks = std::vector<int32_t>;

// M1 of methods.md 2.5: scores [.9 .7 .7 .7 .3 .3], relevant [0 1 0 1 1 0].
QueryRanks m1() {
  const MatrixTiles tiles(torch::tensor({{0.9, 0.7, 0.7, 0.7, 0.3, 0.3}}));
  return rank_by_counting({&tiles, equal_values({1}, {0, 1, 0, 1, 1, 0}), {}, {}, {}, true}).rows;
}

TEST(Metrics, M1UnderTheStableRule) {
  const Ranks ranks = m1().positives_stable;
  EXPECT_EQ(ranks, (Ranks{2, 4, 5}));
  EXPECT_NEAR(average_precision(ranks), 0.533333, kNear);  // (1/2 + 2/4 + 3/5) / 3
  EXPECT_NEAR(average_precision_trapezoid(ranks), 0.405556, kNear);
  EXPECT_NEAR(inverse_negative_penalty(ranks), 0.6, kNear);
  EXPECT_EQ(recall_at(m1().first_stable, 2), 100);
  EXPECT_NEAR(precision_at(ranks, 2, 6), 0.5, kNear);
  EXPECT_NEAR(precision_at(ranks, 3, 6), 0.333333, kNear);
  EXPECT_NEAR(precision_at(ranks, 5, 6), 0.6, kNear);
}

TEST(Metrics, M1UnderThePessimisticRule) {
  const Ranks ranks = m1().positives;
  EXPECT_EQ(ranks, (Ranks{3, 4, 6}));
  EXPECT_NEAR(average_precision(ranks), 0.444444, kNear);
  EXPECT_NEAR(average_precision_trapezoid(ranks), 0.344444, kNear);
  EXPECT_NEAR(inverse_negative_penalty(ranks), 0.5, kNear);
  EXPECT_EQ(recall_at(m1().first, 2), 0);
  EXPECT_NEAR(precision_at(ranks, 2, 6), 0, kNear);
  EXPECT_NEAR(precision_at(ranks, 3, 6), 0.333333, kNear);
  EXPECT_NEAR(precision_at(ranks, 5, 6), 0.4, kNear);
}

TEST(Metrics, WithoutTies) {
  EXPECT_NEAR(average_precision(Ranks{2}), 0.5, kNear);
  EXPECT_NEAR(average_precision_trapezoid(Ranks{2}), 0.25, kNear);
  EXPECT_NEAR(inverse_negative_penalty(Ranks{2}), 0.5, kNear);
  EXPECT_NEAR(average_precision(Ranks{1, 3}), 0.833333, kNear);
  EXPECT_NEAR(average_precision_trapezoid(Ranks{1, 3}), 0.791667, kNear);
  EXPECT_NEAR(inverse_negative_penalty(Ranks{1, 3}), 0.666667, kNear);
}

// M3: class-ap@k, the mean over class texts of the precision among the first k images.
double class_precision(int64_t k, bool stable) {
  const std::vector<int64_t> images{0, 1, 0, 1, 1};
  const MatrixTiles tiles(torch::tensor({{0.3, 0.9, 0.9, 0.1, 0.9}, {0.2, 0.8, 0.8, 0.8, 0.1}}));
  const QueryRanks ranks = rank_by_counting({&tiles, equal_values({0, 1}, images), {}, {}, {}, true}).rows;
  const Ranks& positives = stable ? ranks.positives_stable : ranks.positives;
  double sum = 0;
  for (size_t q = 0; q < 2; ++q)
    sum += precision_at(std::span(positives).subspan(static_cast<size_t>(ranks.offsets[q]),
                                                     static_cast<size_t>(ranks.offsets[q + 1] - ranks.offsets[q])),
                        k, 5);
  return sum / 2;
}

TEST(Metrics, M3ClassPrecision) {
  EXPECT_NEAR(class_precision(2, true), 0.5, kNear);
  EXPECT_NEAR(class_precision(2, false), 0.25, kNear);
  EXPECT_NEAR(class_precision(4, true), 0.5, kNear);
  EXPECT_NEAR(class_precision(4, false), 0.5, kNear);
}

TEST(Metrics, PrecisionDividesByTheGalleryWhereItIsSmallerThanK) {
  EXPECT_NEAR(precision_at(Ranks{1, 2}, 50, 4), 0.5, kNear);
}

TEST(Metrics, MedianIsTheFloorOfTheZeroBasedMedianPlusOne) {
  EXPECT_EQ(median_rank(Ranks{5}), 5);
  EXPECT_EQ(median_rank(Ranks{9, 1, 4}), 4);
  EXPECT_EQ(median_rank(Ranks{2, 1}), 1);         // zero-based 0, 1: floor(0.5) + 1
  EXPECT_EQ(median_rank(Ranks{10, 1, 3, 6}), 4);  // zero-based 2, 5: floor(3.5) + 1
  EXPECT_EQ(mean_rank(Ranks{10, 1, 3, 6}), 5);
}

TEST(Metrics, MeanPercentAveragesOverQueriesNotOverItems) {
  // Query 0 has ranks 1, 3 (AP 5/6), query 1 has rank 2 (AP 1/2).
  EXPECT_NEAR(mean_percent(Ranks{1, 3, 2}, Ranks{0, 2, 3}, average_precision), 100 * (5.0 / 6 + 0.5) / 2, 1e-9);
}

TEST(Metrics, OfNothingAreRefused) {
  EXPECT_THROW(recall_at(Ranks{}, 1), ShapeError);
  EXPECT_THROW(median_rank(Ranks{}), ShapeError);
  EXPECT_THROW(mean_rank(Ranks{}), ShapeError);
  EXPECT_THROW(average_precision(Ranks{}), ShapeError);
  EXPECT_THROW(average_precision_trapezoid(Ranks{}), ShapeError);
  EXPECT_THROW(inverse_negative_penalty(Ranks{}), ShapeError);
  EXPECT_THROW(mean_percent(Ranks{}, Ranks{0}, average_precision), ShapeError);
}

}  // namespace
}  // namespace diptych::testing

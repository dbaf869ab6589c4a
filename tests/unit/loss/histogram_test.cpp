#include "diptych/loss/histogram.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "unit/loss/worked_examples.h"

namespace diptych {
namespace {

using namespace diptych::testing;  // worked examples and helpers
using ::testing::HasSubstr;

TEST(HistogramLoss, GivesTheValuesOfE3) {
  const LossValue loss = histogram_loss(e3_scores(), e3_label(), 0.1);
  EXPECT_NEAR(number(loss.total), 0.472222, kSixDecimals);
  EXPECT_NEAR(number(histogram_loss(e3_scores(), e3_label(), 0.25).total), 0.600000, kSixDecimals);
  EXPECT_FALSE(loss.x_to_y.defined() || loss.y_to_x.defined());
}

TEST(HistogramLoss, OnNodesIsTheShareOfNegativesThatReachAPositive) {
  // positives 0.8 0.6 0.5; of the negatives 0.70 reaches two of them (0.6, 0.5), 0.75 two, 0.55 and 0.65 one and two,
  // 0.10 and 0.45 none: 7 of 18 comparisons
  EXPECT_NEAR(number(histogram_loss(e3_scores(), e3_label(), 0.05).total), 7.0 / 18, 1e-9);
  EXPECT_NEAR(number(histogram_loss(e3_scores(), e3_label(), 0.01).total), 7.0 / 18, 1e-9);
}

TEST(HistogramLoss, TakesRowsOfOneLabelAsPositive) {
  // labels [0,1,0]: positives .8 .75 .6 .65 .5; negatives .70 (3: .6 .65 .5), .55 (1), .10, .45: 4 of 20
  const at::Tensor label = integers({0, 1, 0});
  EXPECT_NEAR(number(histogram_loss(e3_scores(), label, 0.05).total), 4.0 / 20, 1e-9);
  EXPECT_NEAR(number(histogram_loss(e3_scores(), label, 0.05, Positives::diagonal).total), 7.0 / 18, 1e-9);
}

TEST(HistogramLoss, IsZeroOfSeparatedScoresAndOneOfReversedOnes) {
  const at::Tensor eye = at::eye(4, at::kDouble);
  EXPECT_NEAR(number(histogram_loss(eye, at::arange(4)).total), 0, 1e-12);
  EXPECT_NEAR(number(histogram_loss(-eye, at::arange(4)).total), 1, 1e-12);
}

TEST(HistogramLoss, TakesTheEndsOfTheRangeAndWhatRoundingPutsBeyond) {
  const at::Tensor ends = matrix({{1.0000001, -1.0000001}, {-1, 1}});
  EXPECT_NEAR(number(histogram_loss(ends, at::arange(2)).total), 0, 1e-12);
}

TEST(HistogramLoss, GradientsMatchDifferences) {
  for (const auto positives : all<Positives>())
    for (const double step : {0.5, 0.1})
      expect_gradients(
          [&](const at::Tensor& scores) { return histogram_loss(scores, e1_label(), step, positives).total; },
          0.9 * wave({4, 4}, 0.3));
}

TEST(HistogramLoss, RefusesAStepThatDoesNotDivideTheRange) {
  for (const double step : {0.3, 0.0, -0.1, 1.5, 7.0})
    EXPECT_THAT(complaint([&] { histogram_loss(e3_scores(), e3_label(), step); }), HasSubstr("does not divide"));
}

}  // namespace
}  // namespace diptych

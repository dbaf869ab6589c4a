#include "diptych/loss/hinge.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "diptych/core/error.h"
#include "unit/loss/worked_examples.h"

namespace diptych {
namespace {

using namespace diptych::testing;  // worked examples and helpers

LossValue e3_triplet(TripletOptions options) { return triplet_loss(e3_scores(), e3_label(), options); }

TEST(TripletLoss, GivesTheValuesOfE3) {
  expect_directions(e3_triplet({.mining = Mining::sum}), 0.900000, 0.850000);
  expect_directions(e3_triplet({.mining = Mining::hardest}), 0.650000, 0.800000);
  expect_directions(e3_triplet({.mining = Mining::topk_mean, .k = 2}), 0.450000, 0.425000);
  expect_directions(e3_triplet({.mining = Mining::semi_hard}), 0.450000, 0.100000);
  EXPECT_NEAR(number(e3_triplet({.mining = Mining::sum}).total), 1.75, 1e-12);
}

TEST(TripletLoss, WithMaskedLabelsGivesE3) {
  const at::Tensor label = integers({0, 1, 0});
  expect_directions(triplet_loss(e3_scores(), label, {.mining = Mining::sum}), 0.4, 0.35);
  expect_directions(triplet_loss(e3_scores(), label, {.mining = Mining::hardest}), 0.4, 0.3);
  expect_directions(triplet_loss(e3_scores(), label, {.mining = Mining::sum, .mask_same_label = false}), 0.9, 0.85);
}

TEST(TripletLoss, OfEqualScoresIsTheMarginPerCountedNegative) {
  // B = 128, m = 0.2, both directions: 2 * 128 * 127 * 0.2 and 2 * 128 * 0.2
  const at::Tensor scores = at::full({128, 128}, 0.3, at::kDouble), label = at::arange(128);
  EXPECT_NEAR(number(triplet_loss(scores, label, {.mining = Mining::sum}).total), 6502.4, 1e-9);
  EXPECT_NEAR(number(triplet_loss(scores, label, {.mining = Mining::hardest}).total), 51.2, 1e-9);
  EXPECT_NEAR(number(triplet_loss(scores, label, {.mining = Mining::topk_mean, .k = 10}).total), 51.2, 1e-9);
  EXPECT_NEAR(number(triplet_loss(scores, label, {.mining = Mining::random}).total), 51.2, 1e-9);
  EXPECT_NEAR(number(triplet_loss(scores, label, {.mining = Mining::semi_hard}).total), 0, 1e-12);
}

TEST(TripletLoss, MeanDividesByTheBatch) {
  EXPECT_NEAR(number(e3_triplet({.reduction = BatchReduction::mean}).total), 1.45 / 3, 1e-12);
}

TEST(TripletLoss, OneDirectionLeavesTheOtherOut) {
  const LossValue images = e3_triplet({.direction = RankDirection::i2t});
  EXPECT_NEAR(number(images.total), 0.65, 1e-12);
  EXPECT_FALSE(images.y_to_x.defined());
  const LossValue texts = e3_triplet({.direction = RankDirection::t2i});
  EXPECT_NEAR(number(texts.total), 0.80, 1e-12);
  EXPECT_FALSE(texts.x_to_y.defined());
}

TEST(TripletLoss, TopKIsHeldToTheNegativesOfEachAnchor) {
  // k beyond the two negatives of a row: the mean over two
  EXPECT_NEAR(number(e3_triplet({.mining = Mining::topk_mean, .k = 50}).total), 0.875, 1e-12);
  // labels [0,1,0]: row 0 and 2 have one negative (the mean of one), row 1 has two
  const LossValue masked = triplet_loss(e3_scores(), integers({0, 1, 0}), {.mining = Mining::topk_mean, .k = 2});
  EXPECT_NEAR(number(masked.x_to_y), 0.1 + 0.15 / 2 + 0.15, 1e-12);
}

TEST(TripletLoss, RandomDrawsOneUnmaskedNegativePerAnchor) {
  at::manual_seed(3);
  const TripletOptions options{.mining = Mining::random, .direction = RankDirection::i2t};
  double sum = 0;
  for (int i = 0; i < 400; ++i) sum += number(e3_triplet(options).total);
  EXPECT_NEAR(sum / 400, 0.45, 0.03);  // every negative equally likely: half of the sum over two
  EXPECT_NEAR(number(triplet_loss(e3_scores(), integers({0, 1, 0}), options).total), 0.1 + 0.15 + 0.15, 0.16);
  at::manual_seed(7);
  const double first = number(e3_triplet(options).total);
  at::manual_seed(7);
  EXPECT_EQ(number(e3_triplet(options).total), first);
}

TEST(TripletLoss, GradientsMatchDifferencesForEveryOption) {
  const auto check = [](const TripletOptions& options) {
    expect_gradients(
        [&](const at::Tensor& scores) {
          at::manual_seed(11);
          return triplet_loss(scores, e1_label(), options).total;
        },
        wave({4, 4}, 0.3));
  };
  for (const auto mining : all<Mining>())
    for (const auto reduction : all<BatchReduction>())
      for (const auto direction : all<RankDirection>())
        for (const bool mask : {true, false})
          check({0.33, mining, 2, mask, reduction, direction, Positives::diagonal, false});
  for (const auto mining : all<Mining>())
    for (const auto positives : all<Positives>())
      for (const bool soft : {true, false})
        check({0.33, mining, 2, true, BatchReduction::mean, RankDirection::both, positives, soft});
}

TEST(TripletLoss, RefusesTopKWithoutK) { EXPECT_THROW(e3_triplet({.mining = Mining::topk_mean}), ShapeError); }

TEST(TripletLoss, ARepeatedImageIsNoNegativeOfItsOtherCaption) {
  // rows 0 and 1 are one image with two captions that both fit perfectly; row 2 is far
  const at::Tensor scores = matrix({{.9, .9, 0}, {.9, .9, 0}, {0, 0, .9}});
  EXPECT_NEAR(number(triplet_loss(scores, integers({4, 4, 5}), {}).total), 0, 1e-12);
  EXPECT_NEAR(number(triplet_loss(scores, integers({4, 4, 5}), {.mask_same_label = false}).total), 0.8, 1e-12);
}

// The definition, cell by cell: image anchors, every match of which is compared with the negatives.
double every_match_by_hand(const at::Tensor& scores, const at::Tensor& label, Mining mining) {
  const auto s = scores.accessor<double, 2>();
  const auto l = label.accessor<int64_t, 1>();
  double sum = 0;
  for (int64_t i = 0; i < scores.size(0); ++i) {
    double over_matches = 0;
    int64_t matches = 0;
    for (int64_t p = 0; p < scores.size(0); ++p) {
      if (l[p] != l[i]) continue;
      ++matches;
      double all_of_them = 0, largest = 0;
      for (int64_t n = 0; n < scores.size(0); ++n) {
        const bool counts = l[n] != l[i] && (mining != Mining::semi_hard || s[i][n] < s[i][p]);
        const double hinge = counts ? std::max(0.0, 0.4 + s[i][n] - s[i][p]) : 0;
        all_of_them += hinge, largest = std::max(largest, hinge);
      }
      over_matches += mining == Mining::sum ? all_of_them : largest;
    }
    sum += over_matches / static_cast<double>(matches);
  }
  return sum;
}

TEST(TripletLoss, WithEveryMatchAsPositiveFollowsItsDefinition) {
  const at::Tensor scores = wave({6, 6}, 0.3), label = integers({0, 1, 0, 2, 1, 0});
  for (const auto mining : {Mining::sum, Mining::hardest, Mining::semi_hard}) {
    const LossValue loss =
        triplet_loss(scores, label, {.margin = 0.4, .mining = mining, .positives = Positives::labels});
    EXPECT_NEAR(number(loss.x_to_y), every_match_by_hand(scores, label, mining), 1e-12);
    EXPECT_NEAR(number(loss.y_to_x), every_match_by_hand(scores.t().contiguous(), label, mining), 1e-12);
  }
}

TEST(TripletLoss, WithEveryMatchButDistinctLabelsIsThePlainOne) {
  for (const auto mining : {Mining::sum, Mining::hardest, Mining::semi_hard, Mining::topk_mean})
    EXPECT_NEAR(number(e3_triplet({.mining = mining, .k = 2, .positives = Positives::labels}).total),
                number(e3_triplet({.mining = mining, .k = 2}).total), 1e-12);
}

TEST(TripletLoss, SoftWithoutMarginIsTheSoftTripletOfE5) {
  // K = 2, M = B - 1; kernels: dot product, minus squared distance, minus distance
  const TripletOptions options{.margin = 0,
                               .mining = Mining::topk_mean,
                               .k = 2,
                               .reduction = BatchReduction::mean,
                               .direction = RankDirection::i2t,
                               .soft = true};
  for (const auto& [s, dot, squared, plain] :
       {std::tuple{1.0, 0.538452, 0.472920, 0.601980}, {4.0, 0.985769, 1.921546, 0.779538}}) {
    const at::Tensor x = s * e5_x(), y = s * e5_y(), distance = at::cdist(x, y);
    EXPECT_NEAR(number(triplet_loss(x.mm(y.t()), e3_label(), options).total), dot, kSixDecimals);
    EXPECT_NEAR(number(triplet_loss(-distance.square(), e3_label(), options).total), squared, kSixDecimals);
    EXPECT_NEAR(number(triplet_loss(-distance, e3_label(), options).total), plain, kSixDecimals);
  }
}

TEST(SjeLoss, GivesTheValuesOfE3) {
  const LossValue loss = sje_loss(e3_scores(), e3_label());
  expect_directions(loss, 0.6, 0.6);
  EXPECT_NEAR(number(loss.total), 1.2, 1e-12);
}

TEST(SjeLoss, DividesByTheSquaredBatchWhateverIsMasked) {
  // labels [0,1,0]: images 1 - 0.10, (1 - 0.05) + (1 - 0.50), 1 - 0.05
  EXPECT_NEAR(number(sje_loss(e3_scores(), integers({0, 1, 0})).x_to_y), (0.9 + 0.95 + 0.5 + 0.95) / 9, 1e-12);
}

TEST(LiftedLoss, GivesTheValueOfE3) {
  const LossValue loss = lifted_loss(1 - e3_scores(), e3_label());
  EXPECT_NEAR(number(loss.total), 2.658166, kSixDecimals);
  EXPECT_FALSE(loss.x_to_y.defined() || loss.y_to_x.defined());
}

TEST(LiftedLoss, LeavesOutRowsOfThePairsLabel) {
  // labels [0,1,0], D = 1 - S: J_0 = log(e^.70 + e^.55) + .20, J_1 = log(e^.55 + e^.10 + e^.70 + e^.45) + .40,
  // J_2 = log(e^.45 + e^.10) + .50
  const auto e = [](double a) { return std::exp(a); };
  const double j0 = std::log(e(.70) + e(.55)) + .2, j2 = std::log(e(.45) + e(.10)) + .5;
  const double j1 = std::log(e(.55) + e(.10) + e(.70) + e(.45)) + .4;
  EXPECT_NEAR(number(lifted_loss(1 - e3_scores(), integers({0, 1, 0})).total), (j0 * j0 + j1 * j1 + j2 * j2) / 6,
              1e-12);
}

TEST(LiftedLoss, IsZeroForPairsFarCloserThanTheMargin) {
  const at::Tensor distance = matrix({{0, 9}, {9, 0}});
  EXPECT_EQ(number(lifted_loss(distance, at::arange(2)).total), 0);
}

TEST(SjeAndLiftedLoss, GradientsMatchDifferences) {
  for (const bool mask : {true, false}) {
    expect_gradients([&](const at::Tensor& scores) { return sje_loss(scores, e1_label(), 0.7, mask).total; },
                     wave({4, 4}, 0.3));
    expect_gradients([&](const at::Tensor& distance) { return lifted_loss(distance, e1_label(), 0.7, mask).total; },
                     1 + wave({4, 4}, 0.3));
  }
}

// Anchors 0 and 1; their hardest captions stand in columns 3 and 2, their negative images in rows 2 and 3.
at::Tensor dualpath_scores() { return matrix({{.8, .1, .2, .6}, {.3, .5, .7, 0}, {.9, .4, .4, .3}, {.2, .1, .5, .6}}); }

TEST(DualpathRankLoss, GivesTheValueOfTheWorkedExample) {
  const LossValue loss = dualpath_rank_loss(dualpath_scores(), at::arange(4), {.reduction = BatchReduction::sum});
  expect_directions(loss, 0.8 + 1.2, 1.1 + 0.6);
  EXPECT_NEAR(number(loss.total), 3.7, 1e-12);
}

TEST(DualpathRankLoss, MeanDividesByTheRowsOfTheBatch) {
  EXPECT_NEAR(number(dualpath_rank_loss(dualpath_scores(), at::arange(4)).total), 3.7 / 4, 1e-12);
}

TEST(DualpathRankLoss, RanksEveryRowIfTold) {
  // rows 2 and 3 as anchors, too: captions 0 (.9) and 2 (.5); images 0 (.2) and 1 (0)
  const LossValue loss = dualpath_rank_loss(dualpath_scores(), at::arange(4),
                                            {.anchors = DualpathAnchors::all, .reduction = BatchReduction::sum});
  expect_directions(loss, 2.0 + 1.5 + 0.9, 1.7 + 0.8 + 0.4);
}

TEST(DualpathRankLoss, NegativesHaveAnotherLabel) {
  // image 0 may use neither caption 3 nor image 2, of its own label; image 1 is as before
  const at::Tensor label = integers({5, 6, 5, 5});
  const LossValue loss = dualpath_rank_loss(dualpath_scores(), label, {.reduction = BatchReduction::sum});
  expect_directions(loss, (1 - .8 + .1) + 1.2, 0.6);  // the second half holds no image for 0
  const LossValue all =
      dualpath_rank_loss(dualpath_scores(), integers({5, 6, 5, 7}), {.reduction = BatchReduction::sum});
  expect_directions(all, 0.8 + 1.2, (1 - .8 + .2) + 0.6);  // row 3 follows row 2
}

TEST(DualpathRankLoss, APoolHoldsSomeOfTheCaptions) {
  at::manual_seed(5);
  const DualpathRankOptions one{.pool = 1, .reduction = BatchReduction::sum};
  double sum = 0, largest = 0;
  for (int i = 0; i < 600; ++i) {
    const double now = number(dualpath_rank_loss(dualpath_scores(), at::arange(4), one).x_to_y);
    sum += now, largest = std::max(largest, now);
  }
  // one of three captions, equally likely: hinges .3 .4 .8 and .8 1.2 .5
  EXPECT_NEAR(sum / 600, (.3 + .4 + .8) / 3 + (.8 + 1.2 + .5) / 3, 0.05);
  EXPECT_NEAR(largest, 2.0, 1e-12);
  EXPECT_NEAR(number(dualpath_rank_loss(dualpath_scores(), at::arange(4), {.pool = 3}).total), 3.7 / 4, 1e-12);
  EXPECT_NEAR(number(dualpath_rank_loss(dualpath_scores(), at::arange(4), {.pool = 900}).total), 3.7 / 4, 1e-12);
}

TEST(DualpathRankLoss, RandomCaptionsAreEquallyLikely) {
  at::manual_seed(6);
  const DualpathRankOptions options{.text_negative = TextNegative::random, .reduction = BatchReduction::sum};
  double sum = 0;
  for (int i = 0; i < 600; ++i) sum += number(dualpath_rank_loss(dualpath_scores(), at::arange(4), options).x_to_y);
  EXPECT_NEAR(sum / 600, 0.5 + 2.5 / 3, 0.05);
}

TEST(DualpathRankLoss, MinedCaptionsComeFromOutsideOfTheBatch) {
  // anchors 0 and 1 with .8 and .5; captions with .7 and .2: hinges .9 and .7. Images as in the worked example
  const DualpathRankOptions options{.text_negative = TextNegative::mined, .reduction = BatchReduction::sum};
  const MinedCaptions mined{at::tensor({.7, .2}, at::kDouble), integers({8, 9})};
  expect_directions(dualpath_rank_loss(dualpath_scores(), at::arange(4), options, mined), 0.9 + 0.7, 1.1 + 0.6);
  const MinedCaptions own{mined.scores, integers({8, 1})};  // of anchor 1's label: no negative of it
  expect_directions(dualpath_rank_loss(dualpath_scores(), at::arange(4), options, own), 0.9, 1.1 + 0.6);
}

TEST(DualpathRankLoss, MissingMinedCaptionsAreNamed) {
  const DualpathRankOptions options{.text_negative = TextNegative::mined};
  EXPECT_THAT(complaint([&] { dualpath_rank_loss(dualpath_scores(), at::arange(4), options); }),
              ::testing::HasSubstr("scores of mined captions"));
  const MinedCaptions three{at::zeros({3}, at::kDouble), integers({7, 8, 9})};
  EXPECT_THAT(complaint([&] { dualpath_rank_loss(dualpath_scores(), at::arange(4), options, three); }),
              ::testing::HasSubstr("must be [2]"));
}

TEST(MineCaptions, TakesTheBestScoringCandidateOfAnotherLabel) {
  const at::Tensor scores = matrix({{.1, .9, .4}, {.3, .2, .8}, {.5, .6, .7}});
  const at::Tensor chosen = mine_captions(scores, integers({1, 2, 5}), integers({0, 1, 2}));
  EXPECT_TRUE(chosen.equal(integers({2, 0, 2})));  // .9 and .8 are captions of the anchors' own labels
  const at::Tensor none = mine_captions(scores, integers({4, 4, 4}), integers({4, 4, 4}));
  EXPECT_TRUE((none >= 0).all().item<bool>() && (none < 3).all().item<bool>());
}

TEST(MineCaptions, ShapesThatDoNotFitAreNamed) {
  const at::Tensor scores = at::zeros({2, 3}, at::kDouble);
  EXPECT_THAT(complaint([&] {
                mine_captions(scores, integers({0, 1}), integers({0, 1}));
              }),
              ::testing::HasSubstr("candidate_label"));
  EXPECT_THAT(complaint([&] {
                mine_captions(at::zeros({2, 0}), integers({0, 1}), integers({}));
              }),
              ::testing::HasSubstr("K > 0"));
}

TEST(DualpathRankLoss, GradientsMatchDifferencesForEveryOption) {
  for (const auto anchors : all<DualpathAnchors>())
    for (const auto negative : all<TextNegative>())
      for (const auto reduction : all<BatchReduction>())
        for (const int64_t batch : {4, 5}) {
          const DualpathRankOptions options{0.77, anchors, negative, {}, reduction};
          const at::Tensor label = integers({0, 1, 2, 1, 3}).narrow(0, 0, batch);
          const int64_t mined = anchors == DualpathAnchors::all ? batch : batch / 2;
          const at::Tensor mined_label = integers({2, 1, 0, 0, 1}).narrow(0, 0, mined);  // the second one: not counted
          const auto loss = [&](const at::Tensor& scores, const at::Tensor& mined_scores) {
            at::manual_seed(11);
            return dualpath_rank_loss(scores, label, options, {mined_scores, mined_label}).total;
          };
          const at::Tensor scores = wave({batch, batch}, 0.3), mined_scores = wave({mined}, 0.5);
          expect_gradients([&](const at::Tensor& moved) { return loss(moved, mined_scores); }, scores);
          if (negative == TextNegative::mined)
            expect_gradients([&](const at::Tensor& moved) { return loss(scores, moved); }, mined_scores);
        }
}

}  // namespace
}  // namespace diptych

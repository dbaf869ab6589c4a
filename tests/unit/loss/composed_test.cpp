#include "diptych/loss/composed.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>
#include <functional>
#include <optional>
#include <tuple>
#include <vector>

#include "unit/loss/worked_examples.h"

namespace diptych {
namespace {

using namespace diptych::testing;  // worked examples and helpers
using ::testing::HasSubstr;

double tirg_value(const at::Tensor& scores, const TirgSoftmaxOptions& options = {},
                  const at::Tensor& label = e3_label()) {
  return number(tirg_softmax_loss(scores, label, options).total);
}

// log(e^a + e^b + ...) - a: the choice of the first among all.
double choice(const std::vector<double>& scores) {
  double sum = 0;
  for (const double s : scores) sum += std::exp(s - scores[0]);
  return std::log(sum);
}

// Mean of f over repeated draws.
double mean_of_draws(int draws, const std::function<double()>& f) {
  double sum = 0;
  for (int i = 0; i < draws; ++i) sum += f();
  return sum / draws;
}

TEST(TirgSoftmaxLoss, GivesTheValuesOfE5) {
  // scale; kernels dot, minus squared distance, minus distance: K = B, then K = 2 with every negative
  for (const auto& [s, dot, squared, plain, dot2, squared2, plain2] :
       {std::tuple{1.0, 0.886089, 0.796341, 0.987062, 0.538452, 0.472920, 0.601980},
        {4.0, 1.958677, 3.842540, 1.441238, 0.985769, 1.921546, 0.779538}}) {
    const at::Tensor x = s * e5_x(), y = s * e5_y(), distance = at::cdist(x, y);
    EXPECT_NEAR(tirg_value(x.mm(y.t())), dot, kSixDecimals);
    EXPECT_NEAR(tirg_value(-distance.square()), squared, kSixDecimals);
    EXPECT_NEAR(tirg_value(-distance), plain, kSixDecimals);
    for (const auto m : {std::optional<int64_t>(), std::optional<int64_t>(2), std::optional<int64_t>(50)}) {
      EXPECT_NEAR(tirg_value(x.mm(y.t()), {.k = 2, .m = m}), dot2, kSixDecimals);
      EXPECT_NEAR(tirg_value(-distance.square(), {.k = 2, .m = m}), squared2, kSixDecimals);
      EXPECT_NEAR(tirg_value(-distance, {.k = 2, .m = m}), plain2, kSixDecimals);
    }
  }
}

TEST(TirgSoftmaxLoss, HasOneDirection) {
  const LossValue loss = tirg_softmax_loss(e3_scores(), e3_label());
  EXPECT_EQ(number(loss.x_to_y), number(loss.total));
  EXPECT_FALSE(loss.y_to_x.defined());
}

TEST(TirgSoftmaxLoss, MoreTargetsThanTheBatchHoldsAreTheBatch) {
  EXPECT_EQ(tirg_value(e3_scores(), {.k = 3}), tirg_value(e3_scores()));
  EXPECT_EQ(tirg_value(e3_scores(), {.k = 900, .m = 7}), tirg_value(e3_scores()));
}

TEST(TirgSoftmaxLoss, LeavesOutTargetsOfTheOwnLabelIfTold) {
  // labels [0,1,0]: row 0 keeps .80 against .70, row 2 keeps .50 against .45, row 1 both
  const at::Tensor label = integers({0, 1, 0});
  const double all = (choice({.80, .70}) + choice({.60, .55, .10}) + choice({.50, .45})) / 3;
  const double two = (choice({.80, .70}) + (choice({.60, .55}) + choice({.60, .10})) / 2 + choice({.50, .45})) / 3;
  EXPECT_NEAR(tirg_value(e3_scores(), {.mask_same_label = true}, label), all, 1e-12);
  EXPECT_NEAR(tirg_value(e3_scores(), {.k = 2, .mask_same_label = true}, label), two, 1e-12);
  EXPECT_EQ(tirg_value(e3_scores(), {}, label), tirg_value(e3_scores()));
  EXPECT_EQ(tirg_value(e3_scores(), {.k = 2}, label), tirg_value(e3_scores(), {.k = 2}));
}

TEST(TirgSoftmaxLoss, DrawsEveryNegativeEquallyOften) {
  // 4 targets: K = 3 leaves out one of three negatives; the mean over the draws is the mean over the three sets
  const at::Tensor scores = 3 * wave({4, 4}, 0.3), label = at::arange(4);
  double of_sets = 0;
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t left_out = 0; left_out < 4; ++left_out) {
      if (left_out == i) continue;
      std::vector<double> set{number(scores[i][i])};
      for (int64_t j = 0; j < 4; ++j)
        if (j != i && j != left_out) set.push_back(number(scores[i][j]));
      of_sets += choice(set) / 12;
    }
  at::manual_seed(3);
  EXPECT_NEAR(mean_of_draws(400, [&] { return tirg_value(scores, {.k = 3}, label); }), of_sets, 0.05);
  EXPECT_NEAR(mean_of_draws(100, [&] { return tirg_value(scores, {.k = 3, .m = 8}, label); }), of_sets, 0.05);
  // K = 2, M = 1: one of three
  EXPECT_NEAR(mean_of_draws(800, [&] { return tirg_value(scores, {.k = 2, .m = 1}, label); }),
              tirg_value(scores, {.k = 2}, label), 0.07);
}

TEST(TirgSoftmaxLoss, RepeatsUntilEveryNegativeIsMetOnceOnAverage) {
  // 6 targets, K = 3: 5 negatives, two at a time, three sets. Equal scores: log 3 whatever is drawn
  EXPECT_NEAR(tirg_value(at::zeros({6, 6}, at::kDouble), {.k = 3}, at::arange(6)), std::log(3), 1e-12);
  const at::Tensor scores = 3 * wave({6, 6}, 0.3), label = at::arange(6);
  at::manual_seed(5);
  const double by_default = tirg_value(scores, {.k = 3}, label);
  at::manual_seed(5);
  EXPECT_EQ(tirg_value(scores, {.k = 3, .m = 3}, label), by_default);
}

TEST(TirgSoftmaxLoss, ASetHoldsOnlyUnmaskedNegativesAllOfThemIfFew) {
  // labels [0,0,1,1]: two negatives each, so that K = 3 is the same whatever is drawn
  const at::Tensor scores = 3 * wave({4, 4}, 0.3), label = integers({0, 0, 1, 1});
  double expected = 0;
  for (int64_t i = 0; i < 4; ++i) {
    std::vector<double> set{number(scores[i][i])};
    for (int64_t j = 0; j < 4; ++j)
      if (i / 2 != j / 2) set.push_back(number(scores[i][j]));
    expected += choice(set) / 4;
  }
  EXPECT_NEAR(tirg_value(scores, {.k = 3, .mask_same_label = true}, label), expected, 1e-12);
  // [0,0,0,1]: rows 0 to 2 have one negative, row 3 has three
  const at::Tensor uneven = integers({0, 0, 0, 1});
  double least = 0, most = 0;
  for (int64_t i = 0; i < 3; ++i) least += choice({number(scores[i][i]), number(scores[i][3])}) / 4;
  most = least + choice({number(scores[3][3]), number(scores[3][0]), number(scores[3][1]), number(scores[3][2])}) / 4;
  const double drawn = tirg_value(scores, {.k = 3, .m = 1, .mask_same_label = true}, uneven);
  EXPECT_GT(drawn, least);
  EXPECT_LT(drawn, most);
}

TEST(TirgSoftmaxLoss, AQueryWithoutNegativesCostsNothing) {
  for (const auto& options : {TirgSoftmaxOptions{.mask_same_label = true},
                              {.k = 2, .mask_same_label = true},
                              {.k = 2, .m = 1, .mask_same_label = true},
                              {.k = 3, .m = 2, .mask_same_label = true}}) {
    const at::Tensor scores = (3 * wave({4, 4}, 0.3)).requires_grad_();
    const at::Tensor loss = tirg_softmax_loss(scores, integers({7, 7, 7, 7}), options).total;
    EXPECT_NEAR(number(loss), 0, 1e-12);
    loss.backward();
    EXPECT_NEAR(number(scores.grad().abs().max()), 0, 1e-12);
    const at::Tensor one = matrix({{0.4}}).requires_grad_();
    const at::Tensor alone = tirg_softmax_loss(one, integers({7}), options).total;
    EXPECT_EQ(number(alone), 0);
    alone.backward();
    EXPECT_EQ(number(one.grad()), 0);
  }
}

TEST(TirgSoftmaxLoss, GradientsMatchDifferencesForEveryOption) {
  for (const auto& [k, m] :
       {std::pair<std::optional<int64_t>, std::optional<int64_t>>{{}, {}}, {2, {}}, {2, 1}, {3, {}}, {3, 4}})
    for (const bool mask : {true, false})
      expect_gradients(
          [&, k = k, m = m](const at::Tensor& scores) {
            at::manual_seed(11);
            return tirg_softmax_loss(scores, e1_label(), {k, m, mask}).total;
          },
          3 * wave({4, 4}, 0.3));
}

TEST(TirgSoftmaxLoss, StaysFiniteForScoresFarApart) {
  const at::Tensor scores = matrix({{-2e3, 2e3, 2e3}, {2e3, -2e3, 2e3}, {2e3, 2e3, -2e3}}).requires_grad_();
  for (const auto& options : {TirgSoftmaxOptions{}, {.k = 2}, {.k = 2, .m = 1}}) {
    const at::Tensor loss = tirg_softmax_loss(scores, at::arange(3), options).total;
    EXPECT_NEAR(number(loss), 4000, 1);  // log 2 more against both others at once
    loss.backward();
    EXPECT_TRUE(scores.grad().isfinite().all().item<bool>());
  }
}

TEST(TirgSoftmaxLoss, RefusesWhatCannotBeChosen) {
  EXPECT_THAT(complaint([] { tirg_value(e3_scores(), {.k = 1}); }), HasSubstr("k 1"));
  EXPECT_THAT(complaint([] { tirg_value(e3_scores(), {.k = 2, .m = 0}); }), HasSubstr("m 0"));
  EXPECT_THAT(complaint([] { tirg_softmax_loss(at::zeros({2, 3}), at::arange(2)); }), HasSubstr("[2, 3]"));
  EXPECT_THAT(complaint([] { tirg_softmax_loss(at::zeros({0, 0}), at::arange(0)); }), HasSubstr("empty"));
}

TEST(Reconstruction, IsTheMeanSquaredDifference) {
  const LossValue loss = reconstruction_loss(matrix({{1, 2}, {3, 4}}), matrix({{1, 0}, {0, 4}}));
  EXPECT_DOUBLE_EQ(number(loss.total), (4 + 9) / 4.0);
  EXPECT_FALSE(loss.x_to_y.defined() || loss.y_to_x.defined());
  expect_view_gradients(reconstruction_loss, wave({4, 3}, 0.2), wave({4, 3}, 1.9));
}

TEST(Reconstruction, RefusesWhatDoesNotFit) {
  EXPECT_THAT(complaint([] { reconstruction_loss(wave({2, 3}, 0), wave({2, 2}, 0)); }), HasSubstr("[2, 2]"));
  EXPECT_THAT(complaint([] { reconstruction_loss(wave({0, 3}, 0), wave({0, 3}, 0)); }), HasSubstr("neither empty"));
  EXPECT_THAT(complaint([] { reconstruction_loss(wave({2, 3}, 0), {}); }), HasSubstr("original"));
}

TEST(SoftTripletCodeLoss, OfAllTriplesGivesTheValuesOfE5) {
  for (const auto& [s, value] : {std::pair{1.0, 0.468137}, {4.0, 1.076574}}) {
    const LossValue loss = soft_triplet_code_loss(s * e5_x(), s * e5_y(), e3_label(), {.triples = Triples::all});
    EXPECT_NEAR(number(loss.total), value, kSixDecimals);
    EXPECT_FALSE(loss.x_to_y.defined() || loss.y_to_x.defined());
  }
}

// The definition, row by row; identity says which rows are no negatives of which.
double triples_by_hand(const at::Tensor& x, const at::Tensor& y, const at::Tensor& identity) {
  const at::Tensor rows = at::cat({x, y}), of_row = identity.repeat(2);
  const int64_t batch = x.size(0);
  double sum = 0;
  for (int64_t i = 0; i < 2 * batch; ++i) {
    const auto squared = [&](int64_t other) { return number((rows[i] - rows[other]).square().sum()); };
    double terms = 0;
    int64_t count = 0;
    for (int64_t k = 0; k < 2 * batch; ++k) {
      if (of_row[i].item<int64_t>() == of_row[k].item<int64_t>()) continue;
      terms += std::log1p(std::exp(squared((i + batch) % (2 * batch)) - squared(k)));
      ++count;
    }
    if (count) sum += terms / static_cast<double>(count);
  }
  return sum / static_cast<double>(2 * batch);
}

TEST(SoftTripletCodeLoss, FollowsItsDefinitionWithAndWithoutMask) {
  const at::Tensor x = wave({4, 3}, 0.2), y = wave({4, 3}, 1.9), label = e1_label();  // [0,0,1,2]
  SoftTripletCodeOptions options{.triples = Triples::all};
  EXPECT_NEAR(number(soft_triplet_code_loss(x, y, label, options).total), triples_by_hand(x, y, at::arange(4)), 1e-12);
  options.mask_same_label = true;
  EXPECT_NEAR(number(soft_triplet_code_loss(x, y, label, options).total), triples_by_hand(x, y, label), 1e-12);
}

TEST(SoftTripletCodeLoss, RandomTriplesHaveTheMeanOfAll) {
  const at::Tensor x = wave({4, 3}, 0.2), y = wave({4, 3}, 1.9);
  for (const bool mask : {false, true}) {
    at::manual_seed(3);
    const auto random = [&](int64_t count) {
      return number(soft_triplet_code_loss(x, y, e1_label(), {.count = count, .mask_same_label = mask}).total);
    };
    const double all = triples_by_hand(x, y, mask ? e1_label() : at::arange(4));
    EXPECT_NEAR(mean_of_draws(400, [&] { return random(3); }), all, 0.03);
    EXPECT_NEAR(random(2000), all, 0.03);
    at::manual_seed(7);
    const double first = random(1);
    EXPECT_NE(random(1), first);
    at::manual_seed(7);
    EXPECT_EQ(random(1), first);
  }
}

TEST(SoftTripletCodeLoss, AnAnchorWithoutNegativesCostsNothing) {
  for (const auto triples : all<Triples>()) {
    const SoftTripletCodeOptions options{.triples = triples, .mask_same_label = true};
    at::Tensor x = wave({3, 2}, 0.2).requires_grad_();
    const at::Tensor loss = soft_triplet_code_loss(x, wave({3, 2}, 1.9), integers({5, 5, 5}), options).total;
    EXPECT_EQ(number(loss), 0);
    loss.backward();
    EXPECT_EQ(number(x.grad().abs().max()), 0);
    EXPECT_EQ(number(soft_triplet_code_loss(wave({1, 2}, 0.2), wave({1, 2}, 1.9), integers({5}), {triples}).total), 0);
    EXPECT_GT(number(soft_triplet_code_loss(x, wave({3, 2}, 1.9), integers({5, 5, 5}), {triples}).total), 0);
  }
}

TEST(SoftTripletCodeLoss, GradientsMatchDifferences) {
  for (const auto triples : all<Triples>())
    for (const bool mask : {true, false})
      expect_view_gradients(
          [&](const at::Tensor& x, const at::Tensor& y) {
            at::manual_seed(11);
            return soft_triplet_code_loss(x, y, e1_label(), {triples, 3, mask});
          },
          wave({4, 3}, 0.2), wave({4, 3}, 1.9));
}

}  // namespace
}  // namespace diptych

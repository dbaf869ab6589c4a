#include "diptych/loss/softmax.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "unit/loss/worked_examples.h"

namespace diptych {
namespace {

using namespace diptych::testing;  // worked examples and helpers

TEST(InfoNceLoss, GivesTheValuesOfE3) {
  const LossValue warm = infonce_loss(e3_scores(), e3_label()), cold = infonce_loss(e3_scores() / 0.1, e3_label());
  expect_directions(warm, 1.041395, 1.047014);
  EXPECT_NEAR(number(warm.total), 1.044205, kSixDecimals);
  expect_directions(cold, 0.988296, 1.406062);
  EXPECT_NEAR(number(cold.total), 1.197179, kSixDecimals);
}

TEST(InfoNceLoss, WithSeveralPositivesGivesE3) {
  const auto loss = [](MultiPositive form) {
    return infonce_loss(e3_scores() / 0.1, integers({0, 1, 0}), {.multi_positive = form});
  };
  expect_directions(loss(MultiPositive::soft_targets), 0.821629, 1.239395);
  expect_directions(loss(MultiPositive::log_sum), 0.263132, 0.479294);
  expect_directions(loss(MultiPositive::drop_false_negatives), 0.421867, 0.489526);
}

TEST(InfoNceLoss, OnTheDiagonalIgnoresLabelsWhateverTheForm) {
  for (const auto form : all<MultiPositive>())
    expect_directions(infonce_loss(e3_scores() / 0.1, integers({0, 1, 0}), {Positives::diagonal, form}), 0.988296,
                      1.406062);
}

TEST(InfoNceLoss, OfEqualScoresIsTheLogarithmOfTheBatch) {
  for (const auto& [n, value] : {std::pair<int64_t, double>{32, 3.465736}, {128, 4.852030}}) {
    const at::Tensor scores = at::zeros({n, n}, at::kDouble);
    expect_directions(infonce_loss(scores, at::arange(n)), value, value);
  }
}

TEST(InfoNceLoss, SmoothingMixesInTheUniformTarget) {
  // two rows, logits (1, 0) and (0, 1): -log p = 0.313262 (own), 1.313262 (other); 0.2: 0.9 and 0.1 of them
  const at::Tensor eye = at::eye(2, at::kDouble);
  EXPECT_NEAR(number(infonce_loss(eye, at::arange(2), {.label_smoothing = 0.2}).total), 0.9 * 0.313262 + 0.1 * 1.313262,
              1e-6);
}

TEST(InfoNceLoss, GradientsMatchDifferencesForEveryOption) {
  for (const auto positives : all<Positives>())
    for (const auto form : all<MultiPositive>())
      for (const double smoothing : {0.0, 0.15})
        expect_gradients(
            [&](const at::Tensor& logits) {
              return infonce_loss(logits, e1_label(), {positives, form, smoothing}).total;
            },
            3 * wave({4, 4}, 0.3));
}

TEST(NPairLoss, GivesTheValuesOfE3) {
  const LossValue loss = n_pair_loss(e3_scores(), e3_label());
  expect_directions(loss, 1.041395, 1.047014);
  EXPECT_NEAR(number(loss.total), 1.044205, kSixDecimals);
}

TEST(NPairLoss, OfTheQueriesAndTargetsOfE5IsTheSoftmaxOverTheBatch) {
  // K = B; kernels: dot product, minus squared distance, minus distance
  for (const auto& [s, dot, squared, plain] :
       {std::tuple{1.0, 0.886089, 0.796341, 0.987062}, {4.0, 1.958677, 3.842540, 1.441238}}) {
    const at::Tensor x = s * e5_x(), y = s * e5_y(), distance = at::cdist(x, y);
    EXPECT_NEAR(number(n_pair_loss(x.mm(y.t()), e3_label()).x_to_y), dot, kSixDecimals);
    EXPECT_NEAR(number(n_pair_loss(-distance.square(), e3_label()).x_to_y), squared, kSixDecimals);
    EXPECT_NEAR(number(n_pair_loss(-distance, e3_label()).x_to_y), plain, kSixDecimals);
  }
}

TEST(NPairLoss, LeavesOutRowsOfTheAnchorsLabel) {
  // labels [0,1,0]: row 0 keeps 0.70 against 0.80, row 2 keeps 0.45 against 0.50, row 1 both
  const auto term = [](double a) { return std::exp(a); };
  const double expected = (std::log1p(term(-.1)) + std::log1p(term(-.05) + term(-.5)) + std::log1p(term(-.05))) / 3;
  EXPECT_NEAR(number(n_pair_loss(e3_scores(), integers({0, 1, 0})).x_to_y), expected, 1e-12);
  EXPECT_NEAR(number(n_pair_loss(e3_scores(), integers({0, 1, 0}), false).x_to_y), 1.041395, kSixDecimals);
}

TEST(NPairLoss, GradientsMatchDifferences) {
  for (const bool mask : {true, false})
    expect_gradients([&](const at::Tensor& scores) { return n_pair_loss(scores, e1_label(), mask).total; },
                     3 * wave({4, 4}, 0.3));
}

TEST(SigmoidLoss, GivesTheValuesOfE3) {
  EXPECT_NEAR(number(sigmoid_loss(10 * e3_scores() - 10, e3_label()).total), 3.774757, kSixDecimals);
  EXPECT_NEAR(number(sigmoid_loss(10 * e3_scores() - 2.71, e3_label()).total), 6.004187, kSixDecimals);
}

TEST(SigmoidLoss, OfEqualScoresIsOneMatchAndTheRestPerRow) {
  // B = 64, t s = 0: log(1 + e^-b) once and log(1 + e^b) 63 times
  const at::Tensor zero = at::zeros({64, 64}, at::kDouble);
  EXPECT_NEAR(number(sigmoid_loss(zero - 10, at::arange(64)).total), 10.000045 + 0.002860, 1e-6);
  EXPECT_NEAR(number(sigmoid_loss(zero - 2.71, at::arange(64)).total), 2.774417 + 4.058257, 1e-6);
}

TEST(SigmoidLoss, RowsOfOneLabelAreMatchesUnlessOnlyTheDiagonalIs) {
  // logits 2 for cells (0,1) and (1,0), else 0: a match costs log(1 + e^-2) there, a non-match log(1 + e^2)
  const at::Tensor logits = matrix({{0, 2}, {2, 0}}), label = integers({4, 4});
  EXPECT_NEAR(number(sigmoid_loss(logits, label).total), std::log(2) + std::log1p(std::exp(-2)), 1e-12);
  EXPECT_NEAR(number(sigmoid_loss(logits, label, Positives::diagonal).total), std::log(2) + std::log1p(std::exp(2)),
              1e-12);
}

// Matches 1 and 3 and the own pair of the second row 0; the others all 2.
TEST(MatchLogisticLoss, WeighsMatchesAndOthersByHalves) {
  const at::Tensor scores = matrix({{1, 2, 3}, {2, 0, 2}, {3, 2, 1}}), label = integers({7, 8, 7});
  const auto cost = [](double s) { return std::log1p(std::exp(s)); };
  const double matches = 2 * cost(-1) + 2 * cost(-3) + cost(0), others = 4 * cost(2);
  EXPECT_NEAR(number(match_logistic_loss(scores, label).total), (matches / 5 + others / 4) / 2, 1e-12);
  EXPECT_NEAR(number(match_logistic_loss(scores, label, false).total), (matches + others) / 9, 1e-12);
  const double own = 2 * cost(-1) + cost(0), rest = 2 * cost(3) + 4 * cost(2);
  EXPECT_NEAR(number(match_logistic_loss(scores, label, true, Positives::diagonal).total), (own / 3 + rest / 6) / 2,
              1e-12);
}

TEST(MatchLogisticLoss, OfMatchesAloneHasNoOtherTerm) {
  EXPECT_NEAR(number(match_logistic_loss(matrix({{2}}), integers({0})).total), std::log1p(std::exp(-2)) / 2, 1e-12);
}

TEST(MatchLogisticLoss, GradientsMatchDifferences) {
  for (const bool balanced : {true, false})
    expect_gradients([&](const at::Tensor& scores) { return match_logistic_loss(scores, e1_label(), balanced).total; },
                     3 * wave({4, 4}, 0.3));
}

TEST(SigmoidLoss, GradientsMatchDifferences) {
  for (const auto positives : all<Positives>())
    expect_gradients([&](const at::Tensor& logits) { return sigmoid_loss(logits, e1_label(), positives).total; },
                     3 * wave({4, 4}, 0.3));
}

}  // namespace
}  // namespace diptych

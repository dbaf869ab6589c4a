#include "diptych/loss/classification.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>

#include "diptych/core/error.h"
#include "unit/loss/worked_examples.h"

namespace diptych {
namespace {

using namespace diptych::testing;  // worked examples and helpers
using ::testing::HasSubstr;

TEST(CmpcLoss, GivesTheValuesOfE2) {
  expect_directions(cmpc_loss(e1_x(), e1_y(), e1_label(), e2_weight()), 0.784211, 0.485136);
  EXPECT_NEAR(number(cmpc_loss(e1_x(), e1_y(), e1_label(), e2_weight()).total), 1.269347, kSixDecimals);
  expect_directions(cmpc_loss(e1_x(), e1_y(), e1_label(), e2_weight(), {.variant = CmpcVariant::norm_ce}), 0.680680,
                    0.588875);
  expect_directions(cmpc_loss(e1_x(), e1_y(), e1_label(), e2_weight(), {.variant = CmpcVariant::ce}), 1.603556,
                    1.773121);
}

TEST(CmpcLoss, OfZeroEmbeddingsIsTheLogarithmOfTheClasses) {
  const std::vector<std::pair<int64_t, double>> expected{
      {11003, 18.611846}, {11004, 18.612028}, {31783, 20.733374}, {123287, 23.444540}};
  const at::Tensor zero = at::zeros({2, 3}, at::kDouble);
  for (const auto& [classes, value] : expected)
    EXPECT_NEAR(number(cmpc_loss(zero, zero, integers({0, classes - 1}), at::ones({3, classes}, at::kDouble)).total),
                value, kSixDecimals);
}

TEST(CmpcLoss, DoesNotDependOnTheLengthOfTheClassifiersColumns) {
  const at::Tensor stretched = e2_weight() * at::tensor({7.0, 0.1, 30.0}, at::kDouble);
  expect_directions(cmpc_loss(e1_x(), e1_y(), e1_label(), stretched), 0.784211, 0.485136);
}

TEST(CmpcLoss, ScaleAndMarginFollowCosFace) {
  // one row, unit features and columns: cosines 0.6 and 0.8, s = 10, m = 0.35, true class 0:
  // logits 10 (0.6 - 0.35) = 2.5 and 8, CE = log(1 + e^5.5) = 5.504078
  const at::Tensor x = matrix({{3, 4}}), weight = matrix({{2, 0}, {0, 5}});
  const CmpcOptions options{.variant = CmpcVariant::norm_ce, .normalize = true, .scale = 10, .margin = 0.35};
  expect_directions(cmpc_loss(x, x, integers({0}), weight, options), std::log1p(std::exp(5.5)),
                    std::log1p(std::exp(5.5)));
}

TEST(CmpcLoss, LabelSmoothingSpreadsTheTarget) {
  // plain CE, logits (1, 0): -log p = (0.313262, 1.313262); smoothing 0.2: 0.9 and 0.1 of them
  const at::Tensor x = matrix({{1}}), weight = matrix({{1, 0}});
  const LossValue loss = cmpc_loss(x, x, integers({0}), weight, {.variant = CmpcVariant::ce, .label_smoothing = 0.2});
  EXPECT_NEAR(number(loss.x_to_y), 0.9 * 0.313262 + 0.1 * 1.313262, 1e-6);
}

TEST(CmpcLoss, GradientsMatchDifferencesForEveryOption) {
  const at::Tensor weight = wave({3, 3}, 0.4), x = wave({4, 3}, 0.2), y = wave({4, 3}, 1.1);
  for (const auto variant : all<CmpcVariant>())
    for (const bool more : {false, true}) {
      const CmpcOptions options = more ? CmpcOptions{variant, true, 3, 0.3, 0.1} : CmpcOptions{variant, false, 1, 0, 0};
      const auto loss = [&](const at::Tensor& a, const at::Tensor& b) {
        return cmpc_loss(a, b, e1_label(), weight, options);
      };
      expect_view_gradients(loss, x, y);
      expect_gradients([&](const at::Tensor& w) { return cmpc_loss(x, y, e1_label(), w, options).total; }, weight);
    }
}

TEST(CmpcLoss, AZeroColumnScoresZeroAndGetsNoGradient) {
  at::Tensor weight = e2_weight();
  weight.select(1, 2).zero_();
  weight.requires_grad_();
  cmpc_loss(e1_x(), e1_y(), e1_label(), weight).total.backward();
  EXPECT_TRUE(weight.grad().isfinite().all().item<bool>());
  EXPECT_EQ(number(weight.grad().select(1, 2).abs().sum()), 0);
}

TEST(CmpcLoss, NamesALabelOutsideTheClassifier) {
  try {
    cmpc_loss(e1_x(), e1_y(), integers({0, 0, 1, 3}), e2_weight());
    FAIL() << "accepted";
  } catch (const ShapeError& error) {
    EXPECT_THAT(error.what(), HasSubstr("label 3 of row 3 is outside the classifier's 0..2"));
  }
  EXPECT_THROW(cmpc_loss(e1_x(), e1_y(), integers({0, 0, -1, 2}), e2_weight()), ShapeError);
}

TEST(InstanceLoss, GivesTheValuesOfE2) {
  const Classifier shared{e2_weight(), {}};
  expect_directions(instance_loss(e1_x(), e1_y(), e1_label(), shared, shared), 1.603556, 1.773121);
}

TEST(InstanceLoss, OfZeroEmbeddingsIsTheLogarithmOfTheClasses) {
  const std::vector<std::pair<int64_t, double>> expected{{29783, 10.301693}, {113287, 11.637680}, {11003, 9.305923}};
  const at::Tensor zero = at::zeros({2, 3}, at::kDouble);
  for (const auto& [classes, value] : expected) {
    const Classifier shared{at::ones({3, classes}, at::kDouble), at::zeros({classes}, at::kDouble)};
    expect_directions(instance_loss(zero, zero, integers({0, classes - 1}), shared, shared), value, value);
  }
}

TEST(InstanceLoss, TwoEqualClassifiersGiveWhatASharedOneGives) {
  const Classifier one{e2_weight(), wave({3}, 0.3)}, other{e2_weight(), wave({3}, 0.3)};
  const LossValue shared = instance_loss(e1_x(), e1_y(), e1_label(), one, one, 0.1, 0.2);
  const LossValue separate = instance_loss(e1_x(), e1_y(), e1_label(), one, other, 0.1, 0.2);
  EXPECT_NEAR(number(shared.total), number(separate.total), 1e-12);
  EXPECT_NEAR(number(shared.total), number(shared.x_to_y) + 0.1 * number(shared.y_to_x), 1e-12);
}

TEST(InstanceLoss, FurtherTextsHaveLabelsOfTheirOwn) {
  const Classifier shared{e2_weight(), {}}, equal{e2_weight().clone(), {}};
  const at::Tensor more = at::cat({e1_y(), e1_y().narrow(0, 1, 2)}), label = integers({0, 0, 1, 2, 2, 0});
  // the texts alone, as if they were images: one row an entry
  const double expected = number(instance_loss(more, more, label, shared, shared).x_to_y);
  for (const Classifier& text : {shared, equal})
    expect_directions(instance_loss(e1_x(), more, e1_label(), shared, text, 0.1, 0, label), 1.603556, expected);
}

TEST(InstanceLoss, GradientsMatchDifferencesForEveryOption) {
  const at::Tensor x = wave({4, 3}, 0.2), y = wave({4, 3}, 1.1), bias = wave({3}, 2.0);
  for (const bool shared : {true, false})
    for (const bool with_bias : {true, false}) {
      const auto loss = [&](const at::Tensor& a, const at::Tensor& b, const at::Tensor& w, const at::Tensor& c) {
        const Classifier first{w, with_bias ? c : at::Tensor()};
        const Classifier second = shared ? first : Classifier{e2_weight(), {}};
        return instance_loss(a, b, e1_label(), first, second, 0.4, 0.15);
      };
      expect_view_gradients([&](const at::Tensor& a, const at::Tensor& b) { return loss(a, b, e2_weight(), bias); }, x,
                            y);
      expect_gradients([&](const at::Tensor& w) { return loss(x, y, w, bias).total; }, wave({3, 3}, 0.7));
      if (with_bias) expect_gradients([&](const at::Tensor& c) { return loss(x, y, e2_weight(), c).total; }, bias);
    }
}

TEST(CmpcLoss, WithUnitFeaturesAndRawColumnsIsTheFeatureNormalisedSoftmax) {
  // unit features (0.6, 0.8), columns (2, 0) and (0, 5), s = 2: logits 2.4 and 8, true class 0: log(1 + e^5.6)
  const at::Tensor x = matrix({{3, 4}}), weight = matrix({{2, 0}, {0, 5}});
  const CmpcOptions options{.variant = CmpcVariant::ce, .normalize = true, .scale = 2};
  expect_directions(cmpc_loss(x, 7 * x, integers({0}), weight, options), std::log1p(std::exp(5.6)),
                    std::log1p(std::exp(5.6)));
}

}  // namespace
}  // namespace diptych

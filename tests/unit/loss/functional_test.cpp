#include "diptych/loss/functional.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>

#include "diptych/core/error.h"
#include "support/gradcheck.h"
#include "support/tensor_near.h"

// E1 to E4 are the worked examples of the methods specification; their values have six decimals.
namespace diptych {
namespace {

using diptych::testing::expect_gradients;
using diptych::testing::TensorNear;
using ::testing::HasSubstr;

constexpr double kSixDecimals = 6e-7;

at::Tensor matrix(std::initializer_list<std::initializer_list<double>> rows) {
  std::vector<at::Tensor> made;
  for (const auto& row : rows) made.push_back(at::tensor(std::vector<double>(row), at::kDouble));
  return at::stack(made);
}
at::Tensor integers(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }
double number(const at::Tensor& x) { return x.item<double>(); }

void expect_directions(const LossValue& loss, double x_to_y, double y_to_x) {
  EXPECT_NEAR(number(loss.x_to_y), x_to_y, kSixDecimals);
  EXPECT_NEAR(number(loss.y_to_x), y_to_x, kSixDecimals);
}

at::Tensor e1_label() { return integers({0, 0, 1, 2}); }
at::Tensor e1_x() { return matrix({{1, 0, 0}, {.5, .5, 0}, {0, 2, 0}, {0, 0, 1}}); }
at::Tensor e1_y() { return matrix({{2, 0, 0}, {1, 1, 0}, {0, 1, 0}, {0, 3, 4}}); }
at::Tensor e2_weight() { return matrix({{3, 0, 0}, {4, 1, 0}, {0, 0, 2}}); }
at::Tensor e3_scores() { return matrix({{.80, .70, .75}, {.55, .60, .10}, {.65, .45, .50}}); }
at::Tensor e3_label() { return integers({0, 1, 2}); }
at::Tensor e4_x() { return matrix({{1, 0}, {0, 1}, {-.6, .8}}); }
at::Tensor e4_y() { return matrix({{.8, .6}, {.6, .8}, {0, 1}, {.6, -.8}, {-1, 0}, {-.8, .6}}); }
at::Tensor e4_image() { return integers({0, 0, 1, 1, 2, 2}); }

// Reproducible values without ties: sin(0.7311 i + k).
at::Tensor wave(at::IntArrayRef sizes, double shift) {
  const int64_t n = c10::multiply_integers(sizes);
  return (at::arange(n, at::kDouble) * 0.7311 + shift).sin().reshape(sizes);
}

// Gradients of total, x_to_y and y_to_x in both inputs.
void expect_view_gradients(const std::function<LossValue(const at::Tensor&, const at::Tensor&)>& loss, at::Tensor x,
                           at::Tensor y) {
  const auto combined = [](const LossValue& value) { return value.total + 0.3 * value.x_to_y; };
  expect_gradients([&](const at::Tensor& moved) { return combined(loss(moved, y)); }, x, 1e-5, 1e-6);
  expect_gradients([&](const at::Tensor& moved) { return combined(loss(x, moved)); }, y, 1e-5, 1e-6);
}

template <class E>
std::vector<E> all() {
  std::vector<E> values;
  for (const auto& [value, name] : enum_names(E{})) values.push_back(value);
  return values;
}

// ---------------------------------------------------------------------------------------------------------- CMPM ----

TEST(CmpmLoss, GivesTheValuesOfE1) {
  expect_directions(cmpm_loss(e1_x(), e1_y(), e1_label()), 7.452048, 5.786335);
  expect_directions(cmpm_loss(e1_x(), e1_y(), e1_label(), {.target_norm = TargetNorm::l2}), 7.343367, 5.656420);
}

TEST(CmpmLoss, TotalIsTheSumOfBothDirections) {
  EXPECT_NEAR(number(cmpm_loss(e1_x(), e1_y(), e1_label()).total), 7.452048 + 5.786335, 2 * kSixDecimals);
}

TEST(CmpmLoss, GivesTheReversedDivergenceOfE1) {
  const CmpmOptions l1{.direction = CmpmDirection::q_from_p};
  const CmpmOptions l2{.direction = CmpmDirection::q_from_p, .target_norm = TargetNorm::l2};
  expect_directions(cmpm_loss(e1_x(), e1_y(), e1_label(), l1), 0.644756, 0.499648);
  expect_directions(cmpm_loss(e1_x(), e1_y(), e1_label(), l2), 0.989650, 0.812899);
}

TEST(CmpmLoss, WithDistinctLabelsOrOnlyTheDiagonalGivesE1) {
  expect_directions(cmpm_loss(e1_x(), e1_y(), integers({0, 1, 2, 3})), 9.756504, 8.115968);
  expect_directions(cmpm_loss(e1_x(), e1_y(), e1_label(), {.positives = Positives::diagonal}), 9.756504, 8.115968);
}

TEST(CmpmLoss, DoublingTheImagesSharpensOnlyTheirOwnDirection) {
  expect_directions(cmpm_loss(2 * e1_x(), e1_y(), e1_label()), 4.999681, 5.786335);
}

TEST(CmpmLoss, WithBothSidesNormalisedAndATemperatureIsSdm) {
  const auto sdm = [](double tau, CmpmDirection direction) {
    return cmpm_loss(e1_x(), e1_y(), e1_label(), {.direction = direction, .tau = tau, .normalize_both = true});
  };
  expect_directions(sdm(0.1, CmpmDirection::p_from_q), 0.661731, 1.115213);
  expect_directions(sdm(0.02, CmpmDirection::p_from_q), 0.346571, 0.346655);
  expect_directions(sdm(0.1, CmpmDirection::q_from_p), 0.442395, 0.474035);
}

TEST(CmpmLoss, GradientOfE1) {
  const at::Tensor x = e1_x().requires_grad_(), y = e1_y().requires_grad_();
  cmpm_loss(x, y, e1_label()).total.backward();
  EXPECT_THAT(x.grad()[0], TensorNear(at::tensor({-0.765070, 0.349391, 0.451970}, at::kDouble), 0, kSixDecimals));
  EXPECT_THAT(y.grad()[0], TensorNear(at::tensor({-0.441692, 0.092088, 0.430889}, at::kDouble), 0, kSixDecimals));
}

TEST(CmpmLoss, OfZeroEmbeddingsHasTheClosedForm) {
  // p = 1/n everywhere: 1/n log(1/n) + (n-1)/n log(1e8/n), up to eps
  const std::vector<std::pair<int64_t, double>> expected{
      {16, 14.496799}, {32, 14.379299}, {64, 13.973975}, {128, 13.424739}};
  for (const auto& [n, value] : expected) {
    const at::Tensor zero = at::zeros({n, 4}, at::kDouble);
    expect_directions(cmpm_loss(zero, zero, at::arange(n)), value, value);
  }
}

TEST(CmpmLoss, OfZeroEmbeddingsWithARepeatedLabel) {
  const at::Tensor zero = at::zeros({4, 3}, at::kDouble);
  expect_directions(cmpm_loss(zero, zero, e1_label()), 10.299918, 10.299918);
  expect_directions(cmpm_loss(zero, zero, e1_label(), {.target_norm = TargetNorm::l2}), 10.213275, 10.213275);
  expect_directions(cmpm_loss(zero, zero, e1_label(), {.direction = CmpmDirection::q_from_p}), 1.039721, 1.039721);
  const at::Tensor label = at::arange(4);
  expect_directions(cmpm_loss(zero, zero, label, {.direction = CmpmDirection::q_from_p}), std::log(4), std::log(4));
}

TEST(CmpmLoss, ReversedIsTheMultiPositiveCrossEntropyLessTheEntropyOfTheTarget) {
  // half of the rows have the target (1/2, 1/2): mean entropy 0.5 ln 2 = 0.346574
  const at::Tensor unit_y = e1_y() / e1_y().norm(2, 1, true);
  const double cross_entropy = number(infonce_loss(e1_x().mm(unit_y.t()), e1_label()).x_to_y);
  EXPECT_NEAR(cross_entropy, 0.991330, kSixDecimals);
  const double divergence =
      number(cmpm_loss(e1_x(), e1_y(), e1_label(), {.direction = CmpmDirection::q_from_p}).x_to_y);
  EXPECT_NEAR(divergence, cross_entropy - 0.5 * std::log(2), 1e-6);
}

TEST(CmpmLoss, SwappedInputsSwapTheDirections) {
  const LossValue loss = cmpm_loss(e1_x(), e1_y(), e1_label()), swapped = cmpm_loss(e1_y(), e1_x(), e1_label());
  EXPECT_NEAR(number(loss.x_to_y), number(swapped.y_to_x), 1e-12);
  EXPECT_NEAR(number(loss.y_to_x), number(swapped.x_to_y), 1e-12);
}

TEST(CmpmLoss, IsNearZeroWhenAllLabelsAreEqualAndEmbeddingsToo) {
  const at::Tensor same = at::ones({8, 3}, at::kDouble);
  EXPECT_NEAR(number(cmpm_loss(same, same, at::zeros({8}, at::kLong)).x_to_y), 0, 1e-7);
}

TEST(CmpmLoss, LargeLabelsThatAreEqualInFloatStayApart) {
  // 123456788 and 123456789 are one float32 number
  const at::Tensor near = integers({123456788, 123456789, 123456790, 123456791});
  expect_directions(cmpm_loss(e1_x(), e1_y(), near), 9.756504, 8.115968);
}

TEST(CmpmLoss, GradientsMatchDifferencesForEveryOption) {
  for (const auto direction : all<CmpmDirection>())
    for (const auto norm : all<TargetNorm>())
      for (const auto positives : all<Positives>())
        for (const bool both : {false, true}) {
          const CmpmOptions options{direction, norm, 1e-8, both ? 0.4 : 1.0, both, positives};
          expect_view_gradients(
              [&](const at::Tensor& x, const at::Tensor& y) { return cmpm_loss(x, y, e1_label(), options); },
              wave({4, 3}, 0.2), wave({4, 3}, 1.1));
        }
}

TEST(CmpmLoss, ARepeatedImageSharesTheTargetWithItsCopies) {
  // images 0 and 0 again with captions that are far apart: every entry of the block is a match, none is pushed away
  const at::Tensor x = matrix({{9, 0}, {9, 0}, {0, 9}}), y = x;
  const double by_label = number(cmpm_loss(x, y, integers({5, 5, 7})).total);
  const double by_pair = number(cmpm_loss(x, y, integers({5, 6, 7})).total);
  EXPECT_LT(by_label, 0.1);
  EXPECT_GT(by_pair, 5);
}

// ------------------------------------------------------------------------------------------------- classification ----

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

// --------------------------------------------------------------------------------------------------------- hinges ----

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
  for (const auto mining : all<Mining>())
    for (const auto reduction : all<BatchReduction>())
      for (const auto direction : all<RankDirection>())
        for (const bool mask : {true, false}) {
          const TripletOptions options{0.33, mining, 2, mask, reduction, direction};
          expect_gradients(
              [&](const at::Tensor& scores) {
                at::manual_seed(11);
                return triplet_loss(scores, e1_label(), options).total;
              },
              wave({4, 4}, 0.3));
        }
}

TEST(TripletLoss, RefusesTopKWithoutK) { EXPECT_THROW(e3_triplet({.mining = Mining::topk_mean}), ShapeError); }

TEST(TripletLoss, ARepeatedImageIsNoNegativeOfItsOtherCaption) {
  // rows 0 and 1 are one image with two captions that both fit perfectly; row 2 is far
  const at::Tensor scores = matrix({{.9, .9, 0}, {.9, .9, 0}, {0, 0, .9}});
  EXPECT_NEAR(number(triplet_loss(scores, integers({4, 4, 5}), {}).total), 0, 1e-12);
  EXPECT_NEAR(number(triplet_loss(scores, integers({4, 4, 5}), {.mask_same_label = false}).total), 0.8, 1e-12);
}

LossValue e4_loss(const StructurePreservingOptions& options) {
  return structure_preserving_loss(e4_x(), e4_y(), e4_image(), at::arange(3), at::arange(3), options);
}
StructurePreservingOptions only(int64_t top_k, double text_text, double image_image) {
  return {.top_k = top_k, .image_to_text = 0, .text_to_image = 0, .text_text = text_text, .image_image = image_image};
}

TEST(StructurePreservingLoss, GivesTheValuesOfE4) {
  expect_directions(e4_loss({.top_k = 1}), 0.279468, 0.227476);
  expect_directions(e4_loss({.top_k = 2}), 0.227476, 0.113738);
  EXPECT_NEAR(number(e4_loss(only(1, 1, 0)).total), 0.308000, kSixDecimals);
  EXPECT_NEAR(number(e4_loss(only(2, 1, 0)).total), 0.270689, kSixDecimals);
  EXPECT_NEAR(number(e4_loss({.top_k = 1}).total), 0.636082, kSixDecimals);
  EXPECT_NEAR(number(e4_loss({.top_k = 2}).total), 0.411618, kSixDecimals);
}

TEST(StructurePreservingLoss, ImageStructureNeedsClassLabels) {
  const auto with_label = [](const at::Tensor& label) {
    return number(structure_preserving_loss(e4_x(), e4_y(), e4_image(), label, at::arange(3), only(1, 0, 1)).total);
  };
  EXPECT_NEAR(with_label(integers({0, 1, 0})), 0.543660, kSixDecimals);
  EXPECT_NEAR(with_label(integers({0, 1, 2})), 0, 1e-12);
}

TEST(StructurePreservingLoss, ABatchOfPairsWithRepeatedImagesGivesTheSame) {
  const at::Tensor rows = e4_image(), x = e4_x().index_select(0, rows), own = at::arange(6);
  for (const int64_t k : {1, 2, 10}) {
    const StructurePreservingOptions options{.top_k = k, .image_image = 0.3};
    const at::Tensor label = integers({0, 1, 0});
    const LossValue images = structure_preserving_loss(e4_x(), e4_y(), rows, label, at::arange(3), options);
    const LossValue pairs = structure_preserving_loss(x, e4_y(), own, label.index_select(0, rows), rows + 40, options);
    EXPECT_NEAR(number(images.total), number(pairs.total), 1e-12) << "k " << k;
    EXPECT_NEAR(number(images.y_to_x), number(pairs.y_to_x), 1e-12) << "k " << k;
  }
}

TEST(StructurePreservingLoss, OfEqualDistancesIsTheMargin) {
  const at::Tensor zero = at::zeros({3, 2}, at::kDouble);
  const LossValue loss = structure_preserving_loss(zero, zero, at::arange(3), at::arange(3), at::arange(3), {});
  expect_directions(loss, 0.05, 0.05);
}

TEST(StructurePreservingLoss, NormalisesUnlessToldNotTo) {
  const auto total = [](double stretch, bool normalize) {
    return number(structure_preserving_loss(stretch * e4_x(), e4_y(), e4_image(), at::arange(3), at::arange(3),
                                            {.top_k = 1, .normalize = normalize})
                      .total);
  };
  EXPECT_NEAR(total(3, true), 0.636082, kSixDecimals);
  EXPECT_NEAR(total(1, false), 0.636082, kSixDecimals);
  EXPECT_GT(std::abs(total(3, false) - 0.636082), 0.05);
}

TEST(StructurePreservingLoss, GradientsMatchDifferencesForEveryTerm) {
  for (const bool normalize : {true, false})
    for (const int term : {0, 1, 2, 3, 4}) {
      const auto weight = [&](int own) { return term == own || term == 4 ? 1.0 : 0.0; };
      const StructurePreservingOptions options{0.35, 2, weight(0), weight(1), weight(2), weight(3), normalize};
      const at::Tensor x = wave({3, 3}, 0.2), y = wave({6, 3}, 1.4), label = integers({0, 1, 0});
      const auto loss = [&](const at::Tensor& a, const at::Tensor& b) {
        return structure_preserving_loss(a, b, e4_image(), label, at::arange(3), options);
      };
      expect_view_gradients(loss, x, y);
    }
}

// -------------------------------------------------------------------------------------------------------- softmax ----

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

// ------------------------------------------------------------------------------------------------------ all of them
// ----

struct NamedLoss {
  std::string name;
  std::function<LossValue(const at::Tensor& x, const at::Tensor& y, const at::Tensor& label)> value;
};
at::Tensor cosines(const at::Tensor& x, const at::Tensor& y) {
  const auto unit = [](const at::Tensor& a) { return a / (a.square().sum(1, true) + 1e-6).sqrt(); };
  return unit(x).mm(unit(y).t());
}
// Every function with every word of its options, as a function of embeddings in which equal labels mean one image.
std::vector<NamedLoss> every_loss() {
  std::vector<NamedLoss> losses;
  const auto add = [&](std::string name, auto value) { losses.push_back({std::move(name), value}); };
  for (const auto direction : all<CmpmDirection>())
    for (const auto norm : all<TargetNorm>())
      for (const bool both : {false, true})
        add("cmpm", [=](auto& x, auto& y, auto& l) { return cmpm_loss(x, y, l, {direction, norm, 1e-8, 1.0, both}); });
  for (const auto variant : all<CmpcVariant>())
    add("cmpc", [=](auto& x, auto& y, auto& l) {
      return cmpc_loss(x, y, l, wave({3, 5}, 0.1).to(x.scalar_type()), {.variant = variant});
    });
  add("instance", [](auto& x, auto& y, auto& l) {
    const Classifier shared{wave({3, 5}, 0.1).to(x.scalar_type()), {}};
    return instance_loss(x, y, l, shared, shared);
  });
  for (const auto mining : {Mining::sum, Mining::hardest, Mining::semi_hard, Mining::topk_mean})
    add("triplet",
        [=](auto& x, auto& y, auto& l) { return triplet_loss(cosines(x, y), l, {.mining = mining, .k = 2}); });
  add("structure_preserving", [](auto& x, auto& y, auto& l) {
    return structure_preserving_loss(x, y, at::arange(x.size(0)), l, l, {.top_k = 2, .image_image = 0.1});
  });
  for (const auto form : all<MultiPositive>())
    add("infonce", [=](auto& x, auto& y, auto& l) { return infonce_loss(cosines(x, y), l, {.multi_positive = form}); });
  return losses;
}

TEST(EveryLoss, IsIndependentOfTheOrderOfTheBatch) {
  const at::Tensor x = wave({6, 3}, 0.2), y = wave({6, 3}, 1.9), label = integers({0, 1, 2, 1, 3, 4});
  const at::Tensor order = integers({3, 0, 5, 1, 4, 2});
  // rows with one label are one image
  const at::Tensor images = x.index_select(0, integers({0, 1, 2, 1, 4, 5}));
  for (const auto& loss : every_loss()) {
    const at::Tensor plain = loss.value(images, y, label).total;
    const at::Tensor permuted =
        loss.value(images.index_select(0, order), y.index_select(0, order), label.index_select(0, order)).total;
    EXPECT_NEAR(number(plain), number(permuted), 1e-12) << loss.name;
  }
}

TEST(EveryLoss, TakesABatchOfOne) {
  for (const auto& loss : every_loss()) {
    const at::Tensor x = wave({1, 3}, 0.2).requires_grad_(), y = wave({1, 3}, 1.9).requires_grad_();
    const LossValue value = loss.value(x, y, integers({2}));
    value.total.backward();
    EXPECT_TRUE(std::isfinite(number(value.total))) << loss.name;
    EXPECT_TRUE(x.grad().isfinite().all().item<bool>()) << loss.name;
    if (loss.name != "cmpc" && loss.name != "instance") {  // nothing to tell apart
      EXPECT_NEAR(number(value.total), 0, 1e-6) << loss.name;
    }
  }
}

TEST(EveryLoss, TakesABatchOfOneLabel) {
  for (const auto& loss : every_loss()) {
    const at::Tensor x = wave({4, 3}, 0.2).requires_grad_(), y = wave({4, 3}, 1.9).requires_grad_();
    const LossValue value = loss.value(x, y, at::zeros({4}, at::kLong));
    value.total.backward();
    EXPECT_TRUE(std::isfinite(number(value.total))) << loss.name;
    EXPECT_TRUE(x.grad().isfinite().all().item<bool>() && y.grad().isfinite().all().item<bool>()) << loss.name;
    if (loss.name == "triplet" || loss.name == "structure_preserving") {  // no negative is left
      EXPECT_NEAR(number(value.total), 0, 1e-12) << loss.name;
    }
  }
}

TEST(EveryLoss, OfZeroEmbeddingsHasBoundedGradients) {
  for (const auto& loss : every_loss())
    for (const auto type : {at::kFloat, at::kDouble}) {
      at::Tensor x = wave({4, 3}, 0.2).to(type), y = wave({4, 3}, 1.9).to(type);
      x[0].zero_(), y[0].zero_(), y[2].zero_();
      x.requires_grad_(), y.requires_grad_();
      loss.value(x, y, integers({0, 1, 2, 1})).total.backward();
      for (const at::Tensor& grad : {x.grad(), y.grad()}) {
        EXPECT_TRUE(grad.isfinite().all().item<bool>()) << loss.name;
        EXPECT_LT(number(grad.abs().max()), 1e4) << loss.name;
      }
    }
}

TEST(EveryLoss, StaysFiniteForHugeScores) {
  for (const auto& loss : every_loss()) {
    const at::Tensor x = (1e4 * wave({4, 3}, 0.2)).to(at::kFloat).requires_grad_();
    const at::Tensor y = (1e4 * wave({4, 3}, 1.9)).to(at::kFloat).requires_grad_();
    const LossValue value = loss.value(x, y, integers({0, 1, 2, 1}));
    value.total.backward();
    EXPECT_TRUE(std::isfinite(number(value.total))) << loss.name;
    EXPECT_TRUE(x.grad().isfinite().all().item<bool>() && y.grad().isfinite().all().item<bool>()) << loss.name;
  }
}

TEST(EveryLoss, InSinglePrecisionAgreesWithDouble) {
  const at::Tensor x = wave({5, 3}, 0.2), y = wave({5, 3}, 1.9), label = integers({0, 1, 2, 1, 3});
  for (const auto& loss : every_loss()) {
    const at::Tensor precise = loss.value(x, y, label).total;
    const at::Tensor single = loss.value(x.to(at::kFloat), y.to(at::kFloat), label).total;
    EXPECT_EQ(single.scalar_type(), at::kFloat) << loss.name;
    EXPECT_NEAR(number(precise), number(single), 1e-5 * (1 + std::abs(number(precise)))) << loss.name;
  }
}

TEST(EveryLoss, ComputesReducedPrecisionInFloat) {
  const at::Tensor x = wave({4, 3}, 0.2).to(at::kBFloat16), y = wave({4, 3}, 1.9).to(at::kBFloat16);
  EXPECT_EQ(cmpm_loss(x, y, e1_label()).total.scalar_type(), at::kFloat);
  EXPECT_EQ(infonce_loss(x.mm(y.t()), e1_label()).total.scalar_type(), at::kFloat);
  EXPECT_EQ(triplet_loss(x.mm(y.t()), e1_label()).total.scalar_type(), at::kFloat);
  EXPECT_EQ(cmpc_loss(x, y, e1_label(), e2_weight().to(at::kFloat)).total.scalar_type(), at::kFloat);
}

// Message of the ShapeError that f throws.
template <class F>
std::string complaint(F f) {
  try {
    f();
  } catch (const ShapeError& error) {
    return error.what();
  }
  return "(accepted)";
}

TEST(EveryLoss, SaysWhichShapeIsWrong) {
  const at::Tensor x = at::zeros({3, 2}), label = at::arange(3);
  EXPECT_THAT(complaint([&] {
                cmpm_loss(x, at::zeros({2, 2}), label);
              }),
              HasSubstr("cmpm_loss: x [3, 2] and y [2, 2] must both be [B, D]"));
  EXPECT_THAT(complaint([&] { cmpm_loss(x, x, at::arange(2)); }), HasSubstr("label [2] does not fit 3 rows"));
  EXPECT_THAT(complaint([&] { cmpm_loss(x, x, at::zeros({3})); }), HasSubstr("needed are int64 integers"));
  EXPECT_THAT(complaint([&] {
                cmpm_loss(at::zeros({0, 2}), at::zeros({0, 2}), at::arange(0));
              }),
              HasSubstr("the batch is empty"));
  EXPECT_THAT(complaint([&] { triplet_loss(at::zeros({3, 2}), label); }), HasSubstr("scores [3, 2] are not square"));
  EXPECT_THAT(complaint([&] { infonce_loss(at::Tensor(), label); }), HasSubstr("infonce_loss: needs scores"));
  EXPECT_THAT(complaint([&] { cmpc_loss(x, x, label, at::zeros({4, 5})); }), HasSubstr("weight [4, 5] must be [2, C]"));
  const Classifier odd{at::zeros({2, 5}), at::zeros({4})};
  EXPECT_THAT(complaint([&] { instance_loss(x, x, label, odd, odd); }), HasSubstr("bias [4] must be [5]"));
  EXPECT_THAT(complaint([&] {
                structure_preserving_loss(x, at::zeros({4, 3}), label, label, label);
              }),
              HasSubstr("must be [n, D] and [m, D]"));
  EXPECT_THAT(complaint([&] { structure_preserving_loss(x, x, at::arange(2), label, label); }),
              HasSubstr("image_of_sentence [2] does not fit 3 rows"));
  EXPECT_THAT(complaint([&] { attention_penalty_loss(at::zeros({3, 2})); }), HasSubstr("[3, 2] has no diagonal"));
  EXPECT_THAT(complaint([&] { attention_penalty_loss(at::Tensor()); }), HasSubstr("[N, M]"));
}

TEST(AttentionPenalty, IsTheMeanOverOwnPairsOrOverAll) {
  const at::Tensor penalty = torch::tensor({{1., 2.}, {4., 9.}}, at::kDouble);
  EXPECT_DOUBLE_EQ(number(attention_penalty_loss(penalty).total), 5);
  EXPECT_DOUBLE_EQ(number(attention_penalty_loss(penalty, PenalisedPairs::all).total), 4);
}

}  // namespace
}  // namespace diptych

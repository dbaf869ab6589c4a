#include "diptych/loss/projection.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>

#include "diptych/loss/softmax.h"
#include "support/tensor_near.h"
#include "unit/loss/worked_examples.h"

namespace diptych {
namespace {

using namespace diptych::testing;  // worked examples and helpers

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

TEST(SdmLoss, GivesTheValuesOfE1) {
  const auto sdm = [](double tau, CmpmDirection direction) {
    return sdm_loss(e1_x(), e1_y(), e1_label(), {.direction = direction, .tau = tau});
  };
  expect_directions(sdm(0.1, CmpmDirection::p_from_q), 0.661731, 1.115213);
  expect_directions(sdm_loss(e1_x(), e1_y(), e1_label()), 0.346571, 0.346655);
  expect_directions(sdm(0.1, CmpmDirection::q_from_p), 0.442395, 0.474035);
}

TEST(SdmLoss, DoesNotDependOnTheLengthsOfEitherSide) {
  const at::Tensor stretch = matrix({{3}, {.2}, {7}, {50}});
  expect_directions(sdm_loss(stretch * e1_x(), 9 * e1_y(), e1_label()), 0.346571, 0.346655);
}

TEST(SdmLoss, GradientsMatchDifferencesForEveryOption) {
  for (const auto direction : all<CmpmDirection>())
    for (const auto positives : all<Positives>()) {
      const SdmOptions options{direction, 0.3, 1e-8, positives};
      expect_view_gradients(
          [&](const at::Tensor& x, const at::Tensor& y) { return sdm_loss(x, y, e1_label(), options); },
          wave({4, 3}, 0.2), wave({4, 3}, 1.1));
    }
}

}  // namespace
}  // namespace diptych

#include "diptych/loss/structure_preserving.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>

#include "unit/loss/worked_examples.h"

namespace diptych {
namespace {

using namespace diptych::testing;  // worked examples and helpers

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

}  // namespace
}  // namespace diptych

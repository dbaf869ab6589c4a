#include "diptych/loss/correlation.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <limits>

#include "diptych/core/error.h"
#include "loss/dcca.h"
#include "support/gradcheck.h"
#include "support/tensor_near.h"
#include "unit/loss/worked_examples.h"

// E6 is the worked example of the methods specification; its values have six decimals.
namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

at::Tensor rows(std::initializer_list<double> values) {
  return torch::tensor(std::vector<double>(values), at::kDouble).view({-1, 2});
}
at::Tensor e6_x() { return rows({1, 0, 0, 1, -1, .5, 0, -1.5}); }
at::Tensor e6_y() { return rows({.5, 1, 1, -1, -1.5, 0, 0, 0}); }

double correlation(const at::Tensor& x, const at::Tensor& y, const DccaOptions& options = {}) {
  return -dcca_loss(x, y, options).total.item<double>();
}

at::Tensor noise(at::IntArrayRef sizes, uint64_t seed) {
  torch::manual_seed(seed);
  return torch::randn(sizes, at::kDouble);
}

TEST(DccaLoss, GivesTheValuesOfTheWorkedExample) {
  EXPECT_NEAR(correlation(e6_x(), e6_y(), {.regularisation = 0}), 4. / 3, kSixDecimals);
  EXPECT_NEAR(correlation(e6_x(), e6_y(), {.regularisation = 0, .top_k = 1}), 1, kSixDecimals);
  EXPECT_NEAR(correlation(e6_x(), e6_y()), 1.333157, kSixDecimals);
  EXPECT_NEAR(correlation(e6_x(), e6_y(), {.top_k = 1}), 0.999858, kSixDecimals);
  EXPECT_NEAR(correlation(e6_x(), e6_y(), {.regularisation = 1e-3}), 1.331577, kSixDecimals);
  EXPECT_NEAR(correlation(e6_x(), e6_x()), 1.999756, kSixDecimals);
}

TEST(DccaLoss, OfOneDimensionIsPearsonsCorrelation) {
  const at::Tensor x = noise({20, 1}, 1), y = x + noise({20, 1}, 2);
  const at::Tensor a = x - x.mean(), b = y - y.mean();
  const double pearson = (a * b).sum().item<double>() / (a.norm() * b.norm()).item<double>();
  EXPECT_NEAR(correlation(x, y, {.regularisation = 0}), std::abs(pearson), 1e-12);
  EXPECT_NEAR(correlation(x, -y, {.regularisation = 0}), std::abs(pearson), 1e-12);
}

TEST(DccaLoss, DoesNotChangeUnderAffineMapsOfEitherView) {
  const at::Tensor x = noise({30, 4}, 3), y = noise({30, 3}, 4);
  const at::Tensor moved = x.mm(noise({4, 4}, 5)) + noise({1, 4}, 6);
  EXPECT_NEAR(correlation(moved, y, {.regularisation = 0}), correlation(x, y, {.regularisation = 0}), 1e-9);
  EXPECT_NEAR(correlation(y, x), correlation(x, y), 1e-12);
}

TEST(DccaLoss, GradientsMatchDifferences) {
  const at::Tensor x = noise({12, 4}, 7), y = x.narrow(1, 0, 3) + noise({12, 3}, 8);
  for (const DccaOptions& options :
       {DccaOptions{}, DccaOptions{.regularisation = 0}, DccaOptions{.regularisation = 0.1, .top_k = 2}}) {
    expect_gradients([&](const at::Tensor& moved) { return dcca_loss(moved, y, options).total; }, x, 1e-5, 1e-8);
    expect_gradients([&](const at::Tensor& moved) { return dcca_loss(x, moved, options).total; }, y, 1e-5, 1e-8);
  }
}

TEST(DccaLoss, GradientsHoldWhereEigenvaluesAreEqual) {
  // Sxx = Syy = 4/3 I: differentiating eigenvectors would divide by the difference of their eigenvalues, 0.
  const at::Tensor x = rows({1, 1, 1, -1, -1, 1, -1, -1}).repeat({2, 1});
  const at::Tensor y = x.index_select(0, torch::tensor({1, 0, 2, 3, 4, 5, 6, 7}));
  expect_gradients([&](const at::Tensor& moved) { return dcca_loss(moved, y, {.regularisation = 0.1}).total; }, x, 1e-5,
                   1e-8);
}

TEST(DccaLoss, StaysFiniteWhenAViewDoesNotVary) {
  const at::Tensor x = at::ones({8, 3}, at::kDouble).requires_grad_(true), y = noise({8, 3}, 9);
  for (const double regularisation : {0., 1e-4}) {
    const at::Tensor total = dcca_loss(x, y, {.regularisation = regularisation}).total;
    EXPECT_EQ(total.item<double>(), 0);
    total.backward();
    EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
  }
}

TEST(DccaLoss, ComputesInDoubleAndAnswersInTheInputsType) {
  const at::Tensor x = noise({40, 5}, 10), y = noise({40, 5}, 11);
  const at::Tensor single = dcca_loss(x.to(at::kFloat), y.to(at::kFloat)).total;
  EXPECT_EQ(single.scalar_type(), at::kFloat);
  EXPECT_NEAR(-single.item<double>(), correlation(x, y), 1e-5);
  EXPECT_EQ(dcca_loss(x.to(at::kBFloat16), y.to(at::kBFloat16)).total.scalar_type(), at::kFloat);
}

TEST(DccaLoss, RefusesWhatHasNoMeaning) {
  const at::Tensor x = noise({4, 4}, 12), tall = noise({6, 4}, 13);
  EXPECT_THAT([&] { dcca_loss(x, x); }, ThrowsMessage<ShapeError>(HasSubstr("more pairs than dimensions")));
  EXPECT_THAT([&] { dcca_loss(x, tall); }, ThrowsMessage<ShapeError>(HasSubstr("[6, 4]")));
  EXPECT_THAT([&] { dcca_loss(tall, tall, {.top_k = 5}); }, ThrowsMessage<ShapeError>(HasSubstr("top_k = 5")));
  EXPECT_THROW(dcca_loss(tall * std::numeric_limits<double>::infinity(), tall), NumericError);
}

TEST(DccaLossModule, SaysWhichBatchSizeItNeeds) {
  DccaLoss loss({}, LossContext{4, 0});
  LossInput input;
  input.x = input.y = noise({4, 4}, 14);
  EXPECT_THAT([&] { loss.forward(input); }, ThrowsMessage<UsageError>(HasSubstr("train.batch_size above 4")));
  EXPECT_THAT([] { DccaLoss({.top_k = 5}, LossContext{4, 0}); }, ThrowsMessage<UsageError>(HasSubstr("top_k = 5")));
}

}  // namespace
}  // namespace diptych::testing

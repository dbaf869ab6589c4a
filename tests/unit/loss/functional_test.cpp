#include "diptych/loss/functional.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>

#include "unit/loss/worked_examples.h"

namespace diptych {
namespace {

using namespace diptych::testing;  // worked examples and helpers
using ::testing::HasSubstr;

struct NamedLoss {
  std::string name;
  std::function<LossValue(const at::Tensor& x, const at::Tensor& y, const at::Tensor& label)> value;
  bool tells_apart() const { return name != "cmpc" && name != "instance" && name != "sigmoid"; }
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
    for (const auto positives : all<Positives>())
      add("triplet", [=](auto& x, auto& y, auto& l) {
        return triplet_loss(cosines(x, y), l, {.mining = mining, .k = 2, .positives = positives});
      });
  add("structure_preserving", [](auto& x, auto& y, auto& l) {
    return structure_preserving_loss(x, y, at::arange(x.size(0)), l, l, {.top_k = 2, .image_image = 0.1});
  });
  for (const auto form : all<MultiPositive>())
    add("infonce", [=](auto& x, auto& y, auto& l) { return infonce_loss(cosines(x, y), l, {.multi_positive = form}); });
  add("sdm", [](auto& x, auto& y, auto& l) { return sdm_loss(x, y, l); });
  add("n_pair", [](auto& x, auto& y, auto& l) { return n_pair_loss(x.mm(y.t()), l); });
  add("sje", [](auto& x, auto& y, auto& l) { return sje_loss(cosines(x, y), l); });
  add("lifted", [](auto& x, auto& y, auto& l) { return lifted_loss(1 - cosines(x, y), l); });
  add("histogram", [](auto& x, auto& y, auto& l) { return histogram_loss(cosines(x, y), l, 0.1); });
  add("sigmoid", [](auto& x, auto& y, auto& l) { return sigmoid_loss(10 * cosines(x, y) - 10, l); });
  add("dualpath_rank", [](auto& x, auto& y, auto& l) { return dualpath_rank_loss(cosines(x, y), l); });
  return losses;
}

TEST(EveryLoss, IsIndependentOfTheOrderOfTheBatch) {
  const at::Tensor x = wave({6, 3}, 0.2), y = wave({6, 3}, 1.9), label = integers({0, 1, 2, 1, 3, 4});
  const at::Tensor order = integers({3, 0, 5, 1, 4, 2});
  // rows with one label are one image
  const at::Tensor images = x.index_select(0, integers({0, 1, 2, 1, 4, 5}));
  for (const auto& loss : every_loss()) {
    if (loss.name == "dualpath_rank") continue;  // the halves of the batch have different parts
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
    if (loss.tells_apart()) {  // and there is nothing to
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
    const bool only_negatives_cost = loss.name != "cmpm" && loss.name != "sdm" && loss.name != "infonce";
    if (loss.tells_apart() && only_negatives_cost) {  // and none is left
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
}

}  // namespace
}  // namespace diptych

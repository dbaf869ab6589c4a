#include "model/pooling.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "../../support/gradcheck.h"
#include "../../support/tensor_near.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/core/tensor/scope.h"
#include "formula.h"

namespace diptych::testing {
namespace {

// One row of one channel.
at::Tensor items(const std::vector<double>& values) { return torch::tensor(values, at::kDouble).view({1, -1, 1}); }
double pooled(Pooling pooling, const std::vector<double>& values, PoolingOptions options = {}) {
  Pool pool(pooling, options, 1);
  pool.to(at::kDouble);
  const EvalScope scope(pool);
  return pool.forward(items(values)).item<double>();
}

TEST(Pool, GivesThePublishedFormsByHand) {
  EXPECT_NEAR(pooled(Pooling::gem, {1, 2, 3}), std::cbrt(12.), 1e-12);  // ((1 + 8 + 27) / 3)^(1/3) = 2.289428
  EXPECT_NEAR(pooled(Pooling::weldon, {5, 4, 3, 2, 1, 0}, {.weldon_k = 2}), 5.0, 1e-12);  // 4.5 + 0.5
  EXPECT_NEAR(pooled(Pooling::weldon, {3, 1, 2}, {.weldon_k = 15}), 4.0, 1e-12);          // twice the mean
  EXPECT_NEAR(pooled(Pooling::lse, {1, 2, 3}), 3 + std::log(1 + std::exp(-6.) + std::exp(-12.)) / 6, 1e-12);
  EXPECT_NEAR(pooled(Pooling::lse, {1, 2, 3}), 3.000414, 1e-6);
  EXPECT_NEAR(pooled(Pooling::mean, {1, 2, 6}), 3, 1e-12);
  EXPECT_NEAR(pooled(Pooling::max, {1, 6, 2}), 6, 1e-12);
  EXPECT_NEAR(pooled(Pooling::last, {1, 6, 2}), 2, 1e-12);
}

TEST(WeightedByRank, IsTheMeanTheMaximumAndAllBetween) {
  const at::Tensor x = items({2, 7, -1, 4}), all = at::ones({1, 4}, at::kBool);
  const auto by = [&](const std::vector<double>& weights) {
    return weighted_by_rank(x, all, torch::tensor(weights, at::kDouble).unsqueeze(0)).item<double>();
  };
  EXPECT_DOUBLE_EQ(by({0.25, 0.25, 0.25, 0.25}), 3);
  EXPECT_DOUBLE_EQ(by({1, 0, 0, 0}), 7);
  EXPECT_DOUBLE_EQ(by({0, 0, 0, 1}), -1);
  EXPECT_DOUBLE_EQ(by({0, 0.5, 0.5, 0}), 3);
}

TEST(WeightedByRank, SortsEachChannelAmongRealItems) {
  const at::Tensor x = torch::tensor({{{1., 9.}, {5., 2.}, {100., -100.}}}, at::kDouble);
  const at::Tensor two = torch::tensor({{true, true, false}});
  EXPECT_THAT(weighted_by_rank(x, two, torch::tensor({{1., 0., 0.}}, at::kDouble)),
              TensorNear(torch::tensor({{5., 9.}}, at::kDouble)));
  EXPECT_THAT(weighted_by_rank(x, two, torch::tensor({{0., 1., 0.}}, at::kDouble)),
              TensorNear(torch::tensor({{1., 2.}}, at::kDouble)));
}

TEST(Pool, GpoWithEqualScoresIsTheMean) {
  Pool pool(Pooling::gpo, {});
  pool.to(at::kDouble);
  const EvalScope scope(pool);
  pool.named_parameters()["score.weight"].zero_();
  const at::Tensor x = formula_centred({3, 6, 4}, 1);
  const at::Tensor mask = at::arange(6) < torch::tensor({{6}, {1}, {4}});
  EXPECT_THAT(pool.forward(x), TensorNear(x.mean(1)));
  EXPECT_THAT(pool.forward(x, mask), TensorNear(Pool(Pooling::mean, {}).forward(x, mask)));
}

std::vector<Pooling> all_poolings() {
  std::vector<Pooling> out;
  for (const auto& [pooling, name] : enum_names(Pooling{})) out.push_back(pooling);
  return out;
}
constexpr PoolingOptions kSmall{.weldon_k = 2, .attention_units = 4, .gpo_drop = 0};

class EveryPooling : public ::testing::TestWithParam<Pooling> {
 protected:
  EveryPooling() {
    pool_.to(at::kDouble);
    formula_fill(pool_);
    x_ = formula_centred({3, 6, 5}, 31);
    mask_ = at::arange(6) < torch::tensor({{6}, {1}, {4}});
  }
  Pool pool_{GetParam(), kSmall, 5};
  at::Tensor x_, mask_;
};
INSTANTIATE_TEST_SUITE_P(Each, EveryPooling, ::testing::ValuesIn(all_poolings()),
                         [](const auto& each) { return enum_text(each.param); });

// Each row alone, cut to its real items, in a loop over rows: what padding must not change.
TEST_P(EveryPooling, SeesRealItemsOnly) {
  const at::Tensor out = pool_.forward(x_, mask_);
  EXPECT_EQ(out.size(1), pool_.features(5));
  const int64_t lengths[] = {6, 1, 4};
  for (int64_t row = 0; row < 3; ++row) {
    const at::Tensor alone = x_.slice(0, row, row + 1).slice(1, 0, lengths[row]);
    EXPECT_THAT(pool_.forward(alone)[0], TensorNear(out[row])) << "row " << row;
  }
  EXPECT_THAT(pool_.forward(x_.masked_fill(~mask_.unsqueeze(2), 1e6), mask_), TensorNear(out));
}

TEST_P(EveryPooling, OrderCountsForTheLastOnly) {
  const at::Tensor turned = x_.flip(1);
  const double change = (pool_.forward(x_) - pool_.forward(turned)).abs().max().item<double>();
  if (GetParam() == Pooling::last)
    EXPECT_GT(change, 0.1);
  else
    EXPECT_LT(change, 1e-12);
}

TEST_P(EveryPooling, GradientsMatchDifferences) {
  const at::Tensor weight = formula_centred({3, pool_.features(5)}, 32);
  expect_gradients([&](const at::Tensor& x) { return (pool_.forward(x, mask_) * weight).sum(); }, x_);
  expect_gradients([&](const at::Tensor& x) { return (pool_.forward(x) * weight).sum(); }, x_);
}

TEST_P(EveryPooling, EqualsThePythonReferenceInFloat64) {
  const TensorFile golden = read_safetensors(std::string(DIPTYCH_GOLDEN_DIR) + "/text_encoders.safetensors");
  const std::string name = "pool." + enum_text(GetParam());
  const at::Tensor out = pool_.forward(x_, mask_);
  EXPECT_THAT(out, TensorNear(golden.tensors.at(name)));
  if (pool_.parameters().empty()) return;
  (out * formula_centred(out.sizes(), 98)).sum().backward();
  for (const auto& each : pool_.named_parameters()) {
    SCOPED_TRACE(each.key());
    EXPECT_THAT(each.value().grad(), TensorNear(golden.tensors.at(name + ".grad." + each.key()), 1e-9, 1e-12));
  }
}

TEST_P(EveryPooling, IsFloat32UnderAutocast) {
  pool_.to(at::kFloat);
  const at::Tensor x = x_.to(at::kFloat), full = pool_.forward(x, mask_);
  const AutocastScope half(Precision::bf16, at::kCPU);
  const at::Tensor out = pool_.forward(x, mask_);
  EXPECT_EQ(out.scalar_type(), at::kFloat);
  EXPECT_TRUE(out.equal(full));
  EXPECT_EQ(pool_.forward(x.to(at::kBFloat16), mask_).scalar_type(), at::kFloat);
}

TEST(Pool, GpoLeavesItemsOutInTrainingOnly) {
  Pool pool(Pooling::gpo, {.gpo_drop = 0.2});
  pool.named_parameters()["score.weight"].detach().zero_();  // the mean of what stays
  const at::Tensor x = at::eye(50).expand({200, 50, 50});    // so channel c is there or not: 1 / kept or 0
  const auto run = [&](uint64_t seed) {
    torch::manual_seed(seed);
    return pool.forward(x).detach();
  };
  const at::Tensor trained = run(1);
  EXPECT_NEAR((trained == 0).to(at::kFloat).mean().item<double>(), 0.2, 0.02);
  EXPECT_THAT(trained.sum(1), TensorNear(at::ones({200}))) << "weights of the items that stay add up to one";
  EXPECT_TRUE(run(1).equal(trained)) << "the seed decides";
  EXPECT_FALSE(run(2).equal(trained));
  pool.eval();
  EXPECT_THAT(run(1), TensorNear(at::full({200, 50}, 0.02)));
}

TEST(Pool, GpoNeverLeavesOutEverything) {
  Pool pool(Pooling::gpo, {.gpo_drop = 0.99});
  const at::Tensor out = pool.forward(at::ones({500, 3, 1}), at::arange(3).unsqueeze(0).expand({500, 3}) < 2);
  EXPECT_THAT(out, TensorNear(at::ones({500, 1})));
}

TEST(Pool, PaddingMayTakePartInAMaximum) {
  const at::Tensor x = torch::tensor({{{-1.}, {-2.}}, {{-3.}, {-4.}}}, at::kDouble);
  const at::Tensor mask = torch::tensor({{true, false}, {true, true}});
  EXPECT_THAT(Pool(Pooling::max, {}).forward(x, mask, 0), TensorNear(torch::tensor({{0.}, {-3.}}, at::kDouble)));
  EXPECT_THAT(Pool(Pooling::mean_max, {}).forward(x, mask, 0),
              TensorNear(torch::tensor({{-1., 0.}, {-3.5, -3.}}, at::kDouble)));
}

}  // namespace
}  // namespace diptych::testing

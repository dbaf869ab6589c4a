#include "diptych/core/tensor/recompute.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace diptych::testing {
namespace {

using Tensors = std::vector<at::Tensor>;

/// Two results of three inputs, the second of which may be missing.
Tensors products(const Tensors& in) {
  const at::Tensor first = in[0].mm(in[2]).tanh();
  return {first, (in[1].defined() ? first * in[1] : first).sum(1)};
}
Tensors leaves(bool second) {
  torch::manual_seed(3);
  const auto leaf = [](at::IntArrayRef sizes) { return torch::randn(sizes, at::kDouble).requires_grad_(true); };
  return {leaf({4, 5}), second ? leaf({4, 3}) : at::Tensor(), leaf({5, 3})};
}

TEST(Recomputed, GivesTheValuesAndGradientsOfTheFunction) {
  for (const bool second : {true, false}) {
    const Tensors plain = leaves(second), kept = leaves(second);
    const Tensors expected = products(plain), results = recomputed(products, kept);
    ASSERT_EQ(results.size(), 2u);
    (expected[0].square().sum() + 3 * expected[1].sum()).backward();
    (results[0].square().sum() + 3 * results[1].sum()).backward();
    for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(results[i].equal(expected[i]));
    for (size_t i = 0; i < 3; ++i) {
      if (plain[i].defined()) {
        EXPECT_TRUE(kept[i].grad().equal(plain[i].grad())) << i;
      }
    }
  }
}

TEST(Recomputed, DifferentiatesOnlyWhatIsAskedFor) {
  Tensors inputs = leaves(true);
  inputs[2] = inputs[2].detach();
  recomputed(products, inputs)[1].sum().backward();  // nothing comes back through the first result
  EXPECT_TRUE(inputs[0].grad().defined());
  EXPECT_FALSE(inputs[2].grad().defined());
}

TEST(Recomputed, RunsOnceWithoutGradientsAndTwiceWithThem) {
  int runs = 0;
  const auto counted = [&](const Tensors& in) {
    ++runs;
    return products(in);
  };
  {
    const at::NoGradGuard no_grad;
    EXPECT_FALSE(recomputed(counted, leaves(true))[0].requires_grad());
  }
  EXPECT_EQ(runs, 1);
  const Tensors results = recomputed(counted, leaves(true));
  EXPECT_EQ(runs, 2);
  results[1].sum().backward();
  EXPECT_EQ(runs, 3);
}

}  // namespace
}  // namespace diptych::testing

#include "diptych/core/tensor/scope.h"

#include <ATen/autocast_mode.h>
#include <gmock/gmock.h>
#include <torch/torch.h>

namespace diptych {
namespace {

/// A block within a net, with frozen statistics.
struct Block : torch::nn::Module {
  torch::nn::Dropout dropout = register_module("dropout", torch::nn::Dropout(0.5));
  torch::nn::BatchNorm1d norm = register_module("norm", torch::nn::BatchNorm1d(4));
};
struct Net : torch::nn::Module {
  torch::nn::Linear linear = register_module("linear", torch::nn::Linear(4, 4));
  std::shared_ptr<Block> block = register_module("block", std::make_shared<Block>());
  at::Tensor forward(const at::Tensor& x) { return block->norm(block->dropout(linear(x))); }
};

TEST(EvalScope, RestoresEachSubmodulesMode) {
  Net net;
  net.block->norm->eval();
  const at::Tensor x = torch::randn({3, 4});
  {
    const EvalScope scope(net);
    EXPECT_FALSE(net.is_training());
    EXPECT_FALSE(net.block->dropout->is_training());
    EXPECT_FALSE(net.forward(x).requires_grad());
    EXPECT_TRUE(at::equal(net.forward(x), net.forward(x)));
  }
  EXPECT_TRUE(net.is_training());
  EXPECT_TRUE(net.block->is_training());
  EXPECT_TRUE(net.block->dropout->is_training());
  EXPECT_FALSE(net.block->norm->is_training());
  EXPECT_TRUE(net.forward(x).requires_grad());
}

TEST(EvalScope, KeepsAModuleInEvaluationThatWas) {
  torch::nn::Sequential net(torch::nn::Dropout(0.5));
  net->eval();
  net[0]->train();
  { const EvalScope scope(*net); }
  EXPECT_FALSE(net->is_training());
  EXPECT_TRUE(net[0]->is_training());
}

TEST(EvalScope, RestoresAfterAnException) {
  torch::nn::Linear net(2, 2);
  try {
    const EvalScope scope(*net);
    throw std::runtime_error("x");
  } catch (const std::runtime_error&) {
  }
  EXPECT_TRUE(net->is_training());
  EXPECT_TRUE(at::GradMode::is_enabled());
}

TEST(AutocastScope, ComputesMatricesInBf16AndLeavesNoTrace) {
  const at::Tensor x = torch::randn({4, 4});
  {
    const AutocastScope scope(Precision::bf16, at::kCPU);
    EXPECT_EQ(torch::mm(x, x).scalar_type(), at::kBFloat16);
    {
      const Fp32Scope lifted(at::kCPU);
      EXPECT_EQ(torch::mm(x, x).scalar_type(), at::kFloat);
    }
    EXPECT_EQ(torch::mm(x, x).scalar_type(), at::kBFloat16);
    {
      const AutocastScope nested(Precision::bf16, at::kCPU);
      EXPECT_EQ(torch::mm(x, x).scalar_type(), at::kBFloat16);
    }
    EXPECT_EQ(torch::mm(x, x).scalar_type(), at::kBFloat16);
  }
  EXPECT_FALSE(at::autocast::is_autocast_enabled(at::kCPU));
  EXPECT_EQ(torch::mm(x, x).scalar_type(), at::kFloat);
}

TEST(AutocastScope, RestoresTheFormerType) {
  at::autocast::set_autocast_dtype(at::kCPU, at::kHalf);
  { const AutocastScope scope(Precision::bf16, at::kCPU); }
  EXPECT_EQ(at::autocast::get_autocast_dtype(at::kCPU), at::kHalf);
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
}

TEST(AutocastScope, DropsCastWeightsAtItsEnd) {
  const at::Tensor x = torch::ones({1, 1}), w = torch::ones({1, 1}).requires_grad_(true);
  {
    const AutocastScope scope(Precision::bf16, at::kCPU);
    EXPECT_EQ(torch::mm(x, w).item<float>(), 1);
  }
  {
    const at::NoGradGuard no_grad;
    w.fill_(2);
  }
  const AutocastScope scope(Precision::bf16, at::kCPU);
  EXPECT_EQ(torch::mm(x, w).item<float>(), 2) << "the copy of the step before was used";
}

TEST(AutocastScope, DoesNothingInFp32) {
  const at::Tensor x = torch::randn({4, 4});
  const AutocastScope scope(Precision::fp32, at::kCPU);
  EXPECT_EQ(torch::mm(x, x).scalar_type(), at::kFloat);
}

TEST(AutocastScope, GradientsReachFp32Weights) {
  torch::nn::Linear net(3, 2);
  at::Tensor loss;
  {
    const AutocastScope scope(Precision::bf16, at::kCPU);
    loss = net->forward(torch::ones({4, 3})).to(at::kFloat).sum();
  }
  loss.backward();
  EXPECT_EQ(net->weight.grad().scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(net->weight.grad(), torch::full({2, 3}, 4.0f)));
}

TEST(ConfigureTorch, SetsThreadsAndDeterminismAndMayBeRepeated) {
  const int threads = at::get_num_threads();
  for (int i = 0; i < 2; ++i) configure_torch(1, true);
  EXPECT_EQ(at::get_num_threads(), 1);
  EXPECT_TRUE(at::globalContext().deterministicAlgorithms());
  EXPECT_FALSE(at::globalContext().deterministicFillUninitializedMemory());
  configure_torch(threads, false);
  EXPECT_EQ(at::get_num_threads(), threads);
  EXPECT_FALSE(at::globalContext().deterministicAlgorithms());
  configure_torch(0, false);
  EXPECT_GE(at::get_num_threads(), 1);
  configure_torch(threads, false);
}

TEST(SeedTorch, MakesNumbersRepeat) {
  seed_torch(3);
  const at::Tensor a = torch::randn({5});
  seed_torch(3);
  EXPECT_TRUE(at::equal(torch::randn({5}), a));
  seed_torch(4);
  EXPECT_FALSE(at::equal(torch::randn({5}), a));
}

}  // namespace
}  // namespace diptych

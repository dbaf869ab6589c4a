#include "diptych/train/ema.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "support/tensor_near.h"

namespace diptych {
namespace {

using ::diptych::testing::TensorNear;

class EmaNet : public torch::nn::Module {
 public:
  explicit EmaNet(int64_t width)
      : fc(register_module("fc", torch::nn::Linear(3, width))),
        bn(register_module("bn", torch::nn::BatchNorm1d(width))) {}
  torch::nn::Linear fc;
  torch::nn::BatchNorm1d bn;
};

TEST(Ema, FollowsTheRecurrenceAndPutsTheWeightsBack) {
  EmaNet net(2);
  EmaOptions options;
  options.decay = 0.75, options.warmup = false, options.match = {"fc"};
  const at::Tensor start = net.fc->weight.detach().clone();
  Ema ema(net, options);
  {
    at::NoGradGuard no_grad;
    net.fc->weight.add_(1);
  }
  ema.update();
  const at::Tensor now = net.fc->weight.detach().clone();
  {
    const Ema::Scope scope(ema);
    EXPECT_THAT(net.fc->weight, TensorNear(0.75 * start + 0.25 * now));
  }
  EXPECT_TRUE(net.fc->weight.equal(now));
}

TEST(Ema, WarmUpStartsWithASmallDecay) {
  EmaNet net(2);
  EmaOptions options;
  options.decay = 0.999, options.match = {"fc.bias"};
  const at::Tensor start = net.fc->bias.detach().clone();
  Ema ema(net, options);
  {
    at::NoGradGuard no_grad;
    net.fc->bias.add_(11);
  }
  ema.update();  // decay (1 + 1) / (10 + 1)
  ema.apply();
  EXPECT_THAT(net.fc->bias, TensorNear(start + 9));
}

TEST(Ema, KnowsWhichAveragesDifferFromTheWeights) {
  EmaNet net(2);
  EmaOptions options;
  options.decay = 0.5, options.warmup = false, options.match = {"fc", "bn"};
  Ema ema(net, options);
  EXPECT_TRUE(ema.same_as_weights("fc"));
  {
    at::NoGradGuard no_grad;
    net.fc->weight.add_(1);
  }
  ema.update();
  EXPECT_FALSE(ema.same_as_weights("fc"));
  EXPECT_TRUE(ema.same_as_weights("bn"));  // moved by nobody
}

TEST(Ema, StateComesBack) {
  EmaNet net(2);
  EmaOptions options;
  options.decay = 0.9, options.match = {"fc", "bn"};
  Ema a(net, options);
  {
    at::NoGradGuard no_grad;
    net.fc->weight.mul_(2), net.bn->running_var.mul_(3);
  }
  a.update();
  Ema b(net, options);
  b.restore(a.state());
  for (const auto& [name, tensor] : a.state()) EXPECT_TRUE(tensor.equal(b.state().at(name))) << name;
}

}  // namespace
}  // namespace diptych

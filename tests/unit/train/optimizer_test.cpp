#include "diptych/train/optimizer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "diptych/train/catalog.h"
#include "support/tensor_near.h"

namespace diptych {
namespace {

using ::diptych::testing::TensorNear;

std::shared_ptr<Optimizer> make_optimizer(const Catalog& catalog, const std::string& yaml) {
  const ConfigNode node = parse_config(yaml, "test");
  Choice<OptimizerRegistry> choice(catalog.optimizers, "adam");
  Complaints complaints;
  choice.read(node, "optim", complaints);
  complaints.throw_if_any();
  return choice.make();
}

std::vector<at::Tensor> parameters_of_test() {
  torch::manual_seed(5);
  std::vector<at::Tensor> out;
  out.push_back(torch::randn({4, 3, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_());
  out.push_back(torch::randn({7}).requires_grad_());
  return out;
}

at::Tensor some_loss(const std::vector<at::Tensor>& p) {
  return (p[0] * p[0]).sum() * 0.5 + (p[1] - 2).abs().sum() + p[0].mean() * p[1].sum();
}

/// Five steps of ours and of the reference from the same start.
void expect_same_path(Optimizer& ours, const std::vector<at::Tensor>& mine, torch::optim::Optimizer& reference,
                      const std::vector<at::Tensor>& theirs) {
  for (int step = 0; step < 5; ++step) {
    ours.zero_grad(), reference.zero_grad();
    some_loss(mine).backward(), some_loss(theirs).backward();
    ours.step(ours.base_lr()), reference.step();
  }
  for (size_t i = 0; i < mine.size(); ++i) EXPECT_THAT(mine[i], TensorNear(theirs[i].detach()));
}

TEST(Optimizer, AdamEqualsTorch) {
  const Catalog catalog;
  const auto ours = make_optimizer(catalog, "{type: adam, lr: 0.01, weight_decay: 0.1}");
  const auto mine = parameters_of_test(), theirs = parameters_of_test();
  ours->set_parameters({{"a", mine[0]}, {"b", mine[1]}});
  torch::optim::Adam reference(theirs, torch::optim::AdamOptions(0.01).weight_decay(0.1));
  expect_same_path(*ours, mine, reference, theirs);
}

TEST(Optimizer, AdamWEqualsTorch) {
  const Catalog catalog;
  const auto ours = make_optimizer(catalog, "{type: adamw, lr: 0.01, weight_decay: 0.1}");
  const auto mine = parameters_of_test(), theirs = parameters_of_test();
  ours->set_parameters({{"a", mine[0]}, {"b", mine[1]}});
  torch::optim::AdamW reference(theirs, torch::optim::AdamWOptions(0.01).weight_decay(0.1));
  expect_same_path(*ours, mine, reference, theirs);
}

TEST(Optimizer, SgdWithNesterovMomentumEqualsTorch) {
  const Catalog catalog;
  const auto ours = make_optimizer(catalog, "{type: sgd, lr: 0.01, momentum: 0.9, nesterov: true, weight_decay: 0.01}");
  const auto mine = parameters_of_test(), theirs = parameters_of_test();
  ours->set_parameters({{"a", mine[0]}, {"b", mine[1]}});
  torch::optim::SGD reference(theirs, torch::optim::SGDOptions(0.01).momentum(0.9).nesterov(true).weight_decay(0.01));
  expect_same_path(*ours, mine, reference, theirs);
}

TEST(Optimizer, RmsPropEqualsTorch) {
  const Catalog catalog;
  for (const double momentum : {0.0, 0.9}) {
    const auto ours = make_optimizer(
        catalog, concat("{type: rmsprop, lr: 0.01, alpha: 0.9, weight_decay: 0.1, momentum: ", momentum, "}"));
    const auto mine = parameters_of_test(), theirs = parameters_of_test();
    ours->set_parameters({{"a", mine[0]}, {"b", mine[1]}});
    torch::optim::RMSprop reference(theirs,
                                    torch::optim::RMSpropOptions(0.01).alpha(0.9).weight_decay(0.1).momentum(momentum));
    expect_same_path(*ours, mine, reference, theirs);
  }
}

TEST(Optimizer, RmsPropDividesByTheRootOfTheMeanSquare) {
  const Catalog catalog;
  const auto after_two_steps = [&](const std::string& yaml) {
    const auto ours = make_optimizer(catalog, yaml);
    at::Tensor p = torch::ones({1}, at::kDouble).requires_grad_();
    ours->set_parameters({{"p", p}});
    for (const double gradient : {2.0, 1.0}) {
      p.mutable_grad() = torch::full({1}, gradient, at::kDouble);
      ours->step(ours->base_lr());
    }
    return p.item<double>();
  };
  // v = 0.01 * 4 = 0.04: p = 1 - 0.1 * 2 / 0.2 = 0; v = 0.99 * 0.04 + 0.01 = 0.0496: p = -0.1 / sqrt(0.0496)
  EXPECT_NEAR(after_two_steps("{type: rmsprop, lr: 0.1}"), -0.1 / std::sqrt(0.0496), 1e-6);
  // torch 2.13 in Python: RMSprop([p], lr=0.1, momentum=0.9, weight_decay=0.5)
  EXPECT_NEAR(after_two_steps("{type: rmsprop, lr: 0.1, momentum: 0.9, weight_decay: 0.5}"), -1.2730018398052045, 1e-9);
}

TEST(Optimizer, MultipliersScaleTheStep) {
  const Catalog catalog;
  const auto ours = make_optimizer(catalog, "{type: sgd, lr: 0.1, momentum: 0}");
  at::Tensor fast = torch::zeros({2}).requires_grad_(), slow = torch::zeros({2}).requires_grad_(),
             still = torch::zeros({2}).requires_grad_();
  ours->set_parameters({{"fast", fast, 1.0, 1.0}, {"slow", slow, 0.1, 1.0}, {"still", still, 0.0, 1.0}});
  (fast.sum() + slow.sum() + still.sum()).backward();
  ours->step(0.1);
  EXPECT_THAT(fast, TensorNear(torch::full({2}, -0.1)));
  EXPECT_THAT(slow, TensorNear(torch::full({2}, -0.01)));
  EXPECT_THAT(still, TensorNear(torch::zeros({2})));
}

TEST(Optimizer, ParametersWithoutGradientStay) {
  const Catalog catalog;
  const auto ours = make_optimizer(catalog, "{type: adamw, weight_decay: 0.5}");
  at::Tensor used = torch::ones({2}).requires_grad_(), unused = torch::ones({2}).requires_grad_();
  ours->set_parameters({{"used", used}, {"unused", unused}});
  used.sum().backward();
  ours->step(0.1);
  EXPECT_THAT(unused, TensorNear(torch::ones({2})));
}

TEST(Optimizer, SavedStateContinuesExactly) {
  const Catalog catalog;
  for (const char* yaml : {"{type: adam}", "{type: adamw}", "{type: sgd, momentum: 0.9}", "{type: rmsprop}",
                           "{type: rmsprop, momentum: 0.9}"}) {
    const auto straight = make_optimizer(catalog, yaml), first = make_optimizer(catalog, yaml),
               second = make_optimizer(catalog, yaml);
    const auto a = parameters_of_test(), b = parameters_of_test();
    const auto step = [](Optimizer& optimizer, const std::vector<at::Tensor>& p) {
      optimizer.zero_grad();
      some_loss(p).backward();
      optimizer.step(0.01);
    };
    straight->set_parameters({{"a", a[0]}, {"b", a[1]}});
    first->set_parameters({{"a", b[0]}, {"b", b[1]}});
    for (int i = 0; i < 4; ++i) step(*straight, a);
    for (int i = 0; i < 2; ++i) step(*first, b);
    second->set_parameters({{"a", b[0]}, {"b", b[1]}});
    second->restore(first->state());
    for (int i = 0; i < 2; ++i) step(*second, b);
    for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(a[i].equal(b[i])) << yaml;
  }
}

TEST(Optimizer, ForeignStateIsRefusedAndNothingChanges) {
  const Catalog catalog;
  const auto adam = make_optimizer(catalog, "{type: adam}"), sgd = make_optimizer(catalog, "{type: sgd}");
  at::Tensor p = torch::ones({3}).requires_grad_(), q = torch::ones({4}).requires_grad_();
  adam->set_parameters({{"p", p}});
  sgd->set_parameters({{"p", p}});
  EXPECT_THROW(adam->restore(sgd->state()), CheckpointError);
  EXPECT_THROW(sgd->restore(adam->state()), CheckpointError);
  const auto rmsprop = make_optimizer(catalog, "{type: rmsprop}");
  rmsprop->set_parameters({{"p", p}});
  EXPECT_THROW(rmsprop->restore(adam->state()), CheckpointError);
  EXPECT_THROW(adam->restore(rmsprop->state()), CheckpointError);
  const auto other = make_optimizer(catalog, "{type: adam}");
  other->set_parameters({{"p", q}});
  EXPECT_THROW(adam->restore(other->state()), CheckpointError);
}

TEST(Optimizer, NesterovWithoutMomentumIsRefused) {
  const Catalog catalog;
  EXPECT_THROW(make_optimizer(catalog, "{type: sgd, momentum: 0, nesterov: true}"), UsageError);
}

}  // namespace
}  // namespace diptych

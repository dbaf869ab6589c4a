#include "diptych/model/head.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "../../support/tensor_near.h"
#include "diptych/core/tensor/scope.h"
#include "formula.h"
#include "registry_checks.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const HeadRegistry& heads() {
  static const HeadRegistry kRegistry = [] {
    HeadRegistry out("head");
    register_heads(out);
    return out;
  }();
  return kRegistry;
}
std::shared_ptr<Head> head(const std::string& yaml, int64_t features = 6) {
  return make_from(heads(), yaml, HeadContext{features});
}

TEST(HeadRegistry, DocumentsEveryEntryAndOption) { expect_documented(heads()); }
TEST(HeadRegistry, DefaultsSurviveYaml) { expect_defaults_survive_yaml(heads()); }

TEST(HeadRegistry, EveryEntryGivesTheDocumentedShapeAndFiniteGradients) {
  for (const auto& [name, entry] : heads().entries()) {
    SCOPED_TRACE(name);
    const auto made = heads().make_default(name, HeadContext{6});
    const at::Tensor out = made->forward(formula_centred({4, 6}, 1).to(at::kFloat));
    EXPECT_EQ(out.sizes(), (at::IntArrayRef{4, made->dimension()}));
    EXPECT_EQ(made->dimension(), name == "dual_path" ? 2048 : name == "identity" ? 6 : 512);
    if (!made->parameters().empty()) (out * formula_centred({4, made->dimension()}, 98)).sum().backward();
    expect_finite_gradients(*made);
    EXPECT_THAT([&] { made->forward(at::zeros({4, 5})); }, ThrowsMessage<ShapeError>(HasSubstr("[4, 5]")));
  }
}

TEST(IdentityHead, GivesTheFeaturesAndHasNothingToTrain) {
  const auto made = head("{type: identity}");
  const at::Tensor x = formula_centred({4, 6}, 1).to(at::kFloat);
  EXPECT_TRUE(made->forward(x).equal(x));
  EXPECT_TRUE(made->parameters().empty());
  EXPECT_THROW(head("{type: identity, dim: 6}"), UsageError);
}

TEST(LinearHead, IsAnAffineMapWithZeroOffsetAtFirst) {
  const auto made = head("{type: linear, dim: 3}");
  const auto parameters = made->named_parameters();
  const at::Tensor x = formula_centred({4, 6}, 1).to(at::kFloat);
  EXPECT_THAT(made->forward(x), TensorNear(x.mm(parameters["fc.weight"].t())));
  EXPECT_EQ(parameters["fc.bias"].abs().max().item<double>(), 0);
  EXPECT_EQ(head("{type: linear, dim: 3, bias: false}")->parameters().size(), 1u);
}

TEST(DualPathHead, TrainsAfterTheLastReluAndComparesBeforeIt) {
  torch::manual_seed(1);
  const auto made = head("{type: dual_path, dim: 3, layers: 2}");
  const at::Tensor x = formula_centred({64, 6}, 1).to(at::kFloat);
  for (int i = 0; i < 200; ++i) made->forward(x);  // the statistics settle
  const at::Tensor trained = made->forward(x);
  EXPECT_GE(trained.min().item<double>(), 0);
  made->eval();
  const at::Tensor compared = made->forward(x);
  EXPECT_LT(compared.min().item<double>(), -0.5);
  EXPECT_THAT(at::relu(compared), TensorNear(trained, 0, 0.05));  // running and batch statistics differ by N / (N - 1)
  const auto published = head("{type: dual_path, dim: 3, relu_in_evaluation: true}");
  published->eval();
  EXPECT_GE(published->forward(x).min().item<double>(), 0);
}

TEST(DualPathHead, OneLayerIsAffineInEvaluation) {
  const auto made = head("{type: dual_path, dim: 3}");
  const at::Tensor x = formula_centred({64, 6}, 1).to(at::kFloat), y = formula_centred({64, 6}, 2).to(at::kFloat);
  made->forward(x);
  made->eval();
  EXPECT_THAT(made->forward(x) - made->forward(y), TensorNear((x - y).mm(made->linear_part().t()), 1e-4, 1e-5));
  EXPECT_FALSE(head("{type: dual_path, layers: 2}")->linear_part().defined());
}

TEST(LinearBnHead, NormalisesEachDimensionOverTheBatchWithoutBiasOrActivation) {
  const auto made = head("{type: linear_bn, dim: 3}");
  EXPECT_FALSE(made->named_parameters().contains("fc.bias"));
  const at::Tensor out = made->forward(formula_centred({64, 6}, 1).to(at::kFloat));
  EXPECT_THAT(out.mean(0), TensorNear(at::zeros({3}), 0, 1e-5));
  EXPECT_THAT(out.square().mean(0), TensorNear(at::ones({3}), 0, 1e-3));
  EXPECT_LT(out.min().item<double>(), -0.5);
}

TEST(LinearBnHead, DecayIsOneMinusMomentum) {
  const auto made = head("{type: linear_bn, dim: 3, bn_decay: 0.75}");
  const at::Tensor x = formula_centred({64, 6}, 1).to(at::kFloat);
  made->forward(x);
  const at::Tensor mean = x.mm(made->named_parameters()["fc.weight"].t()).mean(0);
  EXPECT_THAT(made->named_buffers()["bn.running_mean"], TensorNear(0.25 * mean, 1e-5, 1e-6));  // 0.75 * 0 + 0.25 * mean
}

TEST(LinearBnHead, MayLackScaleAndOffset) {
  EXPECT_EQ(head("{type: linear_bn, affine: false}")->parameters().size(), 1u);
  EXPECT_EQ(head("{type: linear_bn}")->parameters().size(), 3u);
}

TEST(LinearBnHead, MayLearnTheOffsetAlone) {
  const auto made = head("{type: linear_bn, dim: 3, scale: false}"), both = head("{type: linear_bn, dim: 3}");
  EXPECT_EQ(made->named_parameters().keys(), (std::vector<std::string>{"offset", "fc.weight"}));
  EXPECT_EQ(head("{type: linear_bn, affine: false, scale: false}")->parameters().size(), 1u);
  const at::NoGradGuard no_grad;
  const at::Tensor x = formula_centred({64, 6}, 1).to(at::kFloat), offset = torch::tensor({1.f, -2.f, 3.f});
  made->named_parameters()["offset"].copy_(offset);
  both->named_parameters()["fc.weight"].copy_(made->named_parameters()["fc.weight"]);
  EXPECT_THAT(made->forward(x), TensorNear(both->forward(x) + offset, 1e-5, 1e-5));
}

TEST(Head, TheLinearPartIsTheMapWithoutItsOffset) {
  for (const char* yaml : {"{type: linear, dim: 3}", "{type: linear_bn, dim: 3}",
                           "{type: linear_bn, dim: 3, affine: false}", "{type: linear_bn, dim: 3, scale: false}"}) {
    SCOPED_TRACE(yaml);
    const auto made = head(yaml);
    formula_fill(*made);
    const EvalScope scope(*made);
    const at::Tensor x = formula_centred({4, 6}, 1).to(at::kFloat), y = formula_centred({4, 6}, 2).to(at::kFloat);
    EXPECT_THAT(made->forward(x) - made->forward(y), TensorNear((x - y).mm(made->linear_part().t()), 1e-4, 1e-5));
  }
  EXPECT_FALSE(head("{type: mlp, dim: 3, hidden: 5}")->linear_part().defined());
}

TEST(Head, WhatIsWrittenIntoItsMapIsWhatItComputes) {
  const AffineMap map{formula_centred({3, 6}, 5), formula_centred({3}, 6)};
  const auto made = head("{type: linear, dim: 3}");
  const at::Tensor x = formula_centred({4, 6}, 1);
  copy_map(map, made->whole());
  EXPECT_THAT(made->forward(x.to(at::kFloat)), TensorNear(map(x).to(at::kFloat)));
  EXPECT_THROW(copy_map({map.weight.t(), map.offset}, made->whole()), ShapeError);
}

TEST(Head, AMapMayFollowTheLastAffineStep) {
  const AffineMap map{formula_centred({3, 3}, 5), formula_centred({3}, 6)};
  for (const char* yaml : {"{type: linear, dim: 3}", "{type: mlp, dim: 3, hidden: 5}"}) {
    SCOPED_TRACE(yaml);
    const auto made = head(yaml);
    formula_fill(*made);
    const EvalScope scope(*made);
    const at::Tensor x = formula_centred({4, 6}, 1).to(at::kFloat), before = made->forward(x);
    copy_map(compose(map, made->last()), made->last());
    EXPECT_THAT(made->forward(x), TensorNear(map(before.to(at::kDouble)).to(at::kFloat), 1e-4, 1e-5));
  }
}

TEST(Head, HeadsWithoutSuchAMapSaySo) {
  EXPECT_FALSE(head("{type: linear, dim: 3, bias: false}")->last().defined());
  EXPECT_FALSE(head("{type: linear_bn, dim: 3}")->last().defined());
  EXPECT_FALSE(head("{type: mlp, dim: 3}")->whole().defined());
}

TEST(MlpHead, EqualsItsFormulaInEvaluation) {
  const auto made = head("{type: mlp, dim: 3, hidden: 5, layers: 2, activation: tanh, dropout: 0.5}");
  formula_fill(*made);
  const EvalScope scope(*made);
  auto p = made->named_parameters();
  auto b = made->named_buffers();
  const at::Tensor x = formula_centred({4, 6}, 1).to(at::kFloat);
  at::Tensor h = x;
  for (const std::string i : {"0", "1"}) {
    h = h.mm(p["fc" + i + ".weight"].t()) + p["fc" + i + ".bias"];
    h = (h - b["bn" + i + ".running_mean"]) / (b["bn" + i + ".running_var"] + 1e-5).sqrt();
    h = (h * p["bn" + i + ".weight"] + p["bn" + i + ".bias"]).tanh();
  }
  EXPECT_THAT(made->forward(x), TensorNear(h.mm(p["out.weight"].t()) + p["out.bias"]));
}

TEST(MlpHead, OptionsDecideItsParameters) {
  EXPECT_EQ(head("{type: mlp, layers: 1, bn: false}")->parameters().size(), 4u);
  EXPECT_EQ(head("{type: mlp, layers: 3}")->parameters().size(), 14u);
  EXPECT_THAT([] { head("{type: mlp, layers: 0}"); }, ThrowsMessage<UsageError>(HasSubstr("layers")));
}

TEST(MlpHead, DropsHiddenUnitsInTraining) {
  const auto made = head("{type: mlp, dim: 3, hidden: 64, dropout: 0.5, bn: false, activation: gelu}");
  const at::Tensor x = formula_centred({4, 6}, 1).to(at::kFloat);
  EXPECT_FALSE(made->forward(x).equal(made->forward(x)));
  const EvalScope scope(*made);
  EXPECT_TRUE(made->forward(x).equal(made->forward(x)));
}

TEST(MlpHead, BatchNormKeepsTheShareOfItsDecay) {
  const auto made = head("{type: mlp, dim: 3, hidden: 5, bn_decay: 0.1}");
  const at::Tensor x = formula_centred({64, 6}, 1).to(at::kFloat);
  made->forward(x);
  const at::Tensor mean = x.mm(made->named_parameters()["fc0.weight"].t()).mean(0);
  EXPECT_THAT(made->named_buffers()["bn0.running_mean"], TensorNear(0.9 * mean, 1e-5, 1e-6));  // 0.1 * 0 + 0.9 * mean
}

TEST(Head, EmbeddingsMayHaveUnitLength) {
  const at::Tensor x = formula_centred({4, 6}, 1).to(at::kFloat);
  for (const std::string yaml : {"{type: linear, dim: 3", "{type: mlp, dim: 3, hidden: 5"}) {
    const auto plain = head(yaml + "}"), unit = head(yaml + ", unit_length: true}");
    formula_fill(*plain), formula_fill(*unit);
    const EvalScope scope(*plain), other(*unit);
    const at::Tensor expected = plain->forward(x);
    EXPECT_THAT(unit->forward(x), TensorNear(expected / expected.norm(2, 1, true)));
    EXPECT_FALSE(unit->linear_part().defined());
  }
}

}  // namespace
}  // namespace diptych::testing

#include "diptych/loss/loss.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>

#include "diptych/core/options.h"
#include "support/cuda.h"
#include "support/gradcheck.h"

namespace diptych {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

LossRegistry registry() {
  LossRegistry losses("loss");
  register_losses(losses);
  return losses;
}

using LossChoice = Choice<LossRegistry>;

// A loss from its YAML text, as a configuration has it.
std::shared_ptr<Loss> loss_of(const std::string& yaml, LossContext context = {3, 5}) {
  const LossRegistry losses = registry();
  LossChoice choice(losses, "");
  Complaints complaints;
  choice.read(parse_config(yaml, "test.yaml"), "objective.0", complaints);
  complaints.throw_if_any();
  return choice.make(context);
}

// What a configuration error says.
std::string refusal(const std::string& yaml) {
  try {
    loss_of(yaml);
  } catch (const UsageError& error) {
    std::string text;
    for (const auto& issue : error.issues()) text += to_text(issue) + "\n";
    return text;
  }
  return "(accepted)";
}

// What depends on the embeddings of a batch, from them.
void follow_embeddings(LossInput& input, const at::Tensor& scores) {
  input.scores = scores;
  input.penalty = scores.square();
  input.source = 0.5 * input.y.flip(0), input.text = input.y.flip(1);
  input.back_scores = scores + 0.1 * scores.square();
}

LossInput toy_input() {
  LossInput input;
  input.x = (at::arange(12, at::kFloat) * 0.7311 + 0.2).sin().reshape({4, 3}).requires_grad_();
  input.y = (at::arange(12, at::kFloat) * 0.7311 + 1.9).sin().reshape({4, 3}).requires_grad_();
  follow_embeddings(input, at::mm(input.x, input.y.t()));
  input.label = at::tensor({0, 1, 2, 1}, at::kLong);
  input.source_row = at::tensor({4, 5, 4, 6}, at::kLong);
  input.image_row = at::tensor({10, 11, 12, 11}, at::kLong);
  return input;
}

TEST(LossRegistry, HoldsEveryLoss) {
  EXPECT_THAT(
      registry().names(),
      ElementsAre("attention_penalty", "bidirectional_triplet", "cmpc", "cmpm", "dcca", "dualpath_rank", "histogram",
                  "infonce", "instance", "lifted", "match_logistic", "n_pair", "reconstruction", "rotation_symmetry",
                  "sdm", "sigmoid", "sje", "soft_triplet_code", "structure_preserving", "tirg_softmax"));
}

TEST(LossRegistry, EveryLossIsDocumented) {
  const LossRegistry losses = registry();
  for (const auto& [name, entry] : losses.entries()) {
    EXPECT_FALSE(entry.doc.empty()) << name;
    EXPECT_FALSE(entry.paper.empty()) << name;
    Lister lister;
    entry.list(entry.defaults(), lister);
    EXPECT_FALSE(lister.rows.empty()) << name;
    for (const Row& row : lister.rows) EXPECT_GT(row.doc.size(), 10u) << name << "." << row.path;
  }
}

TEST(LossRegistry, DefaultsSurviveWritingAndReading) {
  const LossRegistry losses = registry();
  for (const auto& [name, entry] : losses.entries()) {
    Lister before, after;
    entry.list(entry.defaults(), before);
    std::any options = entry.defaults();
    Complaints complaints;
    entry.read(parse_config(to_yaml(before.rows), name + ".yaml"), "objective.0", options, complaints);
    EXPECT_NO_THROW(complaints.throw_if_any()) << name;
    entry.list(options, after);
    EXPECT_TRUE(difference(before.rows, after.rows).empty()) << name;
  }
}

TEST(LossRegistry, EveryLossGivesAFiniteScalarAndAGradientForEveryParameter) {
  const LossRegistry losses = registry();
  for (const std::string& name : losses.names()) {
    at::manual_seed(1);
    const auto loss = losses.make_default(name, LossContext{3, 5});
    const LossInput input = toy_input();
    const LossValue value = loss->forward(input);
    EXPECT_EQ(value.total.dim(), 0) << name;
    EXPECT_TRUE(std::isfinite(value.total.item<double>())) << name;
    EXPECT_EQ(value.x_to_y.defined(), value.y_to_x.defined() || name == "tirg_softmax") << name;
    value.total.backward();
    EXPECT_TRUE(input.x.grad().isfinite().all().item<bool>()) << name;
    EXPECT_GT(input.y.grad().abs().sum().item<double>(), 0) << name;
    for (const auto& parameter : loss->named_parameters()) {
      ASSERT_TRUE(parameter.value().grad().defined()) << name << "." << parameter.key();
      EXPECT_TRUE(parameter.value().grad().isfinite().all().item<bool>()) << name << "." << parameter.key();
    }
  }
}

TEST(LossRegistry, EveryLossIsTheSameOnTheGpu) {
  DIPTYCH_SKIP_WITHOUT_CUDA();
  const LossRegistry losses = registry();
  for (const std::string& name : losses.names()) {
    if (name == "soft_triplet_code") continue;  // draws its triples, on each device its own
    SCOPED_TRACE(name);
    at::manual_seed(1);
    const auto loss = losses.make_default(name, LossContext{3, 5});
    loss->to(at::kDouble);
    std::vector<at::Tensor> gradients;  // of x and y, then again
    testing::expect_same_on_cuda(*loss, [&](at::Device device) {
      LossInput input = toy_input();
      input.x = input.x.detach().to(at::kDouble).to(device).requires_grad_();
      input.y = input.y.detach().to(at::kDouble).to(device).requires_grad_();
      follow_embeddings(input, at::mm(input.x, input.y.t()));
      for (const auto part : {&LossInput::label, &LossInput::source_row, &LossInput::image_row})
        input.*part = (input.*part).to(device);
      const at::Tensor total = loss->forward(input).total;
      for (const at::Tensor& each : torch::autograd::grad({total}, {input.x, input.y}, {}, true, false, true))
        gradients.push_back(each.defined() ? each.cpu() : at::zeros({1}));
      return total;
    });
    ASSERT_EQ(gradients.size(), 4u);
    EXPECT_THAT(gradients[2], testing::TensorNear(gradients[0], 1e-9, 1e-9));
    EXPECT_THAT(gradients[3], testing::TensorNear(gradients[1], 1e-9, 1e-9));
  }
}

TEST(LossRegistry, NeedsAreTrue) {
  // a loss that claims to need only one of the two gets only that one
  const LossRegistry losses = registry();
  for (const std::string& name : losses.names()) {
    const auto loss = losses.make_default(name, LossContext{3, 5});
    EXPECT_TRUE(loss->needs_embeddings() || loss->needs_scores()) << name;
    LossInput input = toy_input();
    if (!loss->needs_embeddings()) input.x = input.y = at::Tensor();
    if (!loss->needs_scores()) input.scores = at::Tensor();
    if (!loss->needs_back_scores()) input.back_scores = at::Tensor();
    EXPECT_NO_THROW(loss->forward(input)) << name;
  }
}

TEST(LossRegistry, ALossWithoutItsInputSaysSo) {
  const LossRegistry losses = registry();
  for (const std::string& name : losses.names()) {
    const auto loss = losses.make_default(name, LossContext{3, 5});
    LossInput input = toy_input();
    input.x = input.y = input.scores = at::Tensor();
    try {
      loss->forward(input);
      ADD_FAILURE() << name << " accepted nothing";
    } catch (const ShapeError& error) {
      EXPECT_THAT(error.what(), HasSubstr(loss->needs_scores() ? "needs scores" : "needs x")) << name;
    }
  }
}

TEST(LossRegistry, OnlyClassifiersHaveAWeightPerClass) {
  // every other parameter is a number of its own (a scale, a bias) or a decoder's, of 3 dimensions
  const LossRegistry losses = registry();
  for (const std::string& name : losses.names()) {
    const auto loss = losses.make_default(name, LossContext{3, 5});
    bool per_class = false;
    for (const auto& parameter : loss->named_parameters()) {
      if (parameter.value().dim() == 0 || parameter.key().starts_with("decoder.")) continue;
      per_class = true;
      EXPECT_EQ(parameter.value().size(-1), 5) << name << "." << parameter.key();
    }
    EXPECT_EQ(loss->classifies(), per_class) << name;
  }
}

TEST(LossRegistry, TwentyStepsOfDescentLowerEveryLoss) {
  const LossRegistry losses = registry();
  for (const std::string& name : losses.names()) {
    at::manual_seed(2);
    const auto loss = losses.make_default(name, LossContext{3, 5});
    LossInput input = toy_input();
    std::vector<at::Tensor> moved = loss->parameters();
    moved.insert(moved.end(), {input.x, input.y});
    torch::optim::SGD descent(moved, torch::optim::SGDOptions(0.05));
    std::vector<double> seen;
    for (int i = 0; i < 20; ++i) {
      const auto unit = [](const at::Tensor& a) { return a / a.norm(2, 1, true); };
      follow_embeddings(input, at::mm(unit(input.x), unit(input.y).t()));
      const at::Tensor total = loss->forward(input).total;
      seen.push_back(total.item<double>());
      descent.zero_grad();
      total.backward();
      descent.step();
    }
    EXPECT_LT(seen.back(), seen.front()) << name;
  }
}

TEST(LossOptions, ReadEveryWord) {
  for (const std::string yaml :
       {"{type: cmpm, direction: p||q}",
        "{type: cmpm, direction: \"q||p\", target_norm: l2}",
        "{type: cmpm, tau: 0.02, normalize_both: true, positives: diagonal}",
        "{type: cmpc, variant: norm_ce}",
        "{type: cmpc, variant: ce, label_smoothing: 0.1}",
        "{type: cmpc, scale: 28, margin: 0.35, normalize: true}",
        "{type: bidirectional_triplet, mining: topk_mean, k: 3, reduction: mean}",
        "{type: bidirectional_triplet, mining: semi_hard, direction: i2t, mask_same_label: false}",
        "{type: bidirectional_triplet, mining: random, direction: t2i}",
        "{type: instance, shared: false, bias: false, text_weight: 0.1, dropout: 0.5}",
        "{type: structure_preserving, top_k: 2, image_image: 0.1, normalize: false}",
        "{type: infonce, learned: true, positives: labels, multi_positive: log_sum}",
        "{type: infonce, multi_positive: drop_false_negatives, label_smoothing: 0.1}",
        "{type: cmpc, variant: ce, normalize: true, scale: 16}",
        "{type: bidirectional_triplet, positives: labels, soft: true, mining: sum}",
        "{type: sdm, direction: \"q||p\", tau: 0.1, positives: diagonal}",
        "{type: n_pair, mask_same_label: false}",
        "{type: n_pair, similarity: scorer}",
        "{type: sje, margin: 0.5, similarity: scorer, mask_same_label: false}",
        "{type: lifted, margin: 0.5, normalize: false, mask_same_label: false}",
        "{type: histogram, step: 0.05, positives: diagonal}",
        "{type: sigmoid, scale: 5, bias: -2.71, learned: false, positives: diagonal}",
        "{type: dualpath_rank, margin: 0.5, anchors: all, text_negative: random, reduction: sum}",
        "{type: match_logistic, balanced: false, positives: diagonal}",
        "{type: dualpath_rank, pool: 2}",
        "{type: tirg_softmax, k: 2, mask_same_label: true}",
        "{type: tirg_softmax, k: 3, m: 4}",
        "{type: rotation_symmetry, mask_same_source: true}",
        "{type: reconstruction, of: text}",
        "{type: soft_triplet_code, triples: all, mask_same_label: true, learned: false}",
        "{type: soft_triplet_code, count: 5, normalize: false}"})
    EXPECT_TRUE(std::isfinite(loss_of(yaml)->forward(toy_input()).total.item<double>())) << yaml;
}

TEST(LossOptions, TopKMeanAndKBelongTogether) {
  EXPECT_THAT(refusal("{type: bidirectional_triplet, mining: topk_mean}"),
              HasSubstr("objective.0.k: has no value, and mining: topk_mean needs one"));
  EXPECT_THAT(refusal("{type: bidirectional_triplet, k: 4}"), HasSubstr("only mining: topk_mean reads it"));
}

TEST(LossOptions, RefuseWhatCannotWork) {
  EXPECT_THAT(refusal("{type: cmpm, direction: p|q}"), HasSubstr("direction"));
  EXPECT_THAT(refusal("{type: cmpm, tau: 0}"), HasSubstr("tau"));
  EXPECT_THAT(refusal("{type: cmpm, marginn: 0.2}"), HasSubstr("marginn"));
  EXPECT_THAT(refusal("{type: infonce, learned: true, temperature: 0.001}"), HasSubstr("max_scale"));
  EXPECT_THAT(refusal("{type: structure_preserving, image_to_text: 0, text_to_image: 0, text_text: 0}"),
              HasSubstr("all four weights are 0"));
  EXPECT_THAT(refusal("{type: cmpmm}"), HasSubstr("cmpm"));
  EXPECT_THAT(refusal("{type: tirg_softmax, m: 3}"), HasSubstr("with k: null there is only one set"));
  EXPECT_THAT(refusal("{type: tirg_softmax, k: 1}"), HasSubstr("k = 1"));
  EXPECT_THAT(refusal("{type: histogram, step: 0.3}"), HasSubstr("0.3 does not divide the range -1 to 1"));
  EXPECT_THAT(refusal("{type: dualpath_rank, pool: 5, text_negative: random}"),
              HasSubstr("only text_negative: hardest"));
  EXPECT_THAT(refusal("{type: dualpath_rank, text_negative: mined}"), HasSubstr("candidates: has no value"));
  EXPECT_THAT(refusal("{type: dualpath_rank, candidates: 9}"), HasSubstr("only text_negative: mined reads it"));
  EXPECT_THAT(refusal("{type: bidirectional_triplet, positives: labels, mask_same_label: false}"),
              HasSubstr("mask_same_label = false"));
}

TEST(BidirectionalTripletLoss, SumsDuringTheWarmUpAndTakesTheHardestAfterwards) {
  const auto loss = loss_of("{type: bidirectional_triplet, warmup_epochs: 1.5}");
  LossInput input = toy_input();
  const auto expected = [&](Mining mining) {
    return triplet_loss(input.scores, input.label, {.mining = mining}).total.item<double>();
  };
  ASSERT_NE(expected(Mining::sum), expected(Mining::hardest));
  for (const auto& [epoch, mining] : {std::pair{0.0, Mining::sum}, {1.49, Mining::sum}, {1.5, Mining::hardest}}) {
    input.epoch = epoch;
    EXPECT_EQ(loss->forward(input).total.item<double>(), expected(mining)) << "epoch " << epoch;
  }
}

TEST(InstanceLossModule, DropsFeaturesOnlyWhileTraining) {
  const auto loss = loss_of("{type: instance, dropout: 0.9}");
  const LossInput input = toy_input();
  loss->eval();
  const double still = loss->forward(input).total.item<double>();
  EXPECT_EQ(loss->forward(input).total.item<double>(), still);
  loss->train();
  EXPECT_NE(loss->forward(input).total.item<double>(), still);
}

TEST(InstanceLossModule, ClassifiesCaptionsChosenBesideTheBatch) {
  const auto loss = loss_of("{type: instance}");
  LossInput input = toy_input();
  const double before = loss->forward(input).y_to_x.item<double>();
  input.chosen = input.y.narrow(0, 0, 2).detach().clone().requires_grad_(),
  input.chosen_label = input.label.narrow(0, 1, 2);
  const LossValue value = loss->forward(input);
  EXPECT_NE(value.y_to_x.item<double>(), before);
  value.total.backward();
  EXPECT_GT(input.chosen.grad().abs().min().item<double>(), 0);
}

TEST(DualpathRankLossModule, ChoosesACandidateForEachAnchorAndRanksIt) {
  const auto loss = loss_of("{type: dualpath_rank, text_negative: mined, candidates: 3}");
  EXPECT_EQ(loss->candidates(), 3);
  EXPECT_EQ(loss_of("{type: dualpath_rank}")->candidates(), 0);
  LossInput input = toy_input();  // labels 0, 1, 2, 1; the first half is ranked
  const at::Tensor candidate_label = at::tensor({1, 0, 3}, at::kLong);
  const at::Tensor scores = at::tensor({.1f, .9f, .2f, .9f, .3f, .2f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f}).view({4, 3});
  const at::Tensor chosen = loss->choose({scores, input.label, candidate_label});
  EXPECT_TRUE(chosen.equal(at::tensor({2, 1}, at::kLong)));
  input.chosen = at::ones({2, 3}).requires_grad_();
  input.chosen_scores = at::mm(input.x, input.chosen.t());
  input.chosen_label = candidate_label.index_select(0, chosen);
  const at::Tensor first = (1 - input.scores.diagonal().narrow(0, 0, 2) + input.chosen_scores.diagonal()).relu();
  const LossValue value = loss->forward(input);
  EXPECT_NEAR(value.x_to_y.item<double>(), first.sum().item<double>() / 4, 1e-6);
  value.total.backward();
  EXPECT_TRUE(input.chosen.grad().defined());
}

TEST(InstanceLossModule, TheWeightOfAStageReplacesItsOwn) {
  const auto loss = loss_of("{type: instance, text_weight: 0.5}");
  EXPECT_TRUE(loss->weighs_text());
  LossInput input = toy_input();
  for (const auto& [stage, weight] : {std::pair{std::optional<double>(), 0.5}, {std::optional(0.1), 0.1}}) {
    input.text_weight = stage;
    const LossValue value = loss->forward(input);
    EXPECT_NEAR(value.total.item<double>(), value.x_to_y.item<double>() + weight * value.y_to_x.item<double>(), 1e-5);
  }
}

TEST(InstanceLossModule, ParametersFollowTheOptions) {
  const auto names = [](const std::string& yaml) { return loss_of(yaml)->named_parameters().keys(); };
  EXPECT_THAT(names("{type: instance}"), ElementsAre("weight", "bias"));
  EXPECT_THAT(names("{type: instance, bias: false}"), ElementsAre("weight"));
  EXPECT_THAT(names("{type: instance, shared: false}"),
              ElementsAre("image_weight", "image_bias", "text_weight", "text_bias"));
}

TEST(InfoNceLossModule, StartsAtItsTemperatureAndLearnsIt) {
  const LossInput input = toy_input();
  const auto fixed = loss_of("{type: infonce, temperature: 0.2}");
  const auto learned = loss_of("{type: infonce, temperature: 0.2, learned: true}");
  const at::Tensor total = learned->forward(input).total;
  EXPECT_NEAR(total.item<double>(), fixed->forward(input).total.item<double>(), 1e-5);
  EXPECT_TRUE(fixed->parameters().empty());
  total.backward();
  EXPECT_NE(learned->named_parameters()["log_scale"].grad().item<double>(), 0);
}

TEST(InfoNceLossModule, HoldsTheScaleAtItsCapWithoutStoppingItsGradient) {
  const auto loss = loss_of("{type: infonce, learned: true, max_scale: 20}");
  at::Tensor log_scale = loss->named_parameters()["log_scale"];
  {
    at::NoGradGuard no_grad;
    log_scale.fill_(9);
  }
  loss->eval();
  loss->forward(toy_input());
  EXPECT_FLOAT_EQ(log_scale.item<float>(), 9);
  loss->train();
  loss->forward(toy_input()).total.backward();
  EXPECT_FLOAT_EQ(log_scale.item<float>(), std::log(20.F));
  EXPECT_NE(log_scale.grad().item<double>(), 0);
}

TEST(SigmoidLossModule, StartsAtItsScaleAndBiasAndLearnsThem) {
  const LossInput input = toy_input();
  const auto fixed = loss_of("{type: sigmoid, scale: 3, bias: -2.71, learned: false}");
  const auto learned = loss_of("{type: sigmoid, scale: 3, bias: -2.71}");
  const double expected = sigmoid_loss(3 * input.scores - 2.71, input.label).total.item<double>();
  const at::Tensor total = learned->forward(input).total;
  EXPECT_NEAR(fixed->forward(input).total.item<double>(), expected, 1e-5);
  EXPECT_NEAR(total.item<double>(), expected, 1e-5);
  EXPECT_TRUE(fixed->parameters().empty());
  total.backward();
  EXPECT_THAT(learned->named_parameters().keys(), ElementsAre("log_scale", "bias"));
  for (const auto& parameter : learned->parameters()) EXPECT_NE(parameter.grad().item<double>(), 0);
}

TEST(SimilarityOption, ChoosesBetweenDotProductsAndTheScorer) {
  LossInput input = toy_input();
  input.scores = input.scores * 0.25 + 0.1;
  for (const std::string type : {"n_pair", "sje"}) {
    const auto dot = loss_of("{type: " + type + "}"), scored = loss_of("{type: " + type + ", similarity: scorer}");
    EXPECT_TRUE(dot->needs_embeddings() && !dot->needs_scores());
    EXPECT_TRUE(scored->needs_scores() && !scored->needs_embeddings());
    EXPECT_NE(dot->forward(input).total.item<double>(), scored->forward(input).total.item<double>());
    LossInput products = input;
    products.scores = at::mm(input.x, input.y.t());
    EXPECT_NEAR(dot->forward(input).total.item<double>(), scored->forward(products).total.item<double>(), 1e-6);
  }
}

TEST(LiftedLossModule, MeasuresEuclideanDistances) {
  const LossInput input = toy_input();
  const auto unit = [](const at::Tensor& a) { return a / a.norm(2, 1, true); };
  const at::Tensor near = at::cdist(unit(input.x), unit(input.y)), far = at::cdist(input.x, input.y);
  EXPECT_NEAR(loss_of("{type: lifted}")->forward(input).total.item<double>(),
              lifted_loss(near, input.label).total.item<double>(), 1e-5);
  EXPECT_NEAR(loss_of("{type: lifted, normalize: false}")->forward(input).total.item<double>(),
              lifted_loss(far, input.label).total.item<double>(), 1e-5);
}

TEST(StructurePreservingLossModule, TreatsRowsOfOneImageAsOneImage) {
  const auto loss = loss_of("{type: structure_preserving, top_k: 1}");
  LossInput input = toy_input();
  input.x = input.x.detach().index_select(0, at::tensor({0, 1, 2, 1}, at::kLong));
  const at::Tensor unique = input.x.narrow(0, 0, 3);
  const at::Tensor of_sentence = at::tensor({0, 1, 2, 1}, at::kLong);
  const at::Tensor expected =
      structure_preserving_loss(unique, input.y, of_sentence, at::arange(3), at::arange(3), {.top_k = 1}).total;
  EXPECT_NEAR(loss->forward(input).total.item<double>(), expected.item<double>(), 1e-6);
}

TEST(SoftTripletCodeLossModule, ScalesUnitRowsAndLearnsTheScale) {
  const LossInput input = toy_input();
  const auto unit = [](const at::Tensor& a) { return a / a.norm(2, 1, true); };
  const double expected =
      soft_triplet_code_loss(3 * unit(input.x), 3 * unit(input.y), input.label, {Triples::all}).total.item<double>();
  const auto learned = loss_of("{type: soft_triplet_code, triples: all, scale: 3}");
  const auto fixed = loss_of("{type: soft_triplet_code, triples: all, scale: 3, learned: false}");
  const at::Tensor total = learned->forward(input).total;
  EXPECT_NEAR(total.item<double>(), expected, 1e-5);
  EXPECT_NEAR(fixed->forward(input).total.item<double>(), expected, 1e-5);
  EXPECT_TRUE(fixed->parameters().empty());
  total.backward();
  EXPECT_NE(learned->named_parameters()["scale"].grad().item<double>(), 0);
  const auto plain = loss_of("{type: soft_triplet_code, triples: all, normalize: false}");
  EXPECT_TRUE(plain->parameters().empty());
  EXPECT_NEAR(plain->forward(input).total.item<double>(),
              soft_triplet_code_loss(input.x, input.y, input.label, {Triples::all}).total.item<double>(), 1e-6);
}

TEST(RotationSymmetryLossModule, IsTheChoiceOfTheOwnSourceRowByRow) {
  const LossInput input = toy_input();  // sources 4, 5, 4, 6
  const auto by_hand = [&](bool mask) {
    double sum = 0;
    for (int64_t i = 0; i < 4; ++i) {
      double rivals = 0;
      for (int64_t j = 0; j < 4; ++j) {
        const bool same = i % 2 == 0 && j % 2 == 0;
        if (j == i || !(mask && same)) rivals += std::exp(input.back_scores[i][j].item<double>());
      }
      sum += std::log(rivals) - input.back_scores[i][i].item<double>();
    }
    return sum / 4;
  };
  ASSERT_GT(by_hand(false) - by_hand(true), 0.01);
  const auto value = [&](const std::string& yaml) { return loss_of(yaml)->forward(input).total.item<double>(); };
  EXPECT_NEAR(value("{type: rotation_symmetry}"), by_hand(false), 1e-6);
  EXPECT_NEAR(value("{type: rotation_symmetry, mask_same_source: true}"), by_hand(true), 1e-6);
}

TEST(RotationSymmetryLossModule, WithoutAWayBackIsRefused) {
  LossInput input = toy_input();
  input.back_scores = at::Tensor();
  try {
    loss_of("{type: rotation_symmetry}")->forward(input);
    ADD_FAILURE() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no way back"));
  }
}

TEST(ReconstructionLossModule, IsTheMeanSquareOverTheDecoderLoop) {
  const LossInput input = toy_input();
  for (const std::string of : {"image", "text"}) {
    at::manual_seed(4);
    const auto loss = loss_of("{type: reconstruction, of: " + of + "}");
    const at::Tensor& original = of == "image" ? input.source : input.text;
    const auto w = loss->named_parameters();
    double sum = 0;
    for (int64_t b = 0; b < 4; ++b) {
      const at::Tensor hidden = at::relu(w["decoder.0.weight"].mv(input.x[b]) + w["decoder.0.bias"]);
      const at::Tensor decoded = w["decoder.2.weight"].mv(hidden) + w["decoder.2.bias"];
      for (int64_t d = 0; d < 3; ++d) sum += std::pow((decoded[d] - original[b][d]).item<double>(), 2);
    }
    EXPECT_NEAR(loss->forward(input).total.item<double>(), sum / 12, 1e-5) << of;
  }
}

TEST(ReconstructionLossModule, GradientsMatchDifferencesOnBothSidesAndInTheDecoder) {
  at::manual_seed(4);
  const auto loss = loss_of("{type: reconstruction}");
  loss->to(at::kDouble);
  LossInput input = toy_input();
  for (const auto part : {&LossInput::x, &LossInput::y, &LossInput::source})
    input.*part = (input.*part).detach().to(at::kDouble);
  for (const auto part : {&LossInput::x, &LossInput::source})
    testing::expect_gradients(
        [&](const at::Tensor& moved) {
          LossInput other = input;
          other.*part = moved;
          return loss->forward(other).total;
        },
        input.*part);
  loss->zero_grad();
  loss->forward(input).total.backward();
  const at::NoGradGuard no_grad;
  for (const auto& parameter : loss->named_parameters()) {
    const at::Tensor flat = parameter.value().view(-1);
    for (int64_t i = 0; i < flat.numel(); ++i) {
      const double before = flat[i].item<double>();
      const auto moved = [&](double to) {
        flat[i].fill_(to);
        return loss->forward(input).total.item<double>();
      };
      const double slope = (moved(before + 1e-6) - moved(before - 1e-6)) / 2e-6;
      flat[i].fill_(before);
      EXPECT_NEAR(parameter.value().grad().reshape(-1)[i].item<double>(), slope, 1e-6) << parameter.key() << " " << i;
    }
  }
}

TEST(ReconstructionLossModule, WithoutComposedQueriesIsRefused) {
  LossInput input = toy_input();
  input.source = input.text = at::Tensor();
  for (const std::string of : {"image", "text"}) {
    try {
      loss_of("{type: reconstruction, of: " + of + "}")->forward(input);
      ADD_FAILURE() << "accepted";
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), HasSubstr("model.composer")) << of;
    }
  }
}

TEST(CmpcLossModule, RefusesAClassifierWithoutClasses) {
  EXPECT_THROW(registry().make_default("cmpc", LossContext{3, 0}), ShapeError);
}

}  // namespace
}  // namespace diptych

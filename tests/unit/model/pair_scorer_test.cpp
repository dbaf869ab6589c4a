#include "diptych/model/pair_scorer.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <chrono>
#include <iostream>
#include <map>

#include "../../support/cuda.h"
#include "../../support/gradcheck.h"
#include "../../support/tensor_near.h"
#include "diptych/core/text.h"
#include "formula.h"
#include "registry_checks.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::ThrowsMessage;

constexpr int64_t kContext = 3, kImageLocal = 4, kTextLocal = 5;

std::shared_ptr<PairScorer> sm_lstm(const std::string& options) {
  torch::manual_seed(5);
  ScorerRegistry registry("scorer");
  register_scorers(registry);
  auto made = make_from(registry, "{type: sm_lstm, hidden: 6, attention: 7, " + options + "}",
                        ScorerContext{kContext, kImageLocal, kTextLocal});
  made->to(at::kDouble);
  return std::dynamic_pointer_cast<PairScorer>(made);
}

/// Three images of four places; four texts of up to five words.
Encoded image_side() {
  return {formula_centred({3, kContext}, 1), formula_centred({3, 4, kImageLocal}, 2), at::ones({3, 4}, at::kBool)};
}
Encoded text_side() {
  at::Tensor mask = at::ones({4, 5}, at::kBool);
  mask[0].slice(0, 2) = false, mask[2].slice(0, 1) = false;
  return {formula_centred({4, kContext}, 3), formula_centred({4, 5, kTextLocal}, 4), mask};
}
Encoded one(const Encoded& side, int64_t row) {
  return {side.global.narrow(0, row, 1), side.local.narrow(0, row, 1), side.mask.narrow(0, row, 1)};
}

/// The equations of sm_lstm.h for one pair, with nothing shared between pairs, steps or sides.
class PairLoop {
 public:
  PairLoop(const torch::nn::Module& scorer, std::string variant, std::string modulation, int64_t steps)
      : variant_(std::move(variant)), modulation_(std::move(modulation)), steps_(steps) {
    for (const auto& each : scorer.named_parameters()) weights_.emplace(each.key(), each.value().detach());
  }

  std::pair<double, double> operator()(const Encoded& x, const Encoded& y) const {
    at::Tensor hidden = at::zeros({6}, at::kDouble), cell = at::zeros({6}, at::kDouble);
    std::map<std::string, at::Tensor> covered;
    for (int64_t t = 0; t < steps_; ++t) {
      const auto seen = [&](const std::string& side, const Encoded& item) {
        const at::Tensor real = item.local[0].index({item.mask[0]});  // [R, C]
        if (variant_ == "ctx") return linear(side + ".value", item.global[0]).sigmoid();
        const at::Tensor weight = variant_ == "mean" ? at::full({real.size(0)}, 1. / real.size(0), at::kDouble)
                                                     : attention(side, real, item.global[0], hidden);
        at::Tensor& sum = covered[side];
        sum = sum.defined() ? sum + weight : weight;
        return linear(side + ".value", (weight.unsqueeze(1) * real).sum(0)).sigmoid();
      };
      const at::Tensor similar = linear("similarity", seen("image", x) + seen("text", y)).sigmoid();
      const at::Tensor gates = weights_.at("weight_ih").mv(similar) + weights_.at("bias_ih") +
                               weights_.at("weight_hh").mv(hidden) + weights_.at("bias_hh");
      cell = gates.narrow(0, 6, 6).sigmoid() * cell + gates.narrow(0, 0, 6).sigmoid() * gates.narrow(0, 12, 6).tanh();
      hidden = gates.narrow(0, 18, 6).sigmoid() * cell.tanh();
    }
    double penalty = 0;
    for (const auto& [side, sum] : covered) penalty += (1 - sum).square().sum().item<double>();
    return {linear("score", linear("output", hidden).sigmoid()).item<double>(), penalty};
  }

 private:
  at::Tensor linear(const std::string& name, const at::Tensor& x) const {
    return weights_.at(name + ".weight").mv(x) + weights_.at(name + ".bias");
  }
  at::Tensor attention(const std::string& side, const at::Tensor& places, const at::Tensor& context,
                       const at::Tensor& hidden) const {
    std::vector<at::Tensor> logits;
    for (int64_t i = 0; i < places.size(0); ++i) {
      std::vector<at::Tensor> parts = {linear(side + ".key", places[i]), linear(side + ".state", hidden)};
      if (variant_ == "full") parts.push_back(linear(side + ".context", context));
      at::Tensor together = modulation_ == "product" ? at::ones({7}, at::kDouble) : at::zeros({7}, at::kDouble);
      for (const at::Tensor& part : parts)
        together = modulation_ == "product" ? together * part.sigmoid()
                                            : together + (modulation_ == "sum" ? part.sigmoid() : part);
      if (modulation_ == "joint") together = together.sigmoid();
      logits.push_back(weights_.at(side + ".query.weight")[0].dot(together));
    }
    return at::stack(logits).softmax(0);
  }

  std::string variant_, modulation_;
  int64_t steps_;
  std::map<std::string, at::Tensor> weights_;
};

TEST(SmLstm, ScoresEqualTheEquationsPairByPair) {
  for (const std::string variant : {"full", "att", "ctx", "mean"})
    for (const std::string modulation : {"product", "joint", "sum"})
      for (const int64_t tile : {1, 4, 7, 100}) {
        SCOPED_TRACE(concat(variant, " ", modulation, " ", tile));
        const auto scorer =
            sm_lstm(concat("steps: 3, variant: ", variant, ", modulation: ", modulation, ", tile_pairs: ", tile));
        const PairLoop loop(*scorer, variant, modulation, 3);
        const PairScores scores = scorer->pairs(image_side(), text_side());
        ASSERT_EQ(scores.scores.sizes(), (at::IntArrayRef{3, 4}));
        ASSERT_EQ(scores.penalty.defined(), variant == "full" || variant == "att");
        for (int64_t i = 0; i < 3; ++i)
          for (int64_t j = 0; j < 4; ++j) {
            const auto [score, penalty] = loop(one(image_side(), i), one(text_side(), j));
            EXPECT_NEAR(scores.scores[i][j].item<double>(), score, 1e-12);
            if (scores.penalty.defined()) {
              EXPECT_NEAR(scores.penalty[i][j].item<double>(), penalty, 1e-12);
            }
          }
      }
}

TEST(SmLstm, GivesTheSameOnTheGpu) {
  DIPTYCH_SKIP_WITHOUT_CUDA();
  for (const char* variant : {"full", "att", "ctx", "mean"}) {
    SCOPED_TRACE(variant);
    const auto scorer = sm_lstm(concat("tile_pairs: 5, variant: ", variant));
    expect_same_on_cuda(*scorer, [&](at::Device device) {
      const auto moved = [&](const Encoded& side) {
        return Encoded{side.global.to(device), side.local.to(device), side.mask.to(device)};
      };
      const PairScores out = scorer->pairs(moved(image_side()), moved(text_side()));
      const at::Tensor sum = (out.scores * formula_centred({3, 4}, 98).to(device)).sum();
      return out.penalty.defined() ? sum + out.penalty.sum() : sum;
    });
  }
}

TEST(SmLstm, TilesChangeNoGradient) {
  const auto gradients = [](int64_t tile) {
    const auto scorer = sm_lstm(concat("tile_pairs: ", tile));
    Encoded x = image_side();
    x.local.requires_grad_(true), x.global.requires_grad_(true);
    const PairScores scores = scorer->pairs(x, text_side());
    ((scores.scores * formula_centred({3, 4}, 9)).sum() + scores.penalty.sum()).backward();
    std::map<std::string, at::Tensor> out{{"local", x.local.grad()}, {"global", x.global.grad()}};
    for (const auto& each : scorer->named_parameters()) out.emplace(each.key(), each.value().grad());
    return out;
  };
  const auto whole = gradients(1000);
  for (const int64_t tile : {1, 4, 5}) {
    const auto tiled = gradients(tile);
    for (const auto& [name, gradient] : whole) {
      ASSERT_TRUE(gradient.defined()) << name;
      ASSERT_TRUE(tiled.at(name).defined()) << name;
      EXPECT_THAT(tiled.at(name), TensorNear(gradient, 1e-10, 1e-10)) << name;
    }
  }
}

TEST(SmLstm, GradientsMatchDifferences) {
  for (const std::string variant : {"full", "ctx"}) {
    const auto scorer = sm_lstm("steps: 2, variant: " + variant);
    const at::Tensor weight = formula_centred({3, 4}, 8);
    const auto total = [&](const Encoded& x, const Encoded& y) {
      const PairScores scores = scorer->pairs(x, y);
      const at::Tensor sum = (scores.scores * weight).sum();
      return scores.penalty.defined() ? sum + (scores.penalty * weight).sum() : sum;
    };
    if (variant == "full") {
      expect_gradients(
          [&](const at::Tensor& a) {
            return total({image_side().global, a, image_side().mask}, text_side());
          },
          image_side().local);
      expect_gradients(
          [&](const at::Tensor& w) {
            return total(image_side(), {text_side().global, w, text_side().mask});
          },
          text_side().local);
    }
    expect_gradients(
        [&](const at::Tensor& m) {
          return total({m, image_side().local, image_side().mask}, text_side());
        },
        image_side().global);
    expect_gradients(
        [&](const at::Tensor& n) {
          return total(image_side(), {n, text_side().local, text_side().mask});
        },
        text_side().global);
  }
}

void set_parameters(torch::nn::Module& module, const std::string& ending, double value) {
  const at::NoGradGuard no_grad;
  for (auto& each : module.named_parameters())
    if (each.key().ends_with(ending)) each.value().fill_(value);
}

TEST(SmLstm, ZeroWeightsScoreHalfTheLastWeightsAndTheLastBias) {
  const auto scorer = sm_lstm("steps: 2");
  const at::Tensor last = scorer->named_parameters()["score.weight"].detach().clone();
  set_parameters(*scorer, "", 0);
  {
    const at::NoGradGuard no_grad;
    scorer->named_parameters()["score.weight"].copy_(last);
    scorer->named_parameters()["score.bias"].fill_(0.25);
  }
  const double expected = 0.25 + last.sum().item<double>() / 2;
  EXPECT_THAT(scorer->pairs(image_side(), text_side()).scores, TensorNear(at::full({3, 4}, expected, at::kDouble)));
}

TEST(SmLstm, AttentionWithoutWeightsIsTheMean) {
  const auto mean = sm_lstm("variant: mean"), full = sm_lstm("variant: full");
  {
    const at::NoGradGuard no_grad;
    auto weights = full->named_parameters();
    for (auto& each : mean->named_parameters()) weights[each.key()].copy_(each.value());
  }
  set_parameters(*full, "query.weight", 0);
  EXPECT_THAT(full->pairs(image_side(), text_side()).scores,
              TensorNear(mean->pairs(image_side(), text_side()).scores, 1e-12, 1e-12));
}

// Three steps of uniform attention over 196 regions and 10 words: 196 (1 - 3/196)^2 + 10 (1 - 3/10)^2.
TEST(SmLstm, PenaltyOfUniformAttention) {
  const auto scorer = sm_lstm("steps: 3");
  set_parameters(*scorer, "query.weight", 0);
  const Encoded x{at::zeros({1, kContext}, at::kDouble), at::ones({1, 196, kImageLocal}, at::kDouble),
                  at::ones({1, 196}, at::kBool)};
  Encoded y{at::zeros({1, kContext}, at::kDouble), at::ones({1, 12, kTextLocal}, at::kDouble),
            at::ones({1, 12}, at::kBool)};
  y.mask[0].slice(0, 10) = false;  // padding is not penalised
  EXPECT_NEAR(scorer->pairs(x, y).penalty.item<double>(), 190.045918 + 4.9, 1e-6);
}

TEST(SmLstm, PaddingChangesNothing) {
  const auto scorer = sm_lstm("");
  Encoded longer = text_side();
  longer.local = at::cat({longer.local, at::full({4, 3, kTextLocal}, 1e3, at::kDouble)}, 1);
  longer.mask = at::cat({longer.mask, at::zeros({4, 3}, at::kBool)}, 1);
  EXPECT_THAT(scorer->pairs(image_side(), longer).scores,
              TensorNear(scorer->pairs(image_side(), text_side()).scores, 1e-12, 1e-12));
}

TEST(SmLstm, AttentionIsADistributionOverRealPlaces) {
  const auto scorer = sm_lstm("steps: 3");
  const auto steps = scorer->attention(one(image_side(), 1), one(text_side(), 0));
  ASSERT_THAT(steps, SizeIs(3));
  for (const PairAttention& step : steps) {
    EXPECT_NEAR(step.image.sum().item<double>(), 1, 1e-12);
    EXPECT_NEAR(step.text.sum().item<double>(), 1, 1e-12);
    EXPECT_EQ(step.text.slice(0, 2).abs().max().item<double>(), 0);
  }
  EXPECT_FALSE(steps[0].image.equal(steps[1].image)) << "memory moves the attention";
  EXPECT_THAT(sm_lstm("variant: mean")->attention(one(image_side(), 1), one(text_side(), 0)), IsEmpty());
}

// Why `sum` is not the default.
TEST(SmLstm, ASumOfSigmoidsLooksAtTheSamePlaceInEveryStep) {
  const auto scorer = sm_lstm("steps: 3, modulation: sum");
  const auto steps = scorer->attention(one(image_side(), 1), one(text_side(), 1));
  for (const size_t t : {1, 2}) EXPECT_THAT(steps[t].image, TensorNear(steps[0].image, 1e-12, 1e-12));
}

std::shared_ptr<PairScorer> similarity_network(const std::string& options) {
  torch::manual_seed(5);
  ScorerRegistry registry("scorer");
  register_scorers(registry);
  auto made = make_from(registry, "{type: similarity_network, " + options + "}",
                        ScorerContext{kContext, kImageLocal, kTextLocal});
  made->to(at::kDouble);
  return std::dynamic_pointer_cast<PairScorer>(made);
}

// The equations of similarity_network.h for one pair after the other; tiles that fit, and tiles that do not.
TEST(SimilarityNetwork, IsLayersOverTheProductOfEveryPair) {
  for (const std::string tiles : {"65536", "5", "3", "1"}) {
    const auto scorer = similarity_network("hidden: [6, 2], tile_pairs: " + tiles);
    std::map<std::string, at::Tensor> w;
    for (const auto& each : scorer->named_parameters()) w.emplace(each.key(), each.value().detach());
    ASSERT_THAT(w, SizeIs(6));
    const at::Tensor scores = scorer->pairs({image_side().global}, {text_side().global}).scores;
    ASSERT_EQ(scores.sizes(), (at::IntArrayRef{3, 4}));
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t j = 0; j < 4; ++j) {
        at::Tensor z = image_side().global[i] * text_side().global[j];
        for (const std::string layer : {"layers.0.", "layers.1."})
          z = (w.at(layer + "weight").mv(z) + w.at(layer + "bias")).relu();
        const double expected = (w.at("layers.2.weight").mv(z) + w.at("layers.2.bias")).item<double>();
        EXPECT_NEAR(scores[i][j].item<double>(), expected, 1e-12) << i << " " << j << ", tiles of " << tiles;
      }
  }
}

TEST(SimilarityNetwork, WithoutLayersIsAWeightedDotProduct) {
  const auto scorer = similarity_network("hidden: []");
  const auto parameters = scorer->named_parameters();
  const at::Tensor x = image_side().global, y = text_side().global;
  const at::Tensor expected = (x * parameters["layers.0.weight"]).mm(y.t()) + parameters["layers.0.bias"];
  EXPECT_THAT(scorer->pairs({x}, {y}).scores, TensorNear(expected, 1e-12, 1e-12));
}

TEST(SimilarityNetwork, GradientsMatchDifferencesWhateverTheTiles) {
  for (const std::string tiles : {"65536", "2"}) {
    const auto scorer = similarity_network("hidden: [6], tile_pairs: " + tiles);
    expect_gradients(
        [&](const at::Tensor& x) { return scorer->pairs({x}, {text_side().global}).scores.square().sum(); },
        image_side().global, 1e-6, 1e-6);
    expect_gradients(
        [&](const at::Tensor& y) { return scorer->pairs({image_side().global}, {y}).scores.square().sum(); },
        text_side().global, 1e-6, 1e-6);
    for (const auto& each : scorer->named_parameters()) EXPECT_TRUE(each.value().grad().defined()) << each.key();
  }
}

TEST(SimilarityNetwork, ReadsNoPlacesAndRefusesWhatDoesNotFit) {
  const auto scorer = similarity_network("hidden: [6]");
  EXPECT_FALSE(scorer->compares_places());
  EXPECT_TRUE(sm_lstm("")->compares_places());
  EXPECT_THAT(
      [&] {
        scorer->pairs({at::ones({2, kContext + 1}, at::kDouble)}, text_side());
      },
      ThrowsMessage<ShapeError>(HasSubstr("needed are [N, 3]")));
  EXPECT_THROW(scorer->pairs({}, text_side()), ShapeError);
}

/// Measures, and takes minutes: model_test --gtest_also_run_disabled_tests --gtest_filter=*ThousandTexts
TEST(SmLstm, DISABLED_ScoresTwoHundredImagesAndAThousandTexts) {
  const at::NoGradGuard no_grad;
  torch::manual_seed(5);
  ScorerRegistry registry("scorer");
  register_scorers(registry);
  const auto scorer = std::dynamic_pointer_cast<PairScorer>(
      make_from(registry, "{type: sm_lstm, hidden: 256, attention: 256}",
                ScorerContext{.dimension = 512, .image_local = 1280, .text_local = 512}));
  scorer->eval();
  const Encoded x{at::randn({200, 512}), at::randn({200, 49, 1280}), at::ones({200, 49}, at::kBool)};
  const Encoded y{at::randn({1000, 512}), at::randn({1000, 12, 512}), at::ones({1000, 12}, at::kBool)};
  const auto seconds = [](auto&& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  at::Tensor scores;
  const double together = seconds([&] { scores = scorer->pairs(x, y).scores; });
  constexpr int64_t kImages = 4;  // a pair costs the same wherever it stands: 4,000 of 200,000
  double worst = 0;
  const double loop = 200. / kImages * seconds([&] {
                        for (int64_t i = 0; i < kImages; ++i)
                          for (int64_t j = 0; j < 1000; ++j) {
                            const double one_pair = scorer->pairs(one(x, i), one(y, j)).scores.item<double>();
                            worst = std::max(worst, std::abs(one_pair - scores[i][j].item<double>()));
                          }
                      });
  std::cout << "200 x 1,000 pairs: " << together << " s; pair by pair " << loop << " s (from " << kImages * 1000
            << " pairs); largest difference " << worst << "\n";
  EXPECT_LT(worst, 1e-5);
  EXPECT_GT(loop, 5 * together);
}

TEST(SmLstm, RefusesWhatIsNoPairOfViews) {
  const auto scorer = sm_lstm("");
  EXPECT_FALSE(scorer->indexable());
  EXPECT_THAT([&] { scorer->pairs({image_side().global}, text_side()); },
              ThrowsMessage<ShapeError>(AllOf(HasSubstr("x needs"), HasSubstr("nothing"))));
  EXPECT_THAT([&] { scorer->forward(image_side().global, text_side().global); },
              ThrowsMessage<ShapeError>(HasSubstr("compares pairs")));
  EXPECT_THAT([&] { scorer->attention(image_side(), one(text_side(), 0)); },
              ThrowsMessage<ShapeError>(HasSubstr("one image")));
}

}  // namespace
}  // namespace diptych::testing

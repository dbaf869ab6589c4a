#include "diptych/model/scorer.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "../../support/cuda.h"
#include "../../support/gradcheck.h"
#include "../../support/tensor_near.h"
#include "formula.h"
#include "registry_checks.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const ScorerRegistry& scorers() {
  static const ScorerRegistry kRegistry = [] {
    ScorerRegistry out("scorer");
    register_scorers(out);
    return out;
  }();
  return kRegistry;
}
std::shared_ptr<Scorer> scorer(const std::string& yaml) { return make_from(scorers(), yaml, ScorerContext{3, 4, 5}); }
const std::vector<std::string> kEmbeddingScorers{"{type: cosine}",
                                                 "{type: dot}",
                                                 "{type: neg_l2}",
                                                 "{type: neg_l2, squared: false}",
                                                 "{type: norm_scale}",
                                                 "{type: norm_scale, kernel: neg_l2}",
                                                 "{type: norm_scale, kernel: neg_l2, squared: false}"};
at::Tensor queries() { return torch::tensor({{3., 4.}, {-1., 0.}, {0.5, 0.5}}, at::kDouble); }
at::Tensor gallery() { return torch::tensor({{1., 0.}, {0., 2.}}, at::kDouble); }

TEST(ScorerRegistry, DocumentsEveryEntryAndOption) { expect_documented(scorers()); }
TEST(ScorerRegistry, DefaultsSurviveYaml) { expect_defaults_survive_yaml(scorers()); }

TEST(Scorers, ComputeTheirFormulas) {
  EXPECT_THAT(scorer("{type: dot}")->forward(queries(), gallery()),
              TensorNear(torch::tensor({{3., 8.}, {-1., 0.}, {.5, 1.}}, at::kDouble)));
  const double root = std::sqrt(.5);
  EXPECT_THAT(scorer("{type: cosine}")->forward(queries(), gallery()),
              TensorNear(torch::tensor({{.6, .8}, {-1., 0.}, {root, root}}, at::kDouble), 1e-9, 1e-9));
  EXPECT_THAT(scorer("{type: neg_l2}")->forward(queries(), gallery()),
              TensorNear(torch::tensor({{-20., -13.}, {-4., -5.}, {-.5, -2.5}}, at::kDouble)));
  EXPECT_THAT(scorer("{type: neg_l2, squared: false}")->forward(queries(), gallery()),
              TensorNear(-torch::tensor({{20., 13.}, {4., 5.}, {.5, 2.5}}, at::kDouble).sqrt(), 1e-9, 1e-9));
}

TEST(Scorers, GiveTheSameOnTheGpuAndPrepareWhatLiesOnTheCpu) {
  DIPTYCH_SKIP_WITHOUT_CUDA();
  const at::Tensor x = formula_centred({20, 7}, 1), y = formula_centred({30, 7}, 2);
  for (const std::string& yaml : kEmbeddingScorers) {
    SCOPED_TRACE(yaml);
    const auto made = scorer(yaml);
    made->to(at::kDouble);
    expect_same_on_cuda(*made, [&](at::Device device) {
      const at::Tensor out = made->forward(x.to(device), y.to(device));
      return (out * formula_centred(out.sizes(), 98).to(device)).sum();
    });
    made->to(at::kFloat);
    const at::Tensor expected = made->prepare(x, true);
    made->to(at::Device(at::kCUDA, 0));
    const at::Tensor prepared = made->prepare(x, true);  // embeddings are gathered on the CPU
    EXPECT_TRUE(prepared.device().is_cpu());
    EXPECT_THAT(prepared, TensorNear(expected));
  }
}

TEST(Scorers, PreparedEmbeddingsRankRowsAndColumnsAsTheScoresDo) {
  const at::Tensor x = formula_centred({20, 7}, 1), y = formula_centred({30, 7}, 2);
  for (const std::string& yaml : kEmbeddingScorers) {
    SCOPED_TRACE(yaml);
    const auto made = scorer(yaml);
    ASSERT_TRUE(made->indexable());
    const at::Tensor prepared = made->prepare(x, true).mm(made->prepare(y, false).t());
    EXPECT_EQ(prepared.scalar_type(), at::kFloat);
    const at::Tensor scores = made->forward(x, y);
    for (const int64_t side : {0, 1})
      EXPECT_TRUE(prepared.argsort(/*stable=*/true, side).equal(scores.argsort(/*stable=*/true, side)));
    if (!made->describe().ends_with("neg_l2")) {
      EXPECT_THAT(prepared, TensorNear(scores.to(at::kFloat), 1e-5, 1e-5));
    }
  }
}

TEST(Scorers, ProductsOfPreparedEmbeddingsBecomeTheScores) {
  const at::Tensor x = formula_centred({6, 7}, 1), y = formula_centred({9, 7}, 2);
  for (const std::string& yaml : kEmbeddingScorers) {
    const auto made = scorer(yaml);
    const at::Tensor products = made->prepare(x, true).mm(made->prepare(y, false).t());
    EXPECT_THAT(made->from_products(products), TensorNear(made->forward(x, y).to(at::kFloat), 1e-5, 1e-5)) << yaml;
  }
}

// The same value; but stretching x is not forbidden to count.
TEST(Scorers, EvidenceTakesTheLengthOfXAsGiven) {
  const at::Tensor x = torch::tensor({{3.f, 4.f}}).requires_grad_(true), y = torch::tensor({{0.f, 2.f}});
  for (const std::string& yaml : kEmbeddingScorers) {
    const auto each = scorer(yaml);
    EXPECT_THAT(each->evidence(x, y).detach(), TensorNear(each->forward(x, y).detach())) << yaml;
  }
  const auto cosine = scorer("{type: cosine}");
  const auto slope = [&](const at::Tensor& score) { return torch::autograd::grad({score.sum()}, {x})[0]; };
  EXPECT_THAT(slope(cosine->evidence(x, y)), TensorNear(torch::tensor({{0.f, 0.2f}})));       // y' / |x|
  EXPECT_THAT(slope(cosine->forward(x, y)), TensorNear(torch::tensor({{-0.096f, 0.072f}})));  // at right angles
}

TEST(NormScaleScorer, ScalesUnitRowsByOneNumber) {
  const at::Tensor cosine = scorer("{type: cosine}")->forward(queries(), gallery());
  const auto scored = [](const std::string& options) {
    return scorer("{type: norm_scale" + options + "}")->forward(queries(), gallery());
  };
  EXPECT_THAT(scored(""), TensorNear(16 * cosine, 1e-9, 1e-9));
  EXPECT_THAT(scored(", scale: 1"), TensorNear(cosine, 1e-9, 1e-9));
  EXPECT_THAT(scored(", kernel: neg_l2"), TensorNear(-32 * (1 - cosine), 1e-9, 1e-8));  // |x - y|^2 = 2 - 2 cos
  EXPECT_THAT(scored(", kernel: neg_l2, squared: false"), TensorNear(-4 * (2 - 2 * cosine).sqrt(), 1e-9, 1e-8));
}

TEST(NormScaleScorer, LearnsItsScaleAndPreparesWithIt) {
  const auto made = scorer("{type: norm_scale}");
  ASSERT_EQ(made->named_parameters().keys(), std::vector<std::string>{"scale"});
  at::Tensor scale = made->named_parameters()["scale"];
  EXPECT_EQ(scale.dim(), 0);
  EXPECT_EQ(scale.item<double>(), 4);
  made->forward(queries(), gallery()).sum().backward();
  const double cosines = .6 + .8 - 1 + 2 * std::sqrt(.5);
  EXPECT_NEAR(scale.grad().item<double>(), 2 * 4 * cosines, 1e-5);
  const at::NoGradGuard no_grad;
  scale.fill_(0.5);
  EXPECT_THAT(made->prepare(queries(), true).norm(2, 1), TensorNear(at::full({3}, 0.5)));
  EXPECT_THAT(made->prepare(queries(), true).mm(made->prepare(gallery(), false).t()),
              TensorNear(made->forward(queries(), gallery()).to(at::kFloat)));
}

TEST(NormScaleScorer, ARowWithoutLengthScoresNothingAndGetsNoGradient) {
  const at::Tensor x = at::zeros({1, 2}, at::kDouble).requires_grad_(true);
  const at::Tensor scores = scorer("{type: norm_scale}")->forward(x, gallery());
  EXPECT_EQ(scores.abs().max().item<double>(), 0);
  scores.sum().backward();
  EXPECT_EQ(x.grad().abs().max().item<double>(), 0);
}

TEST(NormScaleScorer, EvidenceTakesTheLengthOfXAsGiven) {
  const at::Tensor x = torch::tensor({{3.f, 4.f}}).requires_grad_(true), y = torch::tensor({{0.f, 2.f}});
  const at::Tensor score = scorer("{type: norm_scale}")->evidence(x, y).sum();
  EXPECT_THAT(torch::autograd::grad({score}, {x})[0], TensorNear(torch::tensor({{0.f, 16 * 0.2f}})));  // s^2 y' / |x|
}

TEST(Scorers, SayWhatTheyAre) {
  EXPECT_EQ(scorer("{type: cosine}")->describe(), "cosine");
  EXPECT_EQ(scorer("{type: neg_l2}")->describe(), "neg_l2 squared");
  EXPECT_EQ(scorer("{type: norm_scale}")->describe(), "norm_scale dot");
  EXPECT_EQ(scorer("{type: norm_scale, kernel: neg_l2}")->describe(), "norm_scale neg_l2 squared");
  EXPECT_EQ(scorer("{type: norm_scale, kernel: neg_l2, squared: false}")->describe(), "norm_scale neg_l2");
}

TEST(Scorers, GradientsMatchDifferences) {
  for (const std::string& yaml : kEmbeddingScorers) {
    SCOPED_TRACE(yaml);
    const auto made = scorer(yaml);
    const at::Tensor weight = formula_centred({3, 2}, 7);
    expect_gradients([&](const at::Tensor& x) { return (made->forward(x, gallery()) * weight).sum(); }, queries());
    expect_gradients([&](const at::Tensor& y) { return (made->forward(queries(), y) * weight).sum(); }, gallery());
  }
}

// A zero vector, and a pair at distance zero: finite scores, and gradients within 1e5 of the inputs' scale.
TEST(Scorers, StayFiniteWithBoundedGradientsAtZero) {
  for (const std::string& yaml : kEmbeddingScorers) {
    SCOPED_TRACE(yaml);
    const auto made = scorer(yaml);
    for (const at::Tensor& start : {at::zeros({2, 3}), torch::tensor({{1.f, 0.f, 0.f}, {0.f, 1.f, 0.f}})}) {
      const at::Tensor x = start.clone().requires_grad_(true);
      const at::Tensor scores = made->forward(x, torch::tensor({{1.f, 0.f, 0.f}, {0.f, 0.f, 0.f}}));
      EXPECT_TRUE(at::isfinite(scores).all().item<bool>());
      scores.sum().backward();
      EXPECT_TRUE(at::isfinite(x.grad()).all().item<bool>());
      EXPECT_LE(x.grad().abs().max().item<double>(), 2e5);
    }
    EXPECT_TRUE(at::isfinite(made->prepare(at::zeros({2, 3}), true)).all().item<bool>());
  }
}

TEST(Scorers, PrepareUnitRowsForCosine) {
  EXPECT_THAT(scorer("{type: cosine}")->prepare(queries(), true).norm(2, 1), TensorNear(at::ones({3})));
}

/// The scorers of embeddings by name; those of pairs have tests of their own (pair_scorer_test.cpp).
std::map<std::string, std::shared_ptr<Scorer>> embedding_scorers() {
  std::map<std::string, std::shared_ptr<Scorer>> out;
  for (const auto& name : scorers().names())
    if (auto made = scorer("{type: " + name + "}"); made->indexable()) out.emplace(name, made);
  return out;
}

TEST(Scorers, ComputeInFloat32AtLeast) {
  const at::Tensor x = queries().to(at::kBFloat16);
  for (const auto& [name, each] : embedding_scorers()) EXPECT_EQ(each->forward(x, x).scalar_type(), at::kFloat) << name;
}

TEST(Scorers, RefuseShapesThatDisagree) {
  for (const auto& [name, each] : embedding_scorers())
    EXPECT_THAT(
        [&] {
          each->forward(at::zeros({2, 3}), at::zeros({2, 4}));
        },
        ThrowsMessage<ShapeError>(AllOf(HasSubstr("[2, 3]"), HasSubstr("[2, 4]"))));
}

}  // namespace
}  // namespace diptych::testing

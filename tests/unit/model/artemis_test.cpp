#include "model/artemis.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>
#include <map>

#include "../../support/gradcheck.h"
#include "../../support/tensor_near.h"
#include "formula.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr int64_t kNumbers = 3, kQueries = 4, kTargets = 5;  // kNumbers: D

std::shared_ptr<ArtemisComposer> artemis_composer(bool unit_text = true) {
  auto made = std::make_shared<ArtemisComposer>(ArtemisComposer::Options{unit_text},
                                                ComposerContext{kNumbers, kNumbers, 0, 0, {}});
  made->to(at::kDouble);
  formula_fill(*made);
  made->eval();
  return made;
}
/// In float64; temperature 1 unless said otherwise.
std::shared_ptr<ArtemisScorer> artemis_scorer(double temperature = 1, int64_t dimension = kNumbers) {
  auto made = std::make_shared<ArtemisScorer>(ArtemisScorer::Options{temperature}, ScorerContext{dimension, 1, 1});
  made->to(at::kDouble);
  return made;
}
ComposerInput query_parts() {
  ComposerInput out;
  out.image = formula_centred({kQueries, kNumbers}, 1), out.text = formula_centred({kQueries, kNumbers}, 2);
  return out;
}
at::Tensor targets() { return formula_centred({kTargets, kNumbers}, 3); }

at::Tensor unit_vector(const at::Tensor& v) { return v / v.norm(); }

/// The paper's score of one text, reference and target, [D] each.
at::Tensor pair_score(const ArtemisComposer& composer, const at::Tensor& m, const at::Tensor& r, const at::Tensor& y,
                      bool unit_text) {
  const std::map<std::string, at::Tensor> w = named_tensors(composer);
  const auto fc = [&](const std::string& name, const at::Tensor& x) {
    return w.at(name + ".weight").detach().mv(x) + w.at(name + ".bias").detach();
  };
  const auto attention = [&](const std::string& name) {
    return fc(name + ".2", at::relu(fc(name + ".0", m))).softmax(0);
  };
  const at::Tensor transformed = unit_text ? unit_vector(fc("transform", m)) : fc("transform", m);
  const at::Tensor em = attention("explicit_matching"), is = attention("implicit_similarity");
  return transformed.dot(unit_vector(em * y)) + unit_vector(is * r).dot(unit_vector(is * y));
}

TEST(Artemis, EqualsTheLoopOverPairs) {
  const ComposerInput input = query_parts();
  for (const bool unit_text : {true, false}) {
    const auto composer = artemis_composer(unit_text);
    const at::Tensor queries = composer->forward(input).embedding;
    at::Tensor expected = at::zeros({kTargets, kQueries}, at::kDouble);
    for (int64_t i = 0; i < kTargets; ++i)
      for (int64_t j = 0; j < kQueries; ++j)
        expected[i][j] = pair_score(*composer, input.text[j], input.image[j], targets()[i], unit_text);
    EXPECT_THAT(artemis_scorer()->forward(targets(), queries), TensorNear(expected)) << unit_text;
    EXPECT_THAT(artemis_scorer(0.25)->forward(targets(), queries), TensorNear(4 * expected, 1e-6, 1e-6)) << unit_text;
  }
}

TEST(ArtemisScorer, GivesTheValuesWorkedOutByHand) {
  // (3, 4): 3/5 + 8/8; (1, 0): 1/1, and nothing from the part whose weights leave nothing of it
  const at::Tensor images = torch::tensor({{3., 4.}, {1., 0.}}, at::kDouble);
  const at::Tensor query = torch::tensor({{1., 0., 1., 1., 0., 2., 0., 4.}}, at::kDouble);
  EXPECT_THAT(artemis_scorer(1, 2)->forward(images, query), TensorNear(torch::tensor({{1.6}, {1.}}, at::kDouble)));
}

TEST(ArtemisScorer, SeesInTheWidthWhichSideAsks) {
  const at::Tensor queries = artemis_composer()->forward(query_parts()).embedding;
  const auto scorer = artemis_scorer();
  const at::Tensor by_query = scorer->forward(queries, targets());
  EXPECT_EQ(by_query.sizes(), (at::IntArrayRef{kQueries, kTargets}));
  EXPECT_TRUE(by_query.equal(scorer->forward(targets(), queries).t()));
}

TEST(Artemis, LengthsOfReferenceAndTargetDoNotCount) {
  ComposerInput longer = query_parts();
  longer.image = 3 * longer.image;
  const auto composer = artemis_composer();
  const auto scorer = artemis_scorer();
  EXPECT_THAT(scorer->forward(7 * targets(), composer->forward(longer).embedding),
              TensorNear(scorer->forward(targets(), composer->forward(query_parts()).embedding)));
}

TEST(ArtemisScorer, GradientsMatchDifferences) {
  const at::Tensor queries = artemis_composer()->forward(query_parts()).embedding.detach();
  const auto scorer = artemis_scorer(0.5);
  const at::Tensor weight = formula_centred({kTargets, kQueries}, 7);
  expect_gradients([&](const at::Tensor& x) { return (scorer->forward(x, queries) * weight).sum(); }, targets());
  expect_gradients([&](const at::Tensor& y) { return (scorer->forward(targets(), y) * weight).sum(); }, queries);
  // d (e^l c) / dl = e^l c
  ASSERT_EQ(scorer->named_parameters().keys(), std::vector<std::string>{"log_scale"});
  const at::Tensor sum = scorer->forward(targets(), queries).sum();
  const at::Tensor slope = torch::autograd::grad({sum}, {scorer->named_parameters()["log_scale"]})[0];
  EXPECT_NEAR(slope.item<double>(), sum.item<double>(), 1e-9);
}

TEST(Artemis, GradientsOfTheWholeMatchDifferences) {
  const auto composer = artemis_composer();
  const auto scorer = artemis_scorer();
  const at::Tensor weight = formula_centred({kQueries, kTargets}, 8);
  for (const auto part : {&ComposerInput::image, &ComposerInput::text})
    expect_gradients(
        [&](const at::Tensor& x) {
          ComposerInput input = query_parts();
          input.*part = x;
          return (scorer->forward(composer->forward(input).embedding, targets()) * weight).sum();
        },
        query_parts().*part);
}

TEST(ArtemisScorer, ATargetWithoutLengthScoresNothingAndGetsNoGradient) {
  const at::Tensor queries = artemis_composer()->forward(query_parts()).embedding.detach();
  const at::Tensor x = at::zeros({1, kNumbers}, at::kDouble).requires_grad_(true);
  const at::Tensor scores = artemis_scorer()->forward(x, queries);
  EXPECT_EQ(scores.abs().max().item<double>(), 0);
  scores.sum().backward();
  EXPECT_EQ(x.grad().abs().max().item<double>(), 0);
}

TEST(ArtemisScorer, StartsWithTheTemperatureOfThePublishedCode) {
  const ArtemisScorer made({}, ScorerContext{kNumbers, 1, 1});
  EXPECT_NEAR(made.named_parameters()["log_scale"].item<double>(), 2.65926, 1e-5);
}

TEST(ArtemisScorer, ComputesInFloat32AtLeast) {
  const at::Tensor queries = artemis_composer()->forward(query_parts()).embedding.to(at::kBFloat16);
  ArtemisScorer scorer({}, ScorerContext{kNumbers, 1, 1});
  EXPECT_EQ(scorer.forward(targets().to(at::kBFloat16), queries).scalar_type(), at::kFloat);
}

TEST(ArtemisScorer, PlacesOfQueriesAreTheirTwoDirectionsAdded) {
  const at::Tensor query = torch::tensor({{1., 0., 1., 1., 0., 2., 0., 4.}}, at::kDouble);
  EXPECT_THAT(artemis_scorer(1, 2)->places(query), TensorNear(torch::tensor({{1., 2.}}, at::kDouble)));
  EXPECT_THAT([&] { artemis_scorer()->places(at::zeros({2, 3})); }, ThrowsMessage<ShapeError>(HasSubstr("[2, 3]")));
}

TEST(ArtemisScorer, RefusesWhatAreNotImagesAndQueries) {
  const auto scorer = artemis_scorer();
  EXPECT_FALSE(scorer->indexable());
  EXPECT_EQ(scorer->describe(), "artemis");
  EXPECT_THAT([&] { scorer->prepare(targets(), true); }, ThrowsMessage<ShapeError>(HasSubstr("no dot product")));
  for (const int64_t width : {kNumbers, 4 * kNumbers})  // two sets of images, or two of queries
    EXPECT_THAT(
        [&] {
          scorer->forward(at::zeros({2, width}), at::zeros({5, width}));
        },
        ThrowsMessage<ShapeError>(AllOf(HasSubstr("[N, 3]"), HasSubstr("[M, 12]"))));
}

}  // namespace
}  // namespace diptych::testing

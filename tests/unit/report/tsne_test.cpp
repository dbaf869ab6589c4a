#include "diptych/report/tsne.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/report/trustworthiness.h"
#include "report/points.h"
#include "report/tsne_steps.h"
#include "support/tensor_near.h"

namespace diptych::testing {
namespace {

at::Tensor clusters(int64_t count, int64_t each, int64_t dimensions, double spread, uint64_t seed) {
  torch::manual_seed(seed);
  const at::Tensor centres = torch::randn({count, 1, dimensions}, at::kDouble) * 4;
  return (centres + spread * torch::randn({count, each, dimensions}, at::kDouble)).view({-1, dimensions});
}

/// [2, N] float32, as the descent keeps it.
at::Tensor as_rows(const at::Tensor& places) { return places.t().to(at::kFloat).contiguous(); }

TEST(SquaredDistances, EqualTheirDefinition) {
  const at::Tensor points = torch::randn({7, 3}, at::kDouble);
  const at::Tensor expected = (points.unsqueeze(0) - points.unsqueeze(1)).square().sum(2);
  EXPECT_THAT(squared_distances(points), TensorNear(expected, 1e-9, 1e-12));
}

TEST(TsneProbabilities, HaveTheEntropyOfThePerplexityInEveryRow) {
  const at::Tensor points = clusters(3, 20, 6, 1, 1) * torch::logspace(-3, 3, 6, 10, at::kDouble);
  for (const double perplexity : {2.0, 5.0, 19.0}) {
    const at::Tensor p = tsne_steps::conditional_probabilities(squared_distances(points), perplexity);
    EXPECT_THAT(p.sum(1), TensorNear(at::ones({60}, at::kDouble)));
    EXPECT_THAT(-at::xlogy(p, p).sum(1), TensorNear(at::full({60}, std::log(perplexity), at::kDouble), 0, 1.1e-5));
    EXPECT_EQ(p.diagonal().abs().max().item<double>(), 0);
  }
}

TEST(TsneProbabilities, OfThreePointsByHand) {
  // Distances 1, 1 and 4 (a right triangle would not do: on a line 0, 1, 2): the middle point halves, and the ends
  // have p : 1 - p with entropy log(1.5).
  const at::Tensor p = tsne_steps::conditional_probabilities(
      squared_distances(torch::tensor({0., 1., 2.}, at::kDouble).view({3, 1})), 1.5);
  EXPECT_NEAR(p[1][0].item<double>(), 0.5, 1e-12);
  const double near = p[0][1].item<double>(), far = p[0][2].item<double>();
  EXPECT_NEAR(near + far, 1, 1e-12);
  EXPECT_NEAR(-near * std::log(near) - far * std::log(far), std::log(1.5), 1e-5);
  const at::Tensor joint = tsne_steps::joint_probabilities(p);
  EXPECT_NEAR(joint[0][1].item<double>(), (near + 0.5) / 6, 1e-12);
  EXPECT_NEAR(joint.sum().item<double>(), 1, 1e-12);
}

TEST(TsneGradient, MatchesDifferencesOfTheDivergence) {
  const at::Tensor points = clusters(2, 9, 4, 1, 2);
  const at::Tensor joint =
      tsne_steps::joint_probabilities(tsne_steps::conditional_probabilities(squared_distances(points), 5));
  const at::Tensor places = torch::randn({18, 2}, at::kDouble);
  at::Tensor gradient = at::empty({2, 18}, at::kFloat);
  tsne_steps::gradient(joint.to(at::kFloat), as_rows(places), 1, gradient);
  for (int64_t i = 0; i < 18; ++i)
    for (int64_t axis = 0; axis < 2; ++axis) {
      const auto moved = [&](double by) {
        at::Tensor y = places.clone();
        y[i][axis] += by;
        return tsne_steps::divergence(joint, y);
      };
      EXPECT_NEAR(gradient[axis][i].item<double>(), (moved(1e-5) - moved(-1e-5)) / 2e-5, 1e-6) << i << " " << axis;
    }
}

TEST(TsneGradient, ExaggerationScalesTheAttractionAlone) {
  const at::Tensor joint = (1 - at::eye(5, at::kFloat)) / 20;
  const at::Tensor places = as_rows(torch::randn({5, 2}));
  at::Tensor once = at::empty({2, 5}), thrice = at::empty({2, 5}), none = at::empty({2, 5});
  tsne_steps::gradient(joint, places, 1, once);
  tsne_steps::gradient(joint, places, 3, thrice);
  tsne_steps::gradient(joint, places, 0, none);
  EXPECT_THAT(thrice - none, TensorNear(3 * (once - none), 1e-4, 1e-6));
}

TEST(Tsne, KeepsSeparateClustersApart) {
  const TsneMap map = tsne(clusters(4, 25, 10, 0.3, 3), {.perplexity = 10, .iterations = 500});
  const at::Tensor distance = squared_distances(map.places.to(at::kDouble)).fill_diagonal_(1e9);
  const at::Tensor nearest = distance.argmin(1);
  EXPECT_TRUE((nearest.div(25, "floor") == at::arange(100).div(25, "floor")).all().item<bool>());
  const at::Tensor centres = map.places.view({4, 25, 2}).mean(1).to(at::kDouble);
  EXPECT_GT(squared_distances(centres).add(at::eye(4) * 1e9).min().item<double>(), 25.0);
  EXPECT_GT(map.divergence, 0);
  EXPECT_LT(map.divergence, 0.5);
  EXPECT_EQ(map.exaggeration, 12);
}

// Without clusters the full exaggeration draws all points into one, from where nothing grows back.
TEST(Tsne, PointsWithoutClustersDoNotCollapse) {
  torch::manual_seed(7);
  const at::Tensor points = torch::nn::functional::normalize(torch::randn({500, 64}, at::kDouble));
  const TsneMap map = tsne(points, {.iterations = 500});
  EXPECT_LT(map.exaggeration, 12);
  EXPECT_GT(map.places.std(0).min().item<double>(), 1.0);
  EXPECT_EQ(map.iterations, 500);
}

TEST(Tsne, IsRepeatableWithAnyNumberOfThreads) {
  const at::Tensor points = clusters(3, 30, 5, 1, 4);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const TsneMap one = tsne(points, {.iterations = 120, .exaggerated_iterations = 60});
  at::set_num_threads(3);
  const TsneMap three = tsne(points, {.iterations = 120, .exaggerated_iterations = 60});
  at::set_num_threads(before);
  EXPECT_TRUE(one.places.equal(three.places));
}

TEST(Tsne, LowersThePerplexityForFewPoints) {
  EXPECT_EQ(tsne(clusters(2, 5, 3, 1, 5), {.iterations = 10}).perplexity, 3);
  EXPECT_EQ(tsne(clusters(2, 50, 3, 1, 5), {.iterations = 10}).perplexity, 30);
}

TEST(Tsne, FewOrEqualPointsGiveAFiniteMap) {
  for (const int64_t count : {1, 2, 3, 5}) {
    const TsneMap map = tsne(torch::randn({count, 4}));
    EXPECT_EQ(map.places.sizes(), (at::IntArrayRef{count, 2}));
    EXPECT_TRUE(map.places.isfinite().all().item<bool>()) << count;
  }
  const TsneMap equal = tsne(at::ones({50, 4}));
  EXPECT_TRUE(equal.places.isfinite().all().item<bool>());
  const TsneMap pairs = tsne(at::cat({at::ones({25, 4}), at::zeros({25, 4})}));  // distances 0 within each half
  EXPECT_TRUE(pairs.places.isfinite().all().item<bool>());
}

TEST(Tsne, TellsItsProgressAndStopsWhenThatThrows) {
  std::vector<int64_t> seen;
  tsne(clusters(2, 10, 3, 1, 6), {.iterations = 120}, [&](int64_t done) { seen.push_back(done); });
  EXPECT_THAT(seen, ::testing::ElementsAre(0, 50, 100, 120));
  EXPECT_THROW(tsne(clusters(2, 10, 3, 1, 6), {}, [](int64_t) { throw NumericError("", "enough"); }), NumericError);
}

TEST(Tsne, RefusesWhatIsNoFiniteMatrix) {
  EXPECT_THROW(tsne(at::ones({3})), ShapeError);
  EXPECT_THROW(tsne(at::full({9, 3}, std::nan(""))), ShapeError);
  EXPECT_THROW(tsne(at::ones({9, 3}), {.perplexity = 1}), ShapeError);
}

// scripts/golden/tsne.py: points, the map of scikit-learn's exact t-SNE from the same start, its trustworthiness and
// divergence.
TEST(Tsne, KeepsNeighboursAsWellAsScikitLearn) {
  const TensorFile golden = read_safetensors(DIPTYCH_GOLDEN_DIR "/tsne.safetensors");
  const at::Tensor points = golden.tensors.at("points"), theirs = golden.tensors.at("map");
  EXPECT_NEAR(trustworthiness(points, theirs, 5), golden.tensors.at("trustworthiness").item<double>(), 1e-9);
  const at::Tensor joint = tsne_steps::joint_probabilities(
      tsne_steps::conditional_probabilities(squared_distances(points.to(at::kDouble)), 30));
  EXPECT_NEAR(tsne_steps::divergence(joint, theirs), golden.tensors.at("divergence").item<double>(), 1e-4);
  const TsneMap ours = tsne(points);
  EXPECT_GT(trustworthiness(points, ours.places, 5), golden.tensors.at("trustworthiness").item<double>() - 0.01);
  EXPECT_LT(ours.divergence, golden.tensors.at("divergence").item<double>() + 0.02);
}

}  // namespace
}  // namespace diptych::testing

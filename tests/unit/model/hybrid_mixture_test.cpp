#include "model/hybrid_mixture.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>

#include "diptych/core/error.h"
#include "support/gradcheck.h"
#include "support/tensor_near.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

at::Tensor matrix(std::initializer_list<double> values, int64_t columns) {
  return torch::tensor(std::vector<double>(values), at::kDouble).view({-1, columns});
}
at::Tensor list(std::initializer_list<double> values) {
  return torch::tensor(std::vector<double>(values), at::kDouble);
}

// Two components in two dimensions, one of the four a Laplacian of each.
HybridMixture small_mixture() {
  return {list({0.3, 0.7}), matrix({0, 1, 2, -1}, 2), matrix({0.8, 1.5, 0.6, 1.1}, 2), matrix({0, 1, 1, 0}, 2)};
}
at::Tensor some_points() { return matrix({0.5, 0.2, 1.7, -0.6, -1, 2, 2.4, -1.3, 0.1, 0.9, 1.2, 0.3}, 2); }

double log_likelihood(const HybridMixture& mixture, const at::Tensor& points) {
  return log_joint(mixture, points).logsumexp(1).mean().item<double>();
}

// A cloud of Gaussian and one of Laplacian dimensions, apart from each other.
at::Tensor two_clouds(int64_t size) {
  torch::manual_seed(9);
  const at::Tensor gauss = 0.5 * torch::randn({size, 3}, at::kDouble) - 3;
  const at::Tensor exponential = -torch::rand({size, 3}, at::kDouble).log();
  const at::Tensor laplace = exponential * torch::randn({size, 3}, at::kDouble).sign() + 3;
  return at::cat({gauss, laplace});
}

TEST(LogJoint, IsTheDensityWrittenOut) {
  const HybridMixture mixture = small_mixture();
  const double x = 0.5, y = 0.2, pi = std::acos(-1.0);
  const double first =
      0.3 * std::exp(-0.5 * std::pow(x / 0.8, 2)) / (0.8 * std::sqrt(2 * pi)) * std::exp(-std::abs(y - 1) / 1.5) / 3.0;
  const double second = 0.7 * std::exp(-std::abs(x - 2) / 0.6) / 1.2 * std::exp(-0.5 * std::pow((y + 1) / 1.1, 2)) /
                        (1.1 * std::sqrt(2 * pi));
  EXPECT_THAT(log_joint(mixture, matrix({x, y}, 2)), TensorNear(matrix({std::log(first), std::log(second)}, 2)));
}

TEST(FitMixture, OfOneGaussianIsMeanAndDeviation) {
  const at::Tensor points = some_points(), count = list({1, 2, 1, 3, 0, 1});
  const FittedMixture found = fit_mixture(points, count, {.components = 1, .family = MixtureFamily::gaussian}, 1);
  const at::Tensor share = (count / 8).unsqueeze(1), mean = (share * points).sum(0);
  EXPECT_THAT(found.mixture.location[0], TensorNear(mean));
  EXPECT_THAT(found.mixture.scale[0], TensorNear((share * (points - mean).square()).sum(0).sqrt()));
  EXPECT_NEAR(found.mixture.weight.item<double>(), 1, 1e-12);
}

TEST(FitMixture, OfOneLaplacianIsMedianAndMeanDeviation) {
  // Weighted: -1 once, 0 twice, 4 once, 5 once -> median 0, mean distance (1 + 0 + 4 + 5) / 5.
  const FittedMixture found = fit_mixture(matrix({5, 0, -1, 4}, 1), list({1, 2, 1, 1}),
                                          {.components = 1, .family = MixtureFamily::laplacian}, 1);
  EXPECT_NEAR(found.mixture.location.item<double>(), 0, 1e-12);
  EXPECT_NEAR(found.mixture.scale.item<double>(), 2, 1e-12);
}

TEST(FitMixture, LikelihoodNeverFalls) {
  torch::manual_seed(3);
  const at::Tensor points = at::cat({two_clouds(100), 2 * torch::randn({60, 3}, at::kDouble)});
  const at::Tensor count = torch::randint(1, 20, {points.size(0)}, at::kDouble);
  for (const MixtureFamily family : {MixtureFamily::hybrid, MixtureFamily::gaussian, MixtureFamily::laplacian})
    for (const double floor : {1e-6, 0.3}) {
      SCOPED_TRACE(enum_names(family)[static_cast<size_t>(family)].second);
      const FittedMixture found = fit_mixture(
          points, count, {.components = 5, .family = family, .iterations = 40, .tolerance = -1, .floor = floor}, 7);
      ASSERT_EQ(found.log_likelihood.size(), 41u);
      EXPECT_GT(found.log_likelihood.back(), found.log_likelihood.front() + 1e-3);
      for (size_t i = 1; i < found.log_likelihood.size(); ++i)
        EXPECT_GE(found.log_likelihood[i], found.log_likelihood[i - 1] - 1e-10) << "step " << i;
    }
}

TEST(FitMixture, FindsCloudsAndTheirKinds) {
  const FittedMixture found = fit_mixture(two_clouds(2000), at::ones({4000}, at::kDouble), {.components = 2}, 5);
  const HybridMixture& m = found.mixture;
  const int64_t gauss = m.location[0][0].item<double>() < 0 ? 0 : 1;
  EXPECT_THAT(m.weight, TensorNear(list({0.5, 0.5}), 0, 0.01));
  EXPECT_THAT(m.location[gauss], TensorNear(at::full({3}, -3., at::kDouble), 0, 0.05));
  EXPECT_THAT(m.scale[gauss], TensorNear(at::full({3}, 0.5, at::kDouble), 0, 0.05));
  EXPECT_THAT(m.location[1 - gauss], TensorNear(at::full({3}, 3., at::kDouble), 0, 0.1));
  EXPECT_THAT(m.scale[1 - gauss], TensorNear(at::ones({3}, at::kDouble), 0, 0.1));
  EXPECT_THAT(m.laplacian[gauss], TensorNear(at::zeros({3}, at::kDouble)));
  EXPECT_THAT(m.laplacian[1 - gauss], TensorNear(at::ones({3}, at::kDouble)));
}

TEST(FitMixture, FollowsItsSeedAndTheFloor) {
  const at::Tensor points = two_clouds(40), count = at::ones({80}, at::kDouble);
  const MixtureOptions options{.components = 6, .iterations = 2};
  EXPECT_TRUE(fit_mixture(points, count, options, 1)
                  .mixture.location.equal(fit_mixture(points, count, options, 1).mixture.location));
  EXPECT_FALSE(fit_mixture(points, count, options, 1)
                   .mixture.location.equal(fit_mixture(points, count, options, 2).mixture.location));
  const FittedMixture wide = fit_mixture(points, count, {.components = 40, .family = MixtureFamily::gaussian}, 1);
  EXPECT_GE(wide.mixture.scale.min().item<double>(), 0.099 * points.std(0).min().item<double>());
}

TEST(FitMixture, RefusesFewerWordsThanComponents) {
  EXPECT_THAT(
      [] {
        fit_mixture(some_points(), list({1, 1, 0, 0, 0, 0}), {.components = 3}, 1);
      },
      ThrowsMessage<DataError>(HasSubstr("there are 2")));
  EXPECT_NO_THROW(fit_mixture(at::ones({4, 2}, at::kDouble), at::ones({4}, at::kDouble), {.components = 3}, 1));
}

TEST(MixtureGradients, AreTheDifferencesOfTheLogLikelihood) {
  const at::Tensor points = some_points();
  const auto moved = [&](int what, int64_t i, double by) {
    HybridMixture mixture = small_mixture();
    (what == 0 ? mixture.location : mixture.scale).view(-1)[i] += by;
    return log_likelihood(mixture, points);
  };
  const MixtureGradients found =
      mixture_gradients(small_mixture(), points.unsqueeze(0), at::ones({1, points.size(0)}, at::kBool));
  for (int64_t i = 0; i < 4; ++i) {
    const double step = 1e-6;
    EXPECT_NEAR(found.location.view(-1)[i].item<double>(), (moved(0, i, step) - moved(0, i, -step)) / (2 * step), 1e-8);
    EXPECT_NEAR(found.scale.view(-1)[i].item<double>(), (moved(1, i, step) - moved(1, i, -step)) / (2 * step), 1e-8);
  }
}

TEST(MixtureGradients, VanishAtTheMaximum) {
  const at::Tensor points = two_clouds(50);
  const HybridMixture one =
      fit_mixture(points, at::ones({100}, at::kDouble), {.components = 1, .family = MixtureFamily::gaussian}, 1)
          .mixture;
  const MixtureGradients found = mixture_gradients(one, points.unsqueeze(0), at::ones({1, 100}, at::kBool));
  EXPECT_LT(found.location.abs().max().item<double>(), 1e-12);
  EXPECT_LT(found.scale.abs().max().item<double>(), 1e-12);
}

TEST(FisherVectors, OfOneGaussianHaveTheKnownForm) {
  // z = (x - 1) / 2 of x = 2 and -3: 0.5 and -2; means of z and of (z^2 - 1) / sqrt 2: -0.75 and 1.125 / sqrt 2.
  const HybridMixture one{list({1}), matrix({1}, 1), matrix({2}, 1), matrix({0}, 1)};
  const at::Tensor found = fisher_vectors(one, matrix({2, -3}, 1).unsqueeze(0), at::ones({1, 2}, at::kBool));
  const double a = -std::sqrt(0.75), b = std::sqrt(1.125 / std::sqrt(2.0)), length = std::hypot(a, b);
  EXPECT_THAT(found, TensorNear(matrix({a / length, b / length}, 2), 1e-10, 0));
}

TEST(FisherVectors, OfOneLaplacianHaveTheirs) {
  // z = 0.5 and -2: mean sign 0; mean |z| - 1: 0.25.
  const HybridMixture one{list({1}), matrix({1}, 1), matrix({2}, 1), matrix({1}, 1)};
  const at::Tensor found = fisher_vectors(one, matrix({2, -3}, 1).unsqueeze(0), at::ones({1, 2}, at::kBool));
  EXPECT_THAT(found, TensorNear(matrix({0, 1}, 2), 1e-10, 1e-12));
}

TEST(FisherVectors, AreGradientsOverTheRootOfTheInformation) {
  const HybridMixture mixture = small_mixture();
  const at::Tensor points = some_points().unsqueeze(0), mask = at::ones({1, 6}, at::kBool);
  const MixtureGradients gradients = mixture_gradients(mixture, points, mask);
  const at::Tensor w = mixture.weight.unsqueeze(1), s = mixture.scale;
  const at::Tensor a = gradients.location * s / w.sqrt();
  const at::Tensor b = gradients.scale * s / at::where(mixture.laplacian > 0.5, w, 2 * w).sqrt();
  const at::Tensor all = at::cat({a.flatten(1), b.flatten(1)}, 1), rooted = all.sign() * all.abs().sqrt();
  EXPECT_THAT(fisher_vectors(mixture, points, mask), TensorNear(rooted / rooted.norm(), 1e-9, 1e-9));
}

TEST(FisherVectors, DoNotSeePaddingNorOrder) {
  const HybridMixture mixture = small_mixture();
  const at::Tensor points = some_points();
  const at::Tensor alone = fisher_vectors(mixture, points.narrow(0, 0, 3).unsqueeze(0), at::ones({1, 3}, at::kBool));
  at::Tensor mask = at::zeros({2, 6}, at::kBool);
  mask[0].narrow(0, 0, 3).fill_(true);
  const at::Tensor batch = fisher_vectors(mixture, points.unsqueeze(0).expand({2, 6, 2}), mask);
  EXPECT_THAT(batch[0], TensorNear(alone[0]));
  EXPECT_EQ(batch[1].abs().max().item<double>(), 0) << "a caption without a known word";
  const at::Tensor turned = points.narrow(0, 0, 3).flip(0).unsqueeze(0);
  EXPECT_THAT(fisher_vectors(mixture, turned, at::ones({1, 3}, at::kBool)), TensorNear(alone));
}

TEST(FisherVectors, GradientsMatchDifferences) {
  const HybridMixture mixture = small_mixture();
  const at::Tensor mask = at::ones({2, 3}, at::kBool), weight = at::arange(16, at::kDouble).sin().view({2, 8});
  expect_gradients([&](const at::Tensor& points) { return (fisher_vectors(mixture, points, mask) * weight).sum(); },
                   some_points().view({2, 3, 2}), 1e-7, 1e-6);  // signed roots bend much near 0
}

TEST(FisherVectors, RefuseShapesThatDisagree) {
  EXPECT_THROW(fisher_vectors(small_mixture(), at::zeros({2, 3, 5}, at::kDouble), at::ones({2, 3}, at::kBool)),
               ShapeError);
  EXPECT_THROW(fisher_vectors(small_mixture(), at::zeros({2, 3, 2}, at::kDouble), at::ones({2, 4}, at::kBool)),
               ShapeError);
}

}  // namespace
}  // namespace diptych::testing

#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace diptych {

/// What the dimensions of a component may be: each what fits it better, or all alike.
enum class MixtureFamily { hybrid, gaussian, laplacian };
constexpr auto enum_names(MixtureFamily) {
  return std::array{std::pair{MixtureFamily::hybrid, "hybrid"}, std::pair{MixtureFamily::gaussian, "gaussian"},
                    std::pair{MixtureFamily::laplacian, "laplacian"}};
}

/// A hybrid Gaussian-Laplacian mixture (Klein et al., CVPR 2015): K components of independent dimensions, each of them
/// Gaussian or Laplacian.
///
///   p(x) = sum_k w_k prod_e p_ke(x_e)
///   Gaussian:  p_ke = exp(-(x - m)^2 / 2 s^2) / (s sqrt(2 pi)),   Laplacian:  p_ke = exp(-|x - m| / s) / 2 s
///
/// All of one float type.
struct HybridMixture {
  at::Tensor weight;           // [K] w, sum 1
  at::Tensor location, scale;  // [K, E] m, s > 0
  at::Tensor laplacian;        // [K, E] 1 where the dimension is Laplacian, 0 where Gaussian
};

/// log w_k p_k(x): points [N, E] -> [N, K], differentiable. Its logsumexp over k is the log likelihood, its softmax the
/// share of each component.
at::Tensor log_joint(const HybridMixture& mixture, const at::Tensor& points);

struct MixtureOptions {
  int64_t components = 30;
  MixtureFamily family = MixtureFamily::hybrid;
  int64_t iterations = 100;
  double tolerance = 1e-4;
  double floor = 0.1;
  static void visit(auto& self, auto& field) {
    field("components", self.components, "number of components of the mixture", {.lo = 1, .hi = 4096});
    field("family", self.family,
          "what a dimension of a component may be: hybrid chooses between Gaussian and Laplacian (Klein et al. 2015)");
    field("iterations", self.iterations, "of expectation maximisation, at most", {.lo = 1, .hi = 100000});
    field("tolerance", self.tolerance, "the mean log likelihood rises by less than this: it has converged",
          {.lo = 0, .hi = 1e6});
    field("floor", self.floor, "smallest scale of a component, in units of the scale of all words",
          {.lo = 1e-6, .hi = 1});
  }
};

struct FittedMixture {
  HybridMixture mixture;               // float64
  std::vector<double> log_likelihood;  // mean over the points' weights, of the start and after each step; never falls
};

/// Maximum likelihood by expectation maximisation. Start: components chosen among the points as k-means++ does, points
/// given to the nearest. Step: every dimension of every component gets the weighted mean and standard deviation, and
/// the weighted median and mean absolute deviation from it, whose likelihood is the larger.
///
/// points   [N, E] any float type, finite; count [N] >= 0: how often each occurs
/// throws   DataError for fewer points of positive count than components
FittedMixture fit_mixture(const at::Tensor& points, const at::Tensor& count, const MixtureOptions& options,
                          uint64_t seed);

/// Gradients of the mean log likelihood of sets of points.
struct MixtureGradients {
  at::Tensor location, scale;  // [B, K, E]
};
/// points [B, L, E], mask [B, L] true = real; a set without points has gradients 0. In closed form: with g the share of
/// component k in a point and z = (x - m) / s, the mean over the set's points of
///
///   Gaussian:  g z / s,   g (z^2 - 1) / s          Laplacian:  g sign(z) / s,   g (|z| - 1) / s
MixtureGradients mixture_gradients(const HybridMixture& mixture, const at::Tensor& points, const at::Tensor& mask);

/// The Fisher vector: those gradients divided by the root of the (diagonal, approximate) Fisher information, which is
/// w / s^2 for locations, 2 w / s^2 for scales of Gaussians, w / s^2 for scales of Laplacians; then, of every number v,
/// sign(v) sqrt|v|, and unit length (Perronnin et al., ECCV 2010). [B, 2 K E]: locations first, a component at a time.
/// Differentiable in points. A set without points gives 0.
at::Tensor fisher_vectors(const HybridMixture& mixture, const at::Tensor& points, const at::Tensor& mask);

}  // namespace diptych

#include "model/hybrid_mixture.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "diptych/core/error.h"
#include "diptych/core/random.h"
#include "diptych/core/tensor/rows.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

const double kLogRootTwoPi = 0.5 * std::log(2 * std::numbers::pi);

at::Tensor choose(const at::Tensor& laplacian, const at::Tensor& if_laplacian, const at::Tensor& if_gaussian) {
  return at::where(laplacian > 0.5, if_laplacian, if_gaussian);
}

// --- expectation maximisation: points [N, E], everything float64 ----------------------------------------------------

struct Fit {
  const MixtureOptions& options;
  at::Tensor points, count;  // [N, E], [N]
  at::Tensor order;          // [N, E]: points by size, in every dimension
  at::Tensor least;          // [2, E]: smallest scale of a Gaussian and of a Laplacian
};

struct Candidate {
  at::Tensor location, scale, log_density;  // [E]; log_density: mean over the share, up to a constant of the point
};

// Both are the maximum under scale >= least: the likelihood has a single peak in the scale.
Candidate gaussian_fit(const Fit& fit, const at::Tensor& share) {  // share [N, 1], sum 1
  const at::Tensor location = (share * fit.points).sum(0), variance = (share * (fit.points - location).square()).sum(0);
  const at::Tensor scale = at::max(variance.sqrt(), fit.least[0]);
  return {location, scale, -scale.log() - kLogRootTwoPi - 0.5 * variance / scale.square()};
}

Candidate laplacian_fit(const Fit& fit, const at::Tensor& share) {
  const at::Tensor below = share.squeeze(1).index_select(0, fit.order.reshape(-1)).view_as(fit.order).cumsum(0);
  const at::Tensor middle = (below < 0.5 * below.slice(0, -1)).sum(0, /*keepdim=*/true);  // [1, E]: the median's place
  const at::Tensor location = fit.points.gather(0, fit.order.gather(0, middle)).squeeze(0);
  const at::Tensor deviation = (share * (fit.points - location).abs()).sum(0);
  const at::Tensor scale = at::max(deviation, fit.least[1]);
  return {location, scale, -(2 * scale).log() - deviation / scale};
}

void maximise_component(const Fit& fit, const at::Tensor& share, HybridMixture& mixture, int64_t k) {
  const bool may_gauss = fit.options.family != MixtureFamily::laplacian,
             may_laplace = fit.options.family != MixtureFamily::gaussian;
  const Candidate gaussian = may_gauss ? gaussian_fit(fit, share) : Candidate{};
  const Candidate laplacian = may_laplace ? laplacian_fit(fit, share) : Candidate{};
  if (may_gauss && may_laplace)
    mixture.laplacian[k].copy_(laplacian.log_density > gaussian.log_density);
  else
    mixture.laplacian[k].fill_(may_laplace ? 1 : 0);
  const Candidate& other = may_gauss ? gaussian : laplacian;
  const Candidate& chosen = may_laplace ? laplacian : gaussian;
  mixture.location[k].copy_(choose(mixture.laplacian[k], chosen.location, other.location));
  mixture.scale[k].copy_(choose(mixture.laplacian[k], chosen.scale, other.scale));
}

// shares [N, K]: of every point, how much of each component. A component that holds nothing stays as it is.
void maximise(const Fit& fit, const at::Tensor& shares, HybridMixture& mixture) {
  const at::Tensor held = shares * fit.count.unsqueeze(1);  // [N, K]
  const at::Tensor total = held.sum(0);
  mixture.weight.copy_(total / total.sum());
  for (int64_t k = 0; k < total.size(0); ++k)
    if (const double mass = total[k].item<double>(); mass > 1e-12)
      maximise_component(fit, held.narrow(1, k, 1) / mass, mixture, k);
}

// Rows of points, the first by its count, every further one by count times squared distance to the nearest chosen:
// [K, E], and every point's nearest [N].
std::pair<at::Tensor, at::Tensor> spread_out(const Fit& fit, uint64_t seed) {
  Random random(seed, {static_cast<uint64_t>(Stream::init), 0x656d00});
  at::Tensor distance, nearest = at::zeros({fit.points.size(0)}, at::kLong);
  std::vector<at::Tensor> chosen;
  for (int64_t k = 0; k < fit.options.components; ++k) {
    const at::Tensor mass = (distance.defined() ? fit.count * distance : fit.count).cumsum(0);
    const double total = mass[-1].item<double>();
    const at::Tensor from = total > 0 ? mass : fit.count.cumsum(0);  // all points lie on chosen ones
    const at::Tensor aim = at::scalar_tensor(random.uniform() * from[-1].item<double>(), at::kDouble);
    const int64_t row = std::min(at::searchsorted(from, aim, false, /*right=*/true).item<int64_t>(), from.size(0) - 1);
    chosen.push_back(fit.points[row]);
    const at::Tensor here = (fit.points - chosen.back()).square().sum(1);
    if (k == 0) {
      distance = here;
      continue;
    }
    nearest = at::where(here < distance, at::full_like(nearest, k), nearest);
    distance = at::min(distance, here);
  }
  return {at::stack(chosen), nearest};
}

Fit prepare(const at::Tensor& points, const at::Tensor& count, const MixtureOptions& options) {
  const at::Tensor used = (count > 0).nonzero().squeeze(1);
  if (used.size(0) < options.components)
    throw DataError("",
                    concat("a mixture of ", options.components,
                           " components needs as many different words with "
                           "vectors in the training captions; there are ",
                           used.size(0)),
                    "fewer components, or word vectors that cover more words (data.text.word_vectors)");
  Fit fit{options,
          points.to(at::kCPU, at::kDouble).index_select(0, used.cpu()),
          count.to(at::kCPU, at::kDouble).index_select(0, used.cpu()),
          {},
          {}};
  fit.order = std::get<1>(fit.points.sort(/*stable=*/true, 0, /*descending=*/false));
  const at::Tensor share = (fit.count / fit.count.sum()).unsqueeze(1);
  fit.least = at::zeros({2, fit.points.size(1)}, at::kDouble);
  const at::Tensor all = at::stack({gaussian_fit(fit, share).scale, laplacian_fit(fit, share).scale});
  fit.least = (options.floor * all).clamp_min(1e-9);
  return fit;
}

// --- Fisher vectors -------------------------------------------------------------------------------------------------

// The gradients times the scale: [B, K, E] each.
MixtureGradients standardised_gradients(const HybridMixture& mixture, const at::Tensor& points,
                                        const at::Tensor& mask) {
  if (points.dim() != 3 || mask.sizes() != points.sizes().slice(0, 2) || points.size(2) != mixture.scale.size(1))
    throw ShapeError(concat("fisher_vectors: points ", points.sizes(), " and mask ", mask.sizes(), " for a mixture of ",
                            mixture.scale.sizes()));
  const at::Tensor real = mask.to(points.scalar_type());  // [B, L]
  const at::Tensor shares =
      log_joint(mixture, points.flatten(0, 1)).softmax(1).view({points.size(0), points.size(1), -1});
  const at::Tensor counted = shares * (real / real.sum(1, true).clamp_min(1)).unsqueeze(2);  // [B, L, K]
  std::vector<at::Tensor> location, scale;
  for (int64_t k = 0; k < mixture.weight.size(0); ++k) {
    const at::Tensor z = (points - mixture.location[k]) / mixture.scale[k], kind = mixture.laplacian[k];
    const at::Tensor share = counted.select(2, k).unsqueeze(1);  // [B, 1, L]
    location.push_back(share.matmul(choose(kind, z.sign(), z)));
    scale.push_back(share.matmul(choose(kind, z.abs(), z.square()) - 1));
  }
  return {at::cat(location, 1), at::cat(scale, 1)};
}

}  // namespace

at::Tensor log_joint(const HybridMixture& mixture, const at::Tensor& points) {
  if (points.dim() != 2 || points.size(1) != mixture.location.size(1))
    throw ShapeError(concat("log_joint: points ", points.sizes(), " for a mixture of ", mixture.location.sizes()));
  std::vector<at::Tensor> columns;
  for (int64_t k = 0; k < mixture.weight.size(0); ++k) {
    const at::Tensor kind = mixture.laplacian[k], scale = mixture.scale[k];
    const at::Tensor z = (points - mixture.location[k]) / scale;
    const at::Tensor norm = choose(kind, (2 * scale).log(), scale.log() + kLogRootTwoPi).sum();
    columns.push_back(-choose(kind, z.abs(), 0.5 * z.square()).sum(1) - norm);
  }
  // A component without weight has log 0 = -inf, which softmax and logsumexp take as share 0.
  return at::stack(columns, 1) + mixture.weight.log();
}

FittedMixture fit_mixture(const at::Tensor& points, const at::Tensor& count, const MixtureOptions& options,
                          uint64_t seed) {
  if (points.dim() != 2 || count.dim() != 1 || count.size(0) != points.size(0))
    throw ShapeError(
        concat("fit_mixture: points ", points.sizes(), " and count ", count.sizes(), ", needed are [N, E] and [N]"));
  const at::NoGradGuard no_grad;
  const Fit fit = prepare(points, count, options);
  const auto [centres, nearest] = spread_out(fit, seed);
  FittedMixture out;
  out.mixture = {at::zeros({options.components}, at::kDouble), centres, fit.least[0].expand_as(centres).clone(),
                 at::zeros_like(centres)};
  maximise(fit, at::one_hot(nearest, options.components).to(at::kDouble), out.mixture);
  const at::Tensor weight = fit.count / fit.count.sum();
  for (int64_t step = 0;; ++step) {
    const at::Tensor joint = log_joint(out.mixture, fit.points);
    out.log_likelihood.push_back((weight * joint.logsumexp(1)).sum().item<double>());
    const size_t last = out.log_likelihood.size() - 1;
    if (step == options.iterations ||
        (last > 0 && out.log_likelihood[last] - out.log_likelihood[last - 1] < options.tolerance))
      return out;
    maximise(fit, joint.softmax(1), out.mixture);
  }
}

MixtureGradients mixture_gradients(const HybridMixture& mixture, const at::Tensor& points, const at::Tensor& mask) {
  const MixtureGradients standard = standardised_gradients(mixture, points, mask);
  return {standard.location / mixture.scale, standard.scale / mixture.scale};
}

at::Tensor fisher_vectors(const HybridMixture& mixture, const at::Tensor& points, const at::Tensor& mask) {
  const MixtureGradients standard = standardised_gradients(mixture, points, mask);
  const at::Tensor weight = mixture.weight.clamp_min(1e-12).unsqueeze(1);  // [K, 1]
  const at::Tensor information = choose(mixture.laplacian, weight, 2 * weight);
  const at::Tensor all =
      at::cat({(standard.location * weight.rsqrt()).flatten(1), (standard.scale * information.rsqrt()).flatten(1)}, 1);
  return unit_rows(all * (all.abs() + 1e-12).rsqrt());  // sign(v) sqrt|v|, with a slope that stays finite at 0
}

}  // namespace diptych

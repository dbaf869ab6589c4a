#include "diptych/report/tsne.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "diptych/report/pca.h"
#include "report/points.h"
#include "report/tsne_kernel.h"
#include "report/tsne_steps.h"

namespace diptych {
namespace {

constexpr double kStartDeviation = 1e-4;
constexpr double kGainUp = 0.2, kGainDown = 0.8, kSmallestGain = 0.01;
constexpr int64_t kRowGrain = 16, kProgressEvery = 50;
constexpr double kSmallestGradient = 1e-7;

/// Entropy (nats) and sum of exp(-beta (d_j - smallest)) over j != self; fills `row` with the exponentials.
struct RowSums {
  double sum = 0, entropy = 0;
};
RowSums exponentials(const double* distance, int64_t count, int64_t self, double smallest, double beta, double* row) {
  RowSums out;
  double weighted = 0;
  for (int64_t j = 0; j < count; ++j) {
    const double d = distance[j] - smallest;
    row[j] = j == self ? 0 : std::exp(-beta * d);
    out.sum += row[j];
    weighted += row[j] * d;
  }
  out.entropy = std::log(out.sum) + beta * weighted / out.sum;
  return out;
}

/// Fills one row of p_j|i. Bisection on beta; while one side is open the step doubles.
void conditional_row(const double* distance, int64_t count, int64_t self, double wanted_entropy, double* row) {
  constexpr int kSteps = 100;
  constexpr double kTolerance = 1e-5;
  double smallest = INFINITY;
  for (int64_t j = 0; j < count; ++j)
    if (j != self) smallest = std::min(smallest, distance[j]);
  double beta = 1, low = 0, high = INFINITY;
  RowSums sums;
  for (int step = 0; step < kSteps; ++step) {
    sums = exponentials(distance, count, self, smallest, beta, row);
    const double excess = sums.entropy - wanted_entropy;
    if (std::abs(excess) <= kTolerance) break;
    (excess > 0 ? low : high) = beta;
    const double next = std::isinf(high) ? beta * 2 : (low + high) / 2;
    if (std::isinf(next) || next == 0) break;  // all distances equal: no beta changes the entropy
    beta = next;
  }
  for (int64_t j = 0; j < count; ++j) row[j] /= sums.sum;
}

/// The descent's state; coordinates are kept as two rows, so that the kernel reads them in one stretch.
struct Descent {
  at::Tensor places, step, gains, gradient;  // [2, N] float32

  explicit Descent(at::Tensor start) : places(std::move(start)), gradient(at::empty_like(places)) { rest(); }
  void rest() { step = at::zeros_like(places), gains = at::ones_like(places); }

  void move(double momentum, double rate) {
    float* y = places.data_ptr<float>();
    float* last = step.data_ptr<float>();
    float* gain = gains.data_ptr<float>();
    const float* slope = gradient.const_data_ptr<float>();
    for (int64_t i = 0; i < places.numel(); ++i) {
      const bool turned = last[i] * slope[i] >= 0;  // the last step went uphill
      gain[i] = std::max(turned ? gain[i] * static_cast<float>(kGainDown) : gain[i] + static_cast<float>(kGainUp),
                         static_cast<float>(kSmallestGain));
      last[i] = static_cast<float>(momentum) * last[i] - static_cast<float>(rate) * gain[i] * slope[i];
      y[i] += last[i];
    }
  }
};

/// [2, N] float32 with a deviation of 1e-4 along the first component; zeros if all points are equal.
at::Tensor start_of(const at::Tensor& components) {
  const at::Tensor deviation = components.select(1, 0).std(0, /*unbiased=*/false);
  const double scale = deviation.item<double>() > 0 ? kStartDeviation / deviation.item<double>() : 0.0;
  return (components * scale).t().to(at::kFloat).contiguous();
}

/// All points drawn into one, as too strong an exaggeration does when there are no clusters.
bool collapsed(const at::Tensor& places) {
  return places.select(0, 0).std(0, /*unbiased=*/false).item<double>() < kStartDeviation / 10;
}

at::Tensor two_components(const at::Tensor& points) {
  const at::Tensor found = pca(points, 2).coordinates;
  return found.size(1) == 2 ? found : at::cat({found, at::zeros_like(found)}, 1);
}

}  // namespace

at::Tensor squared_distances(const at::Tensor& points) {
  const at::Tensor squares = points.square().sum(1, true);
  at::Tensor out = at::addmm(squares + squares.t(), points, points.t(), 1, -2).clamp_min_(0);
  out.fill_diagonal_(0);
  return out;
}

at::Tensor tsne_steps::conditional_probabilities(const at::Tensor& distances, double perplexity) {
  const int64_t count = distances.size(0);
  at::Tensor out = at::empty_like(distances);
  const double* from = distances.const_data_ptr<double>();
  double* to = out.data_ptr<double>();
  at::parallel_for(0, count, kRowGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      conditional_row(from + i * count, count, i, std::log(perplexity), to + i * count);
  });
  return out;
}

at::Tensor tsne_steps::joint_probabilities(const at::Tensor& conditional) {
  at::Tensor joint = conditional + conditional.t();
  return joint.div_(joint.sum()).clamp_min_(std::numeric_limits<double>::epsilon()).fill_diagonal_(0);
}

double tsne_steps::divergence(const at::Tensor& joint, const at::Tensor& places) {
  const at::Tensor near = (1 + squared_distances(places.to(at::kDouble))).reciprocal_().fill_diagonal_(0);
  const at::Tensor q = near / near.sum();
  return at::xlogy(joint, joint / q.clamp_min(std::numeric_limits<double>::epsilon())).sum().item<double>();
}

void tsne_steps::gradient(const at::Tensor& joint, const at::Tensor& places, double exaggeration, at::Tensor& out) {
  const int64_t count = places.size(1);
  const float* x = places.const_data_ptr<float>();
  const float* y = x + count;
  const float* p = joint.const_data_ptr<float>();
  std::vector<TsneSums> sums(static_cast<size_t>(count));
  at::parallel_for(0, count, kRowGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      sums[static_cast<size_t>(i)] = tsne_sums(x, y, p + i * count, count, x[i], y[i]);
  });
  double total = 0;  // in the order of the rows, whichever thread made them
  for (const TsneSums& row : sums) total += static_cast<double>(row.total) - 1;
  float* to = out.data_ptr<float>();
  for (int64_t i = 0; i < count; ++i) {
    const TsneSums& row = sums[static_cast<size_t>(i)];
    to[i] = static_cast<float>(4 * (exaggeration * row.pull_x - row.push_x / total));
    to[count + i] = static_cast<float>(4 * (exaggeration * row.pull_y - row.push_y / total));
  }
}

TsneMap tsne(const at::Tensor& points, const TsneOptions& options, const std::function<void(int64_t)>& progress) {
  if (!(options.perplexity > 1)) throw ShapeError(concat("tsne: perplexity ", options.perplexity, ", needed is > 1"));
  const at::NoGradGuard no_grad;
  const at::Tensor x = finite_points(points, "tsne");
  const at::Tensor components = two_components(x);
  const int64_t count = x.size(0);
  TsneMap map{components.to(at::kFloat), 0, 0, options.exaggeration, 0};
  if (count < 4 || components.abs().max().item<double>() == 0) return map;

  map.perplexity = std::min(options.perplexity, static_cast<double>(count - 1) / 3);
  at::Tensor joint =
      tsne_steps::joint_probabilities(tsne_steps::conditional_probabilities(squared_distances(x), map.perplexity));
  const at::Tensor joint_float = joint.to(at::kFloat);
  const double rate = options.learning_rate > 0 ? options.learning_rate
                                                : std::max(static_cast<double>(count) / options.exaggeration / 4, 50.0);
  Descent descent(start_of(components));
  for (int64_t i = 0; i < options.iterations; ++i) {
    const bool exaggerated = i < options.exaggerated_iterations;
    if (progress && i % kProgressEvery == 0) progress(i);
    if (i > 0 && i <= options.exaggerated_iterations && i % kProgressEvery == 0 && map.exaggeration > 1 &&
        collapsed(descent.places)) {
      map.exaggeration = std::max(map.exaggeration / 2, 1.0);
      descent = Descent(start_of(components));
    }
    if (i == options.exaggerated_iterations) descent.rest();
    tsne_steps::gradient(joint_float, descent.places, exaggerated ? map.exaggeration : 1, descent.gradient);
    descent.move(exaggerated ? 0.5 : 0.8, rate);
    map.iterations = i + 1;
    if (!exaggerated && i % kProgressEvery == 0 && descent.gradient.norm().item<double>() <= kSmallestGradient) break;
  }
  if (progress) progress(map.iterations);
  map.places = descent.places.t().contiguous();
  map.divergence = tsne_steps::divergence(joint, map.places);
  return map;
}

}  // namespace diptych

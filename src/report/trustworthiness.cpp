#include "diptych/report/trustworthiness.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "report/points.h"

namespace diptych {
namespace {

/// Of the points, i left out.
bool is_nearer(const double* distance, int64_t a, int64_t b) {
  return distance[a] != distance[b] ? distance[a] < distance[b] : a < b;
}

std::vector<int64_t> nearest(const double* distance, int64_t count, int64_t self, int64_t k) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  order.erase(order.begin() + self);
  std::partial_sort(order.begin(), order.begin() + k, order.end(),
                    [&](int64_t a, int64_t b) { return is_nearer(distance, a, b); });
  order.resize(static_cast<size_t>(k));
  return order;
}

int64_t place_of(const double* distance, int64_t count, int64_t self, int64_t item) {
  int64_t place = 1;
  for (int64_t j = 0; j < count; ++j) place += j != self && is_nearer(distance, j, item);
  return place;
}

}  // namespace

double trustworthiness(const at::Tensor& points, const at::Tensor& places, int64_t k) {
  const at::NoGradGuard no_grad;
  const at::Tensor x = squared_distances(finite_points(points, "trustworthiness"));
  const at::Tensor y = squared_distances(finite_points(places, "trustworthiness"));
  const int64_t count = x.size(0);
  if (y.size(0) != count || k < 1 || 2 * k >= count)
    throw ShapeError(concat("trustworthiness: ", count, " points, ", y.size(0), " places, k = ", k,
                            "; needed are as many places as points and 1 <= k < N / 2"));
  std::vector<int64_t> intruders(static_cast<size_t>(count));
  at::parallel_for(0, count, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double* among_points = x.const_data_ptr<double>() + i * count;
      for (const int64_t j : nearest(y.const_data_ptr<double>() + i * count, count, i, k))
        intruders[static_cast<size_t>(i)] += std::max<int64_t>(0, place_of(among_points, count, i, j) - k);
    }
  });
  const auto sum = static_cast<double>(std::accumulate(intruders.begin(), intruders.end(), int64_t{0}));
  const auto n = static_cast<double>(count), kd = static_cast<double>(k);
  return 1 - 2 / (n * kd * (2 * n - 3 * kd - 1)) * sum;
}

}  // namespace diptych

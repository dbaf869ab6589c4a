#pragma once
#include <cstdint>

namespace diptych {

/// Sums over all j for one point (a, b) of a map, with n_j = 1 / (1 + (a - x_j)^2 + (b - y_j)^2); a point's meeting
/// with itself adds 1 to `total` and nothing else.
struct TsneSums {
  float total = 0;               // sum of n_j
  float pull_x = 0, pull_y = 0;  // sum of p_j n_j (a - x_j)
  float push_x = 0, push_y = 0;  // sum of n_j^2 (a - x_j)
};
TsneSums tsne_sums(const float* x, const float* y, const float* p, int64_t count, float a, float b);

}  // namespace diptych

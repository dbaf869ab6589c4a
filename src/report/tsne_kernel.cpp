#include "report/tsne_kernel.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define DIPTYCH_TSNE_VERSIONS __attribute__((target_clones("arch=skylake-avx512", "avx2", "default")))
#else
#define DIPTYCH_TSNE_VERSIONS
#endif

// Sums of floats are vectorised only where their order may change. The order is a fixed one all the same: that of the
// vector lanes.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O3", "fast-math")
#endif

namespace diptych {

DIPTYCH_TSNE_VERSIONS
TsneSums tsne_sums(const float* __restrict x, const float* __restrict y, const float* __restrict p, int64_t count,
                   float a, float b) {
  float total = 0, pull_x = 0, pull_y = 0, push_x = 0, push_y = 0;
  for (int64_t j = 0; j < count; ++j) {
    const float dx = a - x[j], dy = b - y[j];
    const float n = 1.0f / (1.0f + dx * dx + dy * dy);
    const float pull = p[j] * n, push = n * n;
    total += n;
    pull_x += pull * dx, pull_y += pull * dy;
    push_x += push * dx, push_y += push * dy;
  }
  return {total, pull_x, pull_y, push_x, push_y};
}

}  // namespace diptych

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

#pragma once
#include <cstdint>

// The inner loops of ranking: plain loops that the compiler turns into vector code, in one version for each kind of CPU
// (chosen when the program starts).

namespace diptych {

struct Counts {
  int32_t above, at_least;  // #(s > t), #(s >= t)
};
Counts count_row(const float* scores, int64_t count, float threshold);

/// above[j] += (s[j] > t[j]), at_least[j] += (s[j] >= t[j]).
void count_columns(const float* scores, const float* thresholds, int32_t* above, int32_t* at_least, int64_t count);

/// Least and greatest of floats by their bits, in an order of integers that agrees with < on floats and puts infinities
/// and NaN outside the finite numbers (a comparison of floats would lose NaN, and does not vectorise).
struct KeyRange {
  int32_t lowest = INT32_MAX, highest = INT32_MIN;
  bool finite() const { return lowest > kMinusInfinity && highest < kInfinity; }  // of nothing: true
  static constexpr int32_t kInfinity = 0x7f800000, kMinusInfinity = -0x7f800001;
};
float value_of_key(int32_t key);
void extend(KeyRange& range, const float* scores, int64_t count);

/// Sum of x[i] y[i] in float64, in an order that is the same on every processor, rounded once.
float dot(const float* x, const float* y, int64_t count);

/// bfloat16 as 16-bit integers whose order agrees with < on finite numbers; -0 comes before +0.
using CoarseKey = int16_t;
CoarseKey coarse_key(uint16_t bits);
struct CoarseRange {
  CoarseKey lowest = INT16_MAX, highest = INT16_MIN;
};
void coarse_keys(const uint16_t* bits, CoarseKey* keys, int64_t count, CoarseRange& range);

/// Coarse scores below `low` are certainly below a fine score, those above `high` certainly above it.
struct CoarseBounds {
  CoarseKey low, high;
};
/// Of the fine score `threshold` when fine and coarse scores differ by at most `slack`.
CoarseBounds coarse_bounds(float threshold, double slack);

/// Returns #(key > high); writes the places of keys in [low, high] to `doubts` (room for all) and counts them.
int32_t coarse_count_row(const CoarseKey* keys, int64_t count, CoarseBounds bounds, int32_t* doubts,
                         int64_t& doubt_count);
/// above[j] += (key[j] > high[j]); the places with key[j] in [low[j], high[j]] likewise.
void coarse_count_columns(const CoarseKey* keys, const CoarseKey* low, const CoarseKey* high, int16_t* above,
                          int64_t count, int32_t* doubts, int64_t& doubt_count);

}  // namespace diptych

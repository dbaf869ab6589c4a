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

}  // namespace diptych

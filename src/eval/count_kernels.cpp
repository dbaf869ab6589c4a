#include "eval/count_kernels.h"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define DIPTYCH_VERSIONS __attribute__((target_clones("arch=skylake-avx512", "avx2", "default")))
#else
#define DIPTYCH_VERSIONS
#endif

#ifdef __GNUC__
#pragma GCC push_options
#pragma GCC optimize("O3")  // GCC 12 hardly vectorises at O2
#endif

namespace diptych {
namespace {

int32_t key_of_bits(int32_t bits) { return bits ^ ((bits >> 31) & 0x7fffffff); }

}  // namespace

DIPTYCH_VERSIONS
Counts count_row(const float* scores, int64_t count, float threshold) {
  int32_t above = 0, at_least = 0;
  for (int64_t j = 0; j < count; ++j) {
    above += scores[j] > threshold;
    at_least += scores[j] >= threshold;
  }
  return {above, at_least};
}

DIPTYCH_VERSIONS
void count_columns(const float* __restrict scores, const float* __restrict thresholds, int32_t* __restrict above,
                   int32_t* __restrict at_least, int64_t count) {
  for (int64_t j = 0; j < count; ++j) {
    above[j] += scores[j] > thresholds[j];
    at_least[j] += scores[j] >= thresholds[j];
  }
}

float value_of_key(int32_t key) { return std::bit_cast<float>(key_of_bits(key)); }

DIPTYCH_VERSIONS
void extend(KeyRange& range, const float* scores, int64_t count) {
  int32_t lowest = range.lowest, highest = range.highest;
  for (int64_t j = 0; j < count; ++j) {
    int32_t bits;
    std::memcpy(&bits, scores + j, sizeof bits);
    const int32_t key = bits ^ ((bits >> 31) & 0x7fffffff);
    lowest = key < lowest ? key : lowest;
    highest = key > highest ? key : highest;
  }
  range.lowest = lowest, range.highest = highest;
}

}  // namespace diptych

#ifdef __GNUC__
#pragma GCC pop_options
#endif

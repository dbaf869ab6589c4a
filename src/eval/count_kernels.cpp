#include "eval/count_kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define DIPTYCH_VERSIONS __attribute__((target_clones("arch=skylake-avx512", "avx2", "default")))
#else
#define DIPTYCH_VERSIONS
#endif

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#define DIPTYCH_AVX512
#endif

#ifdef __GNUC__
#pragma GCC push_options
#pragma GCC optimize("O3")  // GCC 12 hardly vectorises at O2
#endif

namespace diptych {
namespace {

int32_t key_of_bits(int32_t bits) { return bits ^ ((bits >> 31) & 0x7fffffff); }

/// The bfloat16 next to a finite number that is not above (below) it.
uint16_t bf16_not_above(double value) {
  float single = static_cast<float>(value);
  if (single > value) single = std::nextafter(single, -std::numeric_limits<float>::infinity());
  uint32_t bits = std::bit_cast<uint32_t>(single);
  if ((bits & 0xffff) && single < 0) bits += 0x10000;  // away from zero
  return static_cast<uint16_t>(bits >> 16);
}
uint16_t bf16_not_below(double value) { return bf16_not_above(-value) ^ 0x8000; }

int64_t scan_row(const CoarseKey* keys, int64_t begin, int64_t end, CoarseBounds bounds, int32_t* doubts,
                 int64_t& doubt_count) {
  int64_t above = 0;
  for (int64_t j = begin; j < end; ++j) {
    above += keys[j] > bounds.high;
    doubts[doubt_count] = static_cast<int32_t>(j);
    doubt_count += keys[j] >= bounds.low && keys[j] <= bounds.high;
  }
  return above;
}
void scan_columns(const CoarseKey* keys, const CoarseKey* low, const CoarseKey* high, int16_t* above, int64_t begin,
                  int64_t end, int32_t* doubts, int64_t& doubt_count) {
  for (int64_t j = begin; j < end; ++j) {
    above[j] = static_cast<int16_t>(above[j] + (keys[j] > high[j]));
    doubts[doubt_count] = static_cast<int32_t>(j);
    doubt_count += keys[j] >= low[j] && keys[j] <= high[j];
  }
}

#ifdef DIPTYCH_AVX512
bool has_avx512() {
  static const bool kFound = __builtin_cpu_supports("avx512bw") != 0;
  return kFound;
}

inline void write_places(uint32_t mask, int64_t first, int32_t* doubts, int64_t& doubt_count) {
  for (; mask; mask &= mask - 1) doubts[doubt_count++] = static_cast<int32_t>(first) + std::countr_zero(mask);
}

__attribute__((target("avx512bw,popcnt"))) int64_t scan_row_avx512(const CoarseKey* keys, int64_t end,
                                                                   CoarseBounds bounds, int32_t* doubts,
                                                                   int64_t& doubt_count) {
  const __m512i low = _mm512_set1_epi16(bounds.low), high = _mm512_set1_epi16(bounds.high);
  int64_t above = 0;
  for (int64_t j = 0; j < end; j += 32) {
    const __m512i key = _mm512_loadu_si512(keys + j);
    const uint32_t over = _mm512_cmpgt_epi16_mask(key, high), from = _mm512_cmpge_epi16_mask(key, low);
    above += __builtin_popcount(over);
    if (from != over) write_places(from & ~over, j, doubts, doubt_count);
  }
  return above;
}
__attribute__((target("avx512bw"))) void scan_columns_avx512(const CoarseKey* keys, const CoarseKey* low,
                                                             const CoarseKey* high, int16_t* above, int64_t end,
                                                             int32_t* doubts, int64_t& doubt_count) {
  for (int64_t j = 0; j < end; j += 32) {
    const __m512i key = _mm512_loadu_si512(keys + j);
    const uint32_t over = _mm512_cmpgt_epi16_mask(key, _mm512_loadu_si512(high + j));
    const uint32_t from = _mm512_cmpge_epi16_mask(key, _mm512_loadu_si512(low + j));
    const __m512i sum = _mm512_loadu_si512(above + j);
    _mm512_storeu_si512(above + j, _mm512_mask_add_epi16(sum, over, sum, _mm512_set1_epi16(1)));
    if (from != over) write_places(from & ~over, j, doubts, doubt_count);
  }
}
#endif

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

DIPTYCH_VERSIONS
float dot(const float* x, const float* y, int64_t count) {
  constexpr int64_t kLanes = 32;
  double lane[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t k = 0; k < kLanes; ++k)
      lane[k] +=
          static_cast<double>(x[i + k]) * static_cast<double>(y[i + k]);  // exact: 48 bits, so FMA changes nothing
  for (int64_t k = 0; i < count; ++i, ++k) lane[k] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  for (int64_t half = kLanes / 2; half; half /= 2)
    for (int64_t k = 0; k < half; ++k) lane[k] += lane[k + half];
  return static_cast<float>(lane[0]);
}

CoarseKey coarse_key(uint16_t bits) { return static_cast<CoarseKey>(bits & 0x8000 ? bits ^ 0x7fff : bits); }

DIPTYCH_VERSIONS
void coarse_keys(const uint16_t* __restrict bits, CoarseKey* __restrict keys, int64_t count, CoarseRange& range) {
  CoarseKey lowest = range.lowest, highest = range.highest;
  for (int64_t j = 0; j < count; ++j) {
    const auto value = static_cast<int16_t>(bits[j]);
    const auto key = static_cast<CoarseKey>(value ^ ((value >> 15) & 0x7fff));
    lowest = key < lowest ? key : lowest;
    highest = key > highest ? key : highest;
    keys[j] = key;
  }
  range = {lowest, highest};
}

CoarseBounds coarse_bounds(float threshold, double slack) {
  const uint16_t low = bf16_not_above(threshold - slack), high = bf16_not_below(threshold + slack);
  const bool low_is_zero = (low & 0x7fff) == 0, high_is_zero = (high & 0x7fff) == 0;
  return {coarse_key(low_is_zero ? 0x8000 : low), coarse_key(high_is_zero ? 0 : high)};
}

int32_t coarse_count_row(const CoarseKey* keys, int64_t count, CoarseBounds bounds, int32_t* doubts,
                         int64_t& doubt_count) {
  int64_t begin = 0, above = 0;
#ifdef DIPTYCH_AVX512
  if (has_avx512()) begin = count / 32 * 32, above = scan_row_avx512(keys, begin, bounds, doubts, doubt_count);
#endif
  return static_cast<int32_t>(above + scan_row(keys, begin, count, bounds, doubts, doubt_count));
}

void coarse_count_columns(const CoarseKey* keys, const CoarseKey* low, const CoarseKey* high, int16_t* above,
                          int64_t count, int32_t* doubts, int64_t& doubt_count) {
  int64_t begin = 0;
#ifdef DIPTYCH_AVX512
  if (has_avx512()) begin = count / 32 * 32, scan_columns_avx512(keys, low, high, above, begin, doubts, doubt_count);
#endif
  scan_columns(keys, low, high, above, begin, count, doubts, doubt_count);
}

}  // namespace diptych

#ifdef __GNUC__
#pragma GCC pop_options
#endif

#pragma once
#include <cstdint>
#include <initializer_list>
#include <vector>

namespace diptych {

/// A counter-based random stream: the values are a pure function of (seed, key...), so they do not depend on worker
/// count, prefetching or the standard library. Streams of different keys are independent.
class Random {
 public:
  explicit Random(uint64_t seed, std::initializer_list<uint64_t> key = {});
  uint64_t next();
  /// Uniform in [0, 1), 53 bits.
  double uniform();
  double uniform(double lo, double hi) { return lo + (hi - lo) * uniform(); }
  /// Unbiased integer in [0, n). n > 0.
  uint64_t below(uint64_t n);
  bool chance(double probability) { return uniform() < probability; }
  double normal();

 private:
  uint64_t key_, counter_ = 0;
};

/// Purposes of streams, so that two uses never share one.
enum class Stream : uint64_t {
  order = 1,
  augment = 2,
  synth = 3,
  bootstrap = 4,
  captions = 5,
  split = 6,
  init = 7,
  report = 8,
  candidates = 9
};

/// Fisher-Yates permutation of 0..n-1.
std::vector<int64_t> permutation(int64_t n, Random random);

}  // namespace diptych

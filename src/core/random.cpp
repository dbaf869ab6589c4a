#include "diptych/core/random.h"

#include <cmath>
#include <numbers>
#include <stdexcept>
#include <utility>

namespace diptych {
namespace {

// SplitMix64 (Steele, Lea, Flood 2014): the odd constant steps the counter, mix() is its finaliser.
constexpr uint64_t kStep = 0x9e3779b97f4a7c15u;

constexpr uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace

Random::Random(uint64_t seed, std::initializer_list<uint64_t> key) : key_(mix(seed + kStep)) {
  for (const uint64_t part : key) key_ = mix(mix(key_) + part + kStep);  // not symmetric in what came before and `part`
}

// The key enters twice, so that two streams whose counters happen to overlap still differ.
uint64_t Random::next() { return mix(mix(key_ + kStep * ++counter_) ^ key_); }

double Random::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

// Lemire (2019): the high half of a 64 x 64 bit product; the first 2^64 mod n low halves would count once too often.
uint64_t Random::below(uint64_t n) {
  if (n == 0) throw std::invalid_argument("Random::below(0): there is no integer in [0, 0)");
  const uint64_t surplus = (0 - n) % n;
  for (;;) {
    const auto product = static_cast<unsigned __int128>(next()) * n;
    if (static_cast<uint64_t>(product) >= surplus) return static_cast<uint64_t>(product >> 64);
  }
}

// Box-Muller; the second value is dropped, so that every call takes two draws.
double Random::normal() {
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

std::vector<int64_t> permutation(int64_t n, Random random) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  for (size_t left = order.size(); left > 1; --left) std::swap(order[left - 1], order[random.below(left)]);
  return order;
}

}  // namespace diptych

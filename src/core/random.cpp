#include "diptych/core/random.h"
#include <cmath>
namespace diptych {
namespace { uint64_t mix(uint64_t z) { z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull; z = (z ^ (z >> 27)) * 0x94d049bb133111ebull; return z ^ (z >> 31); } constexpr uint64_t g = 0x9e3779b97f4a7c15ull; }
Random::Random(uint64_t seed, std::initializer_list<uint64_t> key) : key_(mix(seed + g)) { for (auto k : key) key_ = mix(key_ ^ mix(k + g)); }
uint64_t Random::next() { return mix(key_ + g * ++counter_); }
double Random::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
uint64_t Random::below(uint64_t n) { const uint64_t limit = -n % n; for (;;) { const auto x = next(); const auto m = static_cast<unsigned __int128>(x) * n; if (static_cast<uint64_t>(m) >= limit) return static_cast<uint64_t>(m >> 64); } }
double Random::normal() { const double u = 1 - uniform(), v = uniform(); return std::sqrt(-2 * std::log(u)) * std::cos(2 * 3.14159265358979323846 * v); }
std::vector<int64_t> permutation(int64_t n, Random r) { std::vector<int64_t> p(static_cast<size_t>(n)); for (int64_t i = 0; i < n; ++i) p[static_cast<size_t>(i)] = i; for (int64_t i = n - 1; i > 0; --i) std::swap(p[static_cast<size_t>(i)], p[r.below(static_cast<uint64_t>(i) + 1)]); return p; }
}

#include "diptych/core/random.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <stdexcept>

namespace diptych {
namespace {

using ::testing::ElementsAre;

// These values decide the order of samples and the augmentation of every run: if one changes, no old run can be
// repeated.
TEST(Random, GoldenValues) {
  Random random(1, {2, 3});
  EXPECT_EQ(random.next(), 15660747805102559871u);
  EXPECT_EQ(random.next(), 11959986973123493671u);
  Random unkeyed(0);
  EXPECT_EQ(unkeyed.next(), 9735418304920043012u);
  EXPECT_THAT(permutation(10, Random(1, {static_cast<uint64_t>(Stream::order), 0})),
              ElementsAre(7, 8, 1, 6, 3, 0, 9, 5, 4, 2));
  EXPECT_DOUBLE_EQ(Random(7).uniform(), 0.6719017290644183);
  EXPECT_DOUBLE_EQ(Random(7).normal(), -1.144567778996923);
}

TEST(Random, IsAFunctionOfSeedAndKey) {
  EXPECT_EQ(Random(5, {1, 2}).next(), Random(5, {1, 2}).next());
  std::set<uint64_t> seen;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    seen.insert(Random(seed).next());
    for (uint64_t key = 0; key < 20; ++key)
      for (uint64_t second = 0; second < 20; ++second) seen.insert(Random(seed, {key, second}).next());
  }
  EXPECT_EQ(seen.size(), 20u + 20u * 400u);  // neither the order nor the number of keys is lost
}

TEST(Random, UniformHasTheRightMoments) {
  Random random(3);
  double sum = 0, squares = 0, smallest = 1, largest = 0;
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.uniform();
    sum += x, squares += x * x, smallest = std::min(smallest, x), largest = std::max(largest, x);
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.004);  // four standard errors
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 0.004);
  EXPECT_GE(smallest, 0);
  EXPECT_LT(largest, 1);
  EXPECT_LT(smallest, 1e-3);
  EXPECT_GT(largest, 1 - 1e-3);
}

TEST(Random, NeighbouringStreamsDoNotCorrelate) {
  constexpr int kDraws = 20'000;
  double product = 0;
  for (int i = 0; i < kDraws; ++i) {
    const auto key = static_cast<uint64_t>(i);
    product += (Random(1, {key}).uniform() - 0.5) * (Random(1, {key + 1}).uniform() - 0.5);
  }
  EXPECT_NEAR(product / kDraws * 12, 0, 0.03);  // correlation, four standard errors
}

TEST(Random, BelowIsUnbiased) {
  Random random(4);
  std::vector<int> count(7);
  constexpr int kDraws = 70'000;
  for (int i = 0; i < kDraws; ++i) ++count.at(random.below(7));
  for (const int each : count) EXPECT_NEAR(each, 10'000, 400);
  EXPECT_EQ(random.below(1), 0u);
  // Three quarters of 2^64: without rejection every third integer would come twice as often as the others.
  const uint64_t n = uint64_t{3} << 62;
  int thirds = 0;
  for (int i = 0; i < 3000; ++i) thirds += random.below(n) % 3 == 0;
  EXPECT_NEAR(thirds, 1000, 110);
}

TEST(Random, BelowZeroIsRefused) { EXPECT_THROW(Random(1).below(0), std::invalid_argument); }

TEST(Random, ChanceKeepsItsLimits) {
  Random random(5);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(random.chance(0));
    EXPECT_TRUE(random.chance(1));
  }
}

TEST(Random, NormalHasTheRightMoments) {
  Random random(6);
  double sum = 0, squares = 0, fourth = 0;
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.normal();
    ASSERT_TRUE(std::isfinite(x));
    sum += x, squares += x * x, fourth += x * x * x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.013);
  EXPECT_NEAR(squares / kDraws, 1, 0.018);
  EXPECT_NEAR(fourth / kDraws, 3, 0.13);
}

TEST(Permutation, HoldsEveryIndexOnce) {
  auto order = permutation(1000, Random(1));
  EXPECT_FALSE(std::ranges::is_sorted(order));
  std::ranges::sort(order);
  for (int64_t i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
  EXPECT_TRUE(permutation(0, Random(1)).empty());
  EXPECT_THAT(permutation(1, Random(1)), ElementsAre(0));
}

TEST(Permutation, EveryOrderIsEquallyLikely) {
  std::map<std::vector<int64_t>, int> count;
  for (uint64_t key = 0; key < 6000; ++key) ++count[permutation(3, Random(9, {key}))];
  EXPECT_EQ(count.size(), 6u);
  for (const auto& [order, times] : count) EXPECT_NEAR(times, 1000, 120);
}

}  // namespace
}  // namespace diptych

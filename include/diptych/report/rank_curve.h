#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace diptych {

/// Queries whose best rank lies in [first, last].
struct RankBin {
  int64_t first = 1, last = 1, queries = 0;
  double percent = 0;
};
/// Bins that grow like 1, 2, 5, 10, 20, 50, ...: [1], [2], [3, 5], [6, 10], [11, 20], ..., so that recalls at 1, 5 and
/// 10 are sums of bins. The last bin ends at the gallery's size, or at the largest rank if that is larger.
std::vector<RankBin> rank_histogram(std::span<const int32_t> best_ranks, int64_t gallery);

/// Share of queries, in percent, whose best rank is at most k.
struct RecallPoint {
  int64_t k = 1;
  double recall = 0;
};
/// At every k up to 20, then at about 20 values of k to each factor of ten, and at the gallery's size.
std::vector<RecallPoint> recall_curve(std::span<const int32_t> best_ranks, int64_t gallery);

}  // namespace diptych

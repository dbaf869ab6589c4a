#include "diptych/report/rank_curve.h"

#include <algorithm>
#include <cmath>

namespace diptych {
namespace {

int64_t last_rank(std::span<const int32_t> ranks, int64_t gallery) {
  return ranks.empty() ? gallery : std::max<int64_t>(gallery, *std::ranges::max_element(ranks));
}

}  // namespace

std::vector<RankBin> rank_histogram(std::span<const int32_t> best_ranks, int64_t gallery) {
  std::vector<RankBin> bins;
  const int64_t end = last_rank(best_ranks, gallery);
  int64_t first = 1, decade = 1;
  for (int step = 0; first <= end; step = (step + 1) % 3) {
    const int64_t last = std::min(end, decade * (step == 0 ? 1 : step == 1 ? 2 : 5));
    bins.push_back({first, last, 0, 0});
    first = last + 1;
    if (step == 2) decade *= 10;
  }
  for (const int32_t rank : best_ranks) ++std::ranges::lower_bound(bins, rank, {}, &RankBin::last)->queries;
  for (RankBin& bin : bins)
    if (!best_ranks.empty())
      bin.percent = 100 * static_cast<double>(bin.queries) / static_cast<double>(best_ranks.size());
  return bins;
}

std::vector<RecallPoint> recall_curve(std::span<const int32_t> best_ranks, int64_t gallery) {
  std::vector<int32_t> sorted(best_ranks.begin(), best_ranks.end());
  std::ranges::sort(sorted);
  const int64_t end = last_rank(best_ranks, gallery);
  std::vector<RecallPoint> curve;
  const auto add = [&](int64_t k) {
    const auto hits = std::ranges::upper_bound(sorted, k) - sorted.begin();
    curve.push_back({k, sorted.empty() ? 0 : 100 * static_cast<double>(hits) / static_cast<double>(sorted.size())});
  };
  for (int64_t k = 1; k <= end;) {
    add(k);
    k = k < 20 ? k + 1 : static_cast<int64_t>(std::ceil(static_cast<double>(k) * std::pow(10.0, 0.05)));
  }
  if (!curve.empty() && curve.back().k != end) add(end);
  return curve;
}

}  // namespace diptych

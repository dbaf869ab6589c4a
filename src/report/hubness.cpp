#include "diptych/report/hubness.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace diptych {
namespace {

/// Hub::times and right of every row of the gallery, for those that took part.
std::vector<Hub> count_occurrences(const EvaluationRecord& record, size_t direction, int64_t k) {
  const bool from_images = record.from_images(direction);
  std::vector<Hub> counts(from_images ? record.captions.size() : record.images.size());
  for (size_t i = 0; i < counts.size(); ++i) counts[i].row = static_cast<int64_t>(i);
  const std::vector<int64_t>& queries = record.result.ranks[direction].query;
  for (size_t q = 0; q < queries.size(); ++q) {
    const auto& list = record.top[direction][q];
    for (size_t i = 0; i < std::min(list.size(), static_cast<size_t>(k)); ++i) {
      Hub& hub = counts[static_cast<size_t>(list[i].index)];
      ++hub.times;
      hub.right += record.relevant(direction, queries[q], list[i].index);
    }
  }
  std::erase_if(counts, [&](const Hub& hub) {
    const auto row = static_cast<size_t>(hub.row);
    return (from_images ? record.captions[row].fold : record.images[row].fold) < 0;
  });
  return counts;
}

}  // namespace

double skewness(std::span<const int64_t> counts) {
  if (counts.empty()) return 0;
  const auto n = static_cast<double>(counts.size());
  const double mean = static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0})) / n;
  double second = 0, third = 0;
  for (const int64_t count : counts) {
    const double gap = static_cast<double>(count) - mean;
    second += gap * gap / n, third += gap * gap * gap / n;
  }
  return second > 0 ? third / std::pow(second, 1.5) : 0.0;
}

Hubness hubness(const EvaluationRecord& record, size_t direction, int64_t k, size_t hubs) {
  const DirectionRanks& ranks = record.result.ranks[direction];
  Hubness out{ranks.name, std::min(k, kTopItems), static_cast<int64_t>(ranks.query.size()), 0, 0, 0, 0, {}, {}};
  std::vector<Hub> counts = count_occurrences(record, direction, out.k);
  out.gallery = static_cast<int64_t>(counts.size());
  std::vector<int64_t> times;
  for (const Hub& hub : counts) {
    times.push_back(hub.times);
    out.histogram.resize(std::max(out.histogram.size(), static_cast<size_t>(hub.times) + 1));
    ++out.histogram[static_cast<size_t>(hub.times)];
  }
  if (counts.empty()) return out;
  const auto n = static_cast<double>(counts.size());
  out.mean = static_cast<double>(std::accumulate(times.begin(), times.end(), int64_t{0})) / n;
  out.skewness = skewness(times);
  out.never_percent = 100 * static_cast<double>(out.histogram[0]) / n;
  std::ranges::stable_sort(counts, std::greater{}, &Hub::times);
  counts.resize(std::min(counts.size(), hubs));
  out.hubs = std::move(counts);
  return out;
}

}  // namespace diptych

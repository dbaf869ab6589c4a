#include "diptych/report/gallery_choice.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "diptych/core/random.h"
#include "diptych/eval/metrics.h"

namespace diptych {
namespace {

/// Score of the best relevant item minus that of the best other item in the list; 0 if the list holds no other.
float margin(const EvaluationRecord& record, size_t direction, size_t q) {
  const DirectionRanks& ranks = record.result.ranks[direction];
  const float right = ranks.positive_scores[static_cast<size_t>(ranks.offsets[q])];
  for (const Scored& item : record.top[direction][q])
    if (!record.relevant(direction, ranks.query[q], item.index)) return right - item.score;
  return 0;
}

/// The first `each` of `order` that are about different images.
std::vector<size_t> of_different_images(const EvaluationRecord& record, size_t direction,
                                        const std::vector<size_t>& order, size_t each) {
  const DirectionRanks& ranks = record.result.ranks[direction];
  std::set<int64_t> images;
  std::vector<size_t> out;
  for (const size_t q : order) {
    if (out.size() == each) break;
    if (images.insert(record.image_of(ranks.name, ranks.query[q])).second) out.push_back(q);
  }
  return out;
}

}  // namespace

GalleryChoice choose_gallery(const EvaluationRecord& record, size_t direction, size_t each, uint64_t seed) {
  const DirectionRanks& ranks = record.result.ranks[direction];
  const size_t count = ranks.query.size();
  GalleryChoice out;
  if (count == 0) return out;
  std::vector<float> margins;
  for (size_t q = 0; q < count; ++q) margins.push_back(margin(record, direction, q));
  std::vector<size_t> order(count);
  const auto sorted_by = [&](auto before) {
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order, before);
    return of_different_images(record, direction, order, each);
  };
  out.best = sorted_by([&](size_t a, size_t b) {
    return ranks.first[a] != ranks.first[b] ? ranks.first[a] < ranks.first[b] : margins[a] > margins[b];
  });
  out.worst = sorted_by([&](size_t a, size_t b) {
    return ranks.first[a] != ranks.first[b] ? ranks.first[a] > ranks.first[b] : margins[a] < margins[b];
  });
  const double middle = median_rank(ranks.first);
  const auto gap = [&](size_t q) { return std::abs(ranks.first[q] - middle); };
  out.median = sorted_by([&](size_t a, size_t b) { return gap(a) < gap(b); });
  order.clear();
  for (const int64_t q :
       permutation(static_cast<int64_t>(count), Random(seed, {static_cast<uint64_t>(Stream::report), 2, direction})))
    order.push_back(static_cast<size_t>(q));
  out.random = of_different_images(record, direction, order, each);
  std::ranges::sort(out.random);
  return out;
}

}  // namespace diptych

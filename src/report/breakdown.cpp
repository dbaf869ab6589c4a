#include "diptych/report/breakdown.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr int64_t kCutOffs[] = {1, 5, 10};
constexpr double kNormal95 = 1.959963984540054;
constexpr int64_t kOpen = INT64_MAX;

/// Values from `first` to `last` form one row.
struct Group {
  int64_t first, last;
  std::string name() const {
    if (last == kOpen) return concat(first, " or more");
    return first == last ? concat(first) : concat(first, "-", last);
  }
};

/// At most five groups of consecutive values with about equal numbers of queries.
std::vector<Group> equal_groups(std::vector<int64_t> values) {
  constexpr size_t kGroups = 5;
  std::ranges::sort(values);
  std::vector<Group> groups;
  for (size_t g = 1; g <= kGroups && !values.empty(); ++g) {
    const int64_t last = values[std::max<size_t>(values.size() * g / kGroups, 1) - 1];
    const int64_t first = groups.empty() ? values.front() : groups.back().last + 1;
    if (last >= first) groups.push_back({first, last});
  }
  return groups;
}

/// Hits of a row, image by image.
struct Clusters {
  std::map<int64_t, int64_t> queries;
  std::vector<std::map<int64_t, int64_t>> hits{std::size(kCutOffs)};
};

BreakdownRow row_of(const Group& group, const Clusters& clusters) {
  BreakdownRow row{group.name(), 0, static_cast<int64_t>(clusters.queries.size()), {}, {}};
  std::vector<int64_t> queries;
  for (const auto& [image, count] : clusters.queries) queries.push_back(count), row.queries += count;
  for (const auto& by_image : clusters.hits) {
    std::vector<int64_t> hits;
    for (const auto& [image, count] : clusters.queries) {
      const auto found = by_image.find(image);
      hits.push_back(found == by_image.end() ? 0 : found->second);
    }
    const auto sum = static_cast<double>(std::accumulate(hits.begin(), hits.end(), int64_t{0}));
    row.recall.push_back(100 * sum / static_cast<double>(row.queries));
    row.interval.push_back(clustered_interval(hits, queries));
  }
  return row;
}

using ValueOfQuery = std::function<int64_t(int64_t query)>;

Breakdown break_down(const EvaluationRecord& record, size_t direction, const std::string& by,
                     const std::vector<Group>& groups, const ValueOfQuery& value) {
  const DirectionRanks& ranks = record.result.ranks[direction];
  Breakdown out{ranks.name, by, {std::begin(kCutOffs), std::end(kCutOffs)}, {}};
  std::vector<Clusters> clusters(groups.size());
  for (size_t q = 0; q < ranks.query.size(); ++q) {
    const int64_t of_query = value(ranks.query[q]), image = record.image_of(ranks.name, ranks.query[q]);
    const auto group = std::ranges::lower_bound(groups, of_query, {}, &Group::last);
    Clusters& cluster = clusters[static_cast<size_t>(group - groups.begin())];
    ++cluster.queries[image];
    for (size_t i = 0; i < std::size(kCutOffs); ++i) cluster.hits[i][image] += ranks.first[q] <= kCutOffs[i];
  }
  for (size_t g = 0; g < groups.size(); ++g)
    if (!clusters[g].queries.empty()) out.rows.push_back(row_of(groups[g], clusters[g]));
  return out;
}

std::vector<int64_t> values_of(const EvaluationRecord& record, size_t direction, const ValueOfQuery& value) {
  std::vector<int64_t> out;
  for (const int64_t query : record.result.ranks[direction].query) out.push_back(value(query));
  return out;
}

/// How many relevant items each query has.
std::map<int64_t, int64_t> answers_of_queries(const DirectionRanks& ranks) {
  std::map<int64_t, int64_t> out;
  for (size_t q = 0; q < ranks.query.size(); ++q) out[ranks.query[q]] = ranks.offsets[q + 1] - ranks.offsets[q];
  return out;
}

}  // namespace

Interval clustered_interval(std::span<const int64_t> hits, std::span<const int64_t> queries) {
  const auto total = static_cast<double>(std::accumulate(queries.begin(), queries.end(), int64_t{0}));
  if (hits.size() != queries.size() || total <= 0)
    throw ShapeError(concat("clustered_interval: ", hits.size(), " hits of ", queries.size(), " clusters"));
  const double p = static_cast<double>(std::accumulate(hits.begin(), hits.end(), int64_t{0})) / total;
  const auto clusters = static_cast<double>(queries.size());
  double squares = 0;
  for (size_t c = 0; c < hits.size(); ++c)
    squares += std::pow(static_cast<double>(hits[c]) - p * static_cast<double>(queries[c]), 2);
  const double variance = clusters > 1 ? clusters / (clusters - 1) * squares / (total * total) : 0;
  const double spread = p * (1 - p);
  double effective = clusters;
  if (spread > 0 && clusters > 1) effective = variance > 0 ? std::clamp(spread / variance, clusters, total) : total;
  const double z2 = kNormal95 * kNormal95;
  const double centre = (p + z2 / (2 * effective)) / (1 + z2 / effective);
  const double half =
      kNormal95 / (1 + z2 / effective) * std::sqrt(spread / effective + z2 / (4 * effective * effective));
  return {100 * std::max(0.0, centre - half), 100 * std::min(1.0, centre + half)};
}

std::vector<Breakdown> breakdowns(const EvaluationRecord& record) {
  std::vector<Breakdown> out;
  const auto add = [&](size_t direction, const std::string& by, const std::vector<Group>& groups,
                       const ValueOfQuery& value) {
    Breakdown found = break_down(record, direction, by, groups, value);
    if (found.rows.size() > 1) out.push_back(std::move(found));
  };
  std::map<int64_t, int64_t> images_of_label;
  for (const EvaluatedImage& image : record.images) images_of_label[image.label] += image.fold >= 0;
  for (size_t d = 0; d < record.result.ranks.size(); ++d) {
    if (!record.from_images(d)) {
      const ValueOfQuery length = [&](int64_t q) { return record.captions[static_cast<size_t>(q)].tokens; };
      add(d, record.result.composed ? "words of the change" : "caption length",
          equal_groups(values_of(record, d, length)), length);
      add(d, "unknown words", {{0, 0}, {1, 1}, {2, 2}, {3, kOpen}},
          [&](int64_t q) { return record.captions[static_cast<size_t>(q)].unknown; });
    }
    if (record.result.composed) {
      const std::map<int64_t, int64_t> answers = answers_of_queries(record.result.ranks[d]);
      const ValueOfQuery count = [&](int64_t q) { return answers.at(q); };
      add(d, "right answers", equal_groups(values_of(record, d, count)), count);
      continue;
    }
    if (!record.result.by_identity) continue;
    const ValueOfQuery size = [&](int64_t q) {
      const int64_t image = record.image_of(record.result.ranks[d].name, q);
      return images_of_label[record.images[static_cast<size_t>(image)].label];
    };
    add(d, "images of the identity", equal_groups(values_of(record, d, size)), size);
  }
  return out;
}

}  // namespace diptych

#include "eval/composed.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "diptych/eval/bootstrap.h"
#include "diptych/eval/left_out.h"
#include "diptych/eval/ranks.h"
#include "eval/direction_ranks.h"
#include "eval/label_words.h"
#include "eval/query_kind.h"
#include "eval/resampled_metrics.h"
#include "eval/result_format.h"
#include "eval/subset_ranks.h"

namespace diptych {
namespace composing {

/// Which images are ranked for which queries.
struct Selection {
  std::vector<int32_t> row_block, col_block;  // number of the category; -1: not ranked
  IndexLists left_out;                        // of each query
  std::vector<int64_t> gallery;               // of each query: how many images it is ranked against
  int64_t images = 0;                         // ranked at all
};

/// Queries measured together.
struct Part {
  std::string start;       // "t2i/R@", before each K
  std::vector<int64_t> k;  // of the recalls
  bool middle;             // medr and meanr, too
  QueryRanks ranks;
  int64_t gallery;  // of the query that has the fewest
  size_t columns() const { return k.size() + (middle ? 2 : 0); }
};

std::string place_of(const ComposedPlan& plan, const RetrievalSet& set) {
  return concat("protocol ", plan.name, " on the ", set.split, " split");
}

void require_fit(const ComposedPlan& plan, const RetrievalSet& set) {
  const int64_t rows = set.scores->rows(), cols = set.scores->cols();
  const auto require_size = [&](const char* name, size_t size, int64_t needed, bool may_be_empty) {
    if (static_cast<int64_t>(size) != needed && !(may_be_empty && size == 0))
      throw ShapeError(concat("RetrievalSet: ", name, " has ", size, " entries for ", rows, " x ", cols, " scores"));
  };
  require_size("x_label", set.x_label.size(), rows, false);
  require_size("y_label", set.y_label.size(), cols, false);
  require_size("y_image", set.y_image.size(), cols, false);
  require_size("x_gallery", set.x_gallery.size(), rows, true);
  require_size("x_id", set.x_id.size(), rows, plan.categories.empty());
  require_size("y_id", set.y_id.size(), cols, true);
  for (const int64_t image : set.y_image)
    if (image < 0 || image >= rows)
      throw ShapeError(concat("RetrievalSet: y_image ", image, " is not a row of ", rows));
  if (set.rescore.method != Rescore::none)
    throw UsageError(place_of(plan, set), "composed queries are not rescored by the scores of other queries",
                     "set evaluate.rescore.method=none");
}

bool is_ranked(const RetrievalSet& set, int64_t row) {
  return set.x_gallery.empty() || set.x_gallery[static_cast<size_t>(row)];
}

std::string id_of(const RetrievalSet& set, int64_t row) {
  return set.x_id.empty() ? concat("row ", row) : escape_for_log(set.x_id[static_cast<size_t>(row)]);
}

void require_sources(const ComposedPlan& plan, const RetrievalSet& set) {
  if (plan.sources == ComposedPlan::Sources::any) return;
  const bool needed = plan.sources == ComposedPlan::Sources::ranked;
  for (const int64_t source : set.y_image)
    if (is_ranked(set, source) != needed)
      throw DataError(place_of(plan, set),
                      concat("the image ", id_of(set, source), " is to be changed and is ", needed ? "not " : "",
                             "in the gallery itself"),
                      plan.sources_remedy);
}

int32_t category_of(const ComposedPlan& plan, const RetrievalSet& set, int64_t row) {
  if (plan.categories.empty()) return 0;
  const std::string& id = set.x_id[static_cast<size_t>(row)];
  const auto found = std::ranges::find(plan.categories, id.substr(0, std::min(id.find('/'), id.size())));
  if (found == plan.categories.end())
    throw DataError(place_of(plan, set),
                    concat("the image ", id_of(set, row), " is of no known category: ", join(plan.categories, ", ")),
                    "ids are CATEGORY/ID; without categories, evaluate under composed-retrieval");
  return static_cast<int32_t>(found - plan.categories.begin());
}

/// Rows that some query starts from or asks for.
std::vector<bool> used_rows(const RetrievalSet& set) {
  const std::unordered_set<int64_t> asked(set.y_label.begin(), set.y_label.end());
  std::vector<bool> used;
  for (const int64_t label : set.x_label) used.push_back(asked.contains(label));
  for (const int64_t source : set.y_image) used[static_cast<size_t>(source)] = true;
  return used;
}

Selection select(const ComposedPlan& plan, const RetrievalSet& set) {
  Selection out;
  std::vector<int64_t> rows_in(std::max<size_t>(plan.categories.size(), 1));
  const std::vector<bool> used = plan.only_used ? used_rows(set) : std::vector<bool>();
  for (int64_t row = 0; row < set.scores->rows(); ++row) {
    const int32_t category = category_of(plan, set, row);
    const bool ranked = is_ranked(set, row) && (used.empty() || used[static_cast<size_t>(row)]);
    out.row_block.push_back(ranked ? category : -1);
    if (ranked) ++rows_in[static_cast<size_t>(category)], ++out.images;
  }
  out.left_out = left_out_rows(set.y_image, set.x_label, set.x_gallery);
  for (size_t q = 0; q < set.y_image.size(); ++q) {
    const int32_t category = category_of(plan, set, set.y_image[q]);
    out.col_block.push_back(category);
    const auto fewer = std::ranges::count_if(out.left_out[static_cast<int64_t>(q)], [&](int64_t row) {
      return out.row_block[static_cast<size_t>(row)] == category;
    });
    out.gallery.push_back(rows_in[static_cast<size_t>(category)] - fewer);
  }
  return out;
}

/// Rows of x with the value of each query, those left out excepted.
IndexLists answers(const std::vector<int64_t>& y, const std::vector<int64_t>& x, const Selection& selection) {
  const IndexLists equal = equal_values(y, x);
  IndexLists out;
  std::vector<int64_t> list;
  for (int64_t q = 0; q < equal.size(); ++q) {
    list.clear();
    std::ranges::set_difference(equal[q], selection.left_out[q], std::back_inserter(list));
    out.add(list);
  }
  return out;
}

QueryRanks rank(const ScoreTiles& scores, const Selection& selection, const std::vector<int64_t>& y,
                const std::vector<int64_t>& x, bool all) {
  RankRequest request{&scores, {}, answers(y, x, selection), selection.row_block, selection.col_block, all};
  return rank_by_counting(request).cols;
}

int64_t fewest(const QueryRanks& ranks, const Selection& selection) {
  int64_t out = INT64_MAX;
  for (const int64_t query : ranks.query) out = std::min(out, selection.gallery[static_cast<size_t>(query)]);
  return out;
}

/// The queries of one category.
QueryRanks of_category(const QueryRanks& ranks, const Selection& selection, int32_t category) {
  QueryRanks out;
  for (size_t i = 0; i < ranks.query.size(); ++i) {
    if (selection.col_block[static_cast<size_t>(ranks.query[i])] != category) continue;
    out.query.push_back(ranks.query[i]);
    out.first.push_back(ranks.first[i]), out.first_stable.push_back(ranks.first_stable[i]);
  }
  return out;
}

/// The parts in the order of the metrics; the first is that of all queries.
std::vector<Part> parts_of(const ComposedPlan& plan, const RetrievalSet& set, const Selection& selection,
                           const ScoreTiles& scores, const QueryRanks& ranks) {
  std::vector<Part> parts{{"t2i/R@", plan.recall, true, ranks, fewest(ranks, selection)}};
  if (!plan.subset.empty()) {
    SubsetRanks found = subset_ranks(scores, set, selection.left_out, selection.row_block);
    if (found.ranks.query.empty())
      throw DataError(place_of(plan, set), "no query has a subset that holds one of its answers",
                      "queries without subsets are evaluated under composed-retrieval");
    parts.push_back({"t2i/r_sub@", plan.subset, false, std::move(found.ranks), found.fewest});
  }
  if (!plan.words.empty())
    for (const size_t word : {0, 1}) {
      LabelWords words(set.label_names, word, place_of(plan, set));
      const std::vector<int64_t> x = words.of(set.x_label), y = words.of(set.y_label);
      QueryRanks of_word = rank(scores, selection, y, x, /*all=*/false);
      const int64_t gallery = fewest(of_word, selection);
      parts.push_back({word == 0 ? "adjective/R@" : "noun/R@", plan.words, false, std::move(of_word), gallery});
    }
  for (size_t c = 0; c < plan.categories.size(); ++c) {
    QueryRanks own = of_category(ranks, selection, static_cast<int32_t>(c));
    if (own.query.empty()) continue;
    const int64_t gallery = fewest(own, selection);
    parts.push_back({plan.categories[c] + "/R@", plan.recall, false, std::move(own), gallery});
  }
  return parts;
}

/// Numbers the source images of all parts, category after category.
class Clusters {
 public:
  Clusters(const std::vector<Part>& parts, const RetrievalSet& set, const Selection& selection, size_t categories)
      : strata(std::max<size_t>(categories, 1)), set_(set) {
    std::set<std::pair<int32_t, int64_t>> sources;
    for (const Part& part : parts)
      for (const int64_t query : part.ranks.query)
        sources.emplace(selection.col_block[static_cast<size_t>(query)], source_of(query));
    for (const auto& [category, source] : sources) {
      number_[source] = static_cast<int32_t>(number_.size());
      ++strata[static_cast<size_t>(category)];
    }
  }
  std::vector<int32_t> of(const QueryRanks& ranks) const {
    std::vector<int32_t> out;
    for (const int64_t query : ranks.query) out.push_back(number_.at(source_of(query)));
    return out;
  }
  std::vector<int64_t> strata;  // source images of each category

 private:
  int64_t source_of(int64_t query) const { return set_.y_image[static_cast<size_t>(query)]; }
  const RetrievalSet& set_;
  std::unordered_map<int64_t, int32_t> number_;
};

/// All metrics of all parts under one tie rule.
class PartMetrics {
 public:
  PartMetrics(const std::vector<Part>& parts, const Clusters& clusters, bool average, bool stable)
      : parts_(parts), average_(average) {
    for (const Part& part : parts) {
      const QueryTable table{stable ? part.ranks.first_stable : part.ranks.first, {}, {}, clusters.of(part.ranks)};
      each_.emplace_back(table, clusters.strata, part.k, std::span<const ListMetric>{});
    }
  }
  std::vector<double> operator()(std::span<const int32_t> weights) const {
    std::vector<double> out;
    for (size_t p = 0; p < each_.size(); ++p) {
      std::vector<double> values = each_[p](weights);
      values.resize(parts_[p].columns());
      out.insert(out.end(), values.begin(), values.end());
    }
    const auto recalls = static_cast<int64_t>(parts_[0].k.size());
    if (average_)
      out.push_back(std::accumulate(out.begin(), out.begin() + recalls, 0.0) / static_cast<double>(recalls));
    return out;
  }

 private:
  const std::vector<Part>& parts_;
  bool average_;
  std::vector<ResampledMetrics> each_;
};

/// A metric with the K that it needs (0: none) and its gallery.
struct Column {
  std::string name;
  int64_t k, gallery;
};
std::vector<Column> columns_of(const std::vector<Part>& parts, bool average) {
  std::vector<Column> out;
  for (const Part& part : parts) {
    for (const int64_t k : part.k) out.push_back({concat(part.start, k), k, part.gallery});
    const std::string direction = part.start.substr(0, part.start.find('/'));
    if (part.middle)
      out.push_back({direction + "/medr", 0, part.gallery}), out.push_back({direction + "/meanr", 0, part.gallery});
  }
  if (average) out.push_back({"average-recall", parts[0].k.back(), parts[0].gallery});
  return out;
}

std::vector<std::pair<std::string, Metric>> measure(const RetrievalSet& set, const std::vector<Part>& parts,
                                                    const Clusters& clusters, bool average) {
  const PartMetrics pessimistic(parts, clusters, average, false), stable(parts, clusters, average, true);
  const auto sources = std::accumulate(clusters.strata.begin(), clusters.strata.end(), int64_t{0});
  const std::vector<int32_t> once(static_cast<size_t>(sources), 1);
  const std::vector<double> values = pessimistic(once), stable_values = stable(once);
  std::vector<Interval> intervals(values.size(), Interval{1, 0});
  if (set.bootstrap) intervals = bootstrap_intervals(clusters.strata, set.seed, pessimistic);
  std::vector<std::pair<std::string, Metric>> metrics;
  const std::vector<Column> columns = columns_of(parts, average);
  for (size_t i = 0; i < columns.size(); ++i) {
    Metric metric{values[i], stable_values[i], intervals[i].low, intervals[i].high, true, columns[i].gallery};
    if (columns[i].k > columns[i].gallery) metric = {0, 0, 1, 0, false, columns[i].gallery};
    metrics.emplace_back(columns[i].name, metric);
  }
  return metrics;
}

/// Every query gives all images of its gallery the same score, the same for all queries.
bool is_flat(const QueryRanks& ranks, const Selection& selection) {
  bool several = false;
  for (size_t q = 0; q < ranks.query.size(); ++q) {
    const int64_t gallery = selection.gallery[static_cast<size_t>(ranks.query[q])];
    if (ranks.first_tied[q] != gallery - (ranks.offsets[q + 1] - ranks.offsets[q])) return false;
    several = several || gallery > 1;
  }
  return several &&
         std::ranges::adjacent_find(ranks.positive_scores, std::ranges::not_equal_to()) == ranks.positive_scores.end();
}

std::string gallery_text(const ComposedPlan& plan, const Selection& selection) {
  std::string out = concat("gallery of ", with_commas(selection.images), " images");
  std::vector<std::string> sizes;
  for (size_t c = 0; c < plan.categories.size(); ++c)
    if (const auto count = std::ranges::count(selection.row_block, static_cast<int32_t>(c)))
      sizes.push_back(concat(plan.categories[c], " ", with_commas(count)));
  if (!sizes.empty()) out += concat(" (", join(sizes, ", "), "; a query is ranked within its category)");
  if (plan.only_used) out += ", only those that a query starts from or asks for";
  return out;
}

std::string describe(const ComposedPlan& plan, const RetrievalSet& set, const Selection& selection,
                     const std::vector<Part>& parts) {
  std::string out = concat(set.split, " split, ", with_commas(set.scores->cols()),
                           " composed queries (an image and a change in words) x ", gallery_text(plan, selection));
  out += plan.sources == ComposedPlan::Sources::apart
             ? ", the images to be changed are drawn otherwise and not ranked, nor is what they show already"
             : ", a query's own image left out";
  if (!set.scorer.empty()) out += concat(", scores: ", set.scorer);
  out += concat(", relevant: ", plan.answers);
  for (const Part& part : parts)
    if (part.start == "t2i/r_sub@")
      out += concat(", r_sub: within the subset of ", with_commas(static_cast<int64_t>(part.ranks.query.size())),
                    " queries, own image left out");
  if (!plan.words.empty()) out += ", adjective and noun: an image with this word among the first K";
  if (!plan.categories.empty()) out += ", t2i: mean of the categories, average-recall: mean of its recalls";
  return out + ", ties pessimistic (of equal scores the non-relevant come first)";
}

}  // namespace composing

ComposedRetrieval::ComposedRetrieval(ComposedPlan plan) : plan_(std::move(plan)) {
  for (auto* list : {&plan_.recall, &plan_.words, &plan_.subset}) std::ranges::sort(*list);
}

ProtocolResult ComposedRetrieval::evaluate(const RetrievalSet& set) const {
  require_composed_queries(set, plan_.name);
  composing::require_fit(plan_, set);
  composing::require_sources(plan_, set);
  const composing::Selection selection = composing::select(plan_, set);
  const auto scores = without_rows(*set.scores, selection.left_out);
  const QueryRanks ranks = composing::rank(*scores, selection, set.y_label, set.x_label, /*all=*/true);
  if (ranks.query.empty())
    throw DataError(composing::place_of(plan_, set),
                    concat(ranks.skipped,
                           " queries were skipped because nothing in their gallery answers, and none is "
                           "left"),
                    "are the labels of queries and images of the same kind?");
  const std::vector<composing::Part> parts = composing::parts_of(plan_, set, selection, *scores, ranks);
  const composing::Clusters clusters(parts, set, selection, plan_.categories.size());
  ProtocolResult result;
  result.protocol = plan_.name, result.split = set.split;
  result.description = composing::describe(plan_, set, selection, parts);
  result.images = selection.images, result.captions = set.scores->cols();
  result.skipped_queries = ranks.skipped;
  result.metrics = composing::measure(set, parts, clusters, !plan_.categories.empty());
  result.ranks = {with_ids("t2i", ranks, set.y_id)};
  result.by_identity = result.composed = true;
  result.clusters = "source images";
  result.x_fold = selection.row_block, result.y_fold = selection.col_block;
  result.spread = std::max(0.0, set.spread);
  result.collapsed = composing::is_flat(ranks, selection) || (set.spread >= 0 && set.spread < kCollapsedSpread);
  return result;
}

std::vector<std::string> ComposedRetrieval::metric_names() const {
  std::vector<std::string> names;
  const auto add = [&](const std::string& start, const std::vector<int64_t>& list) {
    for (const int64_t k : list) names.push_back(concat(start, k));
  };
  add("t2i/R@", plan_.recall);
  names.insert(names.end(), {"t2i/medr", "t2i/meanr"});
  add("t2i/r_sub@", plan_.subset);
  for (const char* word : {"adjective/R@", "noun/R@"}) add(word, plan_.words);
  for (const std::string& category : plan_.categories) add(category + "/R@", plan_.recall);
  if (!plan_.categories.empty()) names.push_back("average-recall");
  return names;
}

std::string ComposedRetrieval::main_metric() const {
  return plan_.categories.empty() ? concat("t2i/R@", plan_.recall.front()) : "average-recall";
}

}  // namespace diptych

#include "eval/retrieval.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <unordered_map>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "diptych/eval/bootstrap.h"
#include "diptych/eval/ranks.h"
#include "diptych/eval/rescore.h"
#include "eval/direction_ranks.h"
#include "eval/query_kind.h"
#include "eval/repeated_rows.h"
#include "eval/resampled_metrics.h"
#include "eval/result_format.h"

namespace diptych {
namespace {

constexpr int64_t kSumOfRecalls[] = {1, 5, 10};

/// Which images and captions take part, and in which fold.
struct Selection {
  std::vector<int32_t> row_block, col_block;  // fold, or -1
  std::vector<int64_t> rows_in, cols_in;      // sizes of the folds
  int64_t captions_left_out = 0;              // beyond captions_per_image
  int64_t rows() const { return std::accumulate(rows_in.begin(), rows_in.end(), int64_t{0}); }
  int64_t cols() const { return std::accumulate(cols_in.begin(), cols_in.end(), int64_t{0}); }
};

/// One direction ready to be measured.
struct Direction {
  std::string name;
  const QueryRanks* ranks;
  std::vector<int32_t> cluster;
  int64_t gallery;  // of the smallest fold
};

void require_set_fits(const RetrievalSet& set, bool by_label) {
  const int64_t rows = set.scores->rows(), cols = set.scores->cols();
  const auto require_size = [&](const char* name, size_t size, int64_t needed, bool may_be_empty) {
    if (static_cast<int64_t>(size) != needed && !(may_be_empty && size == 0))
      throw ShapeError(concat("RetrievalSet: ", name, " has ", size, " entries for ", rows, " x ", cols, " scores"));
  };
  require_size("x_label", set.x_label.size(), rows, !by_label);
  require_size("y_label", set.y_label.size(), cols, !by_label);
  require_size("y_image", set.y_image.size(), cols, false);
  require_size("x_id", set.x_id.size(), rows, true);
  require_size("y_id", set.y_id.size(), cols, true);
  for (const int64_t image : set.y_image)
    if (image < 0 || image >= rows)
      throw ShapeError(concat("RetrievalSet: y_image ", image, " is not a row of ", rows));
}

Selection select(const RetrievalPlan& plan, const RetrievalSet& set) {
  const int64_t all = set.scores->rows(), rows = plan.first_images ? std::min(all, plan.first_images) : all;
  if (rows < plan.folds)
    throw DataError(concat("protocol ", plan.name),
                    concat(rows, " images cannot be divided into ", plan.folds, " folds"),
                    "evaluate a larger split or set a smaller evaluate.protocol.folds");
  Selection out{std::vector<int32_t>(static_cast<size_t>(all), -1),
                {},
                std::vector<int64_t>(static_cast<size_t>(plan.folds)),
                std::vector<int64_t>(static_cast<size_t>(plan.folds))};
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t fold = row * plan.folds / rows;
    out.row_block[static_cast<size_t>(row)] = static_cast<int32_t>(fold);
    ++out.rows_in[static_cast<size_t>(fold)];
  }
  std::vector<int64_t> captions(static_cast<size_t>(all));
  for (const int64_t image : set.y_image) {
    int32_t block = out.row_block[static_cast<size_t>(image)];
    if (block >= 0 && plan.captions_per_image && captions[static_cast<size_t>(image)]++ >= plan.captions_per_image) {
      block = -1;
      ++out.captions_left_out;
    }
    out.col_block.push_back(block);
    if (block >= 0) ++out.cols_in[static_cast<size_t>(block)];
  }
  return out;
}

/// The recalls to compute: those asked for, and those that rsum adds.
std::vector<int64_t> recalls(const RetrievalPlan& plan) {
  std::set<int64_t> all(plan.recall.begin(), plan.recall.end());
  if (plan.i2t) all.insert(std::begin(kSumOfRecalls), std::end(kSumOfRecalls));
  return {all.begin(), all.end()};
}

std::string size_text(int64_t images, int64_t captions) {
  return concat(with_commas(images), " images x ", with_commas(captions), " captions");
}

/// Split, sizes, scorer, relevance and tie rule in words, and whether this is what was published under the name.
std::string describe(const RetrievalPlan& plan, const RetrievalSet& set, const Selection& selection) {
  std::string out = concat(set.split, " split, ", size_text(selection.rows(), selection.cols()));
  if (plan.first_images) out += concat(" (the first ", with_commas(selection.rows()), " images)");
  if (plan.folds > 1) out += concat(", mean of ", plan.folds, " contiguous folds");
  if (selection.captions_left_out)
    out += concat(", ", with_commas(selection.captions_left_out), " captions beyond the first ",
                  plan.captions_per_image, " of an image left out");
  if (!plan.i2t) out += ", captions query images";
  if (plan.one_copy_per_caption)
    out += concat(", gallery of ", with_commas(selection.cols()), " copies, an image once for each caption");
  if (!set.scorer.empty()) out += concat(", scores: ", set.scorer);
  out += describe(set.rescore);
  out += plan.by_label ? ", relevant: same identity" : ", relevant: same image";
  out += ", ties pessimistic (of equal scores the non-relevant come first)";
  if (plan.published_images &&
      (set.split != "test" || selection.rows() != plan.published_images || selection.cols() != plan.published_captions))
    out += concat("; not the published test split of ", size_text(plan.published_images, plan.published_captions));
  return out;
}

/// Numbers the images that have a query, fold after fold.
class Clusters {
 public:
  Clusters(const Selection& selection, const std::vector<int64_t>& images_with_queries)
      : strata(selection.rows_in.size()) {
    std::vector<int64_t> images = images_with_queries;
    std::ranges::sort(images);  // rows of a fold are contiguous: this is the order of the folds
    images.erase(std::unique(images.begin(), images.end()), images.end());
    for (const int64_t image : images) {
      number_[image] = static_cast<int32_t>(number_.size());
      ++strata[static_cast<size_t>(selection.row_block[static_cast<size_t>(image)])];
    }
  }
  std::vector<int32_t> of(const std::vector<int64_t>& images) const {
    std::vector<int32_t> out;
    for (const int64_t image : images) out.push_back(number_.at(image));
    return out;
  }
  std::vector<int64_t> strata;

 private:
  std::unordered_map<int64_t, int32_t> number_;
};

QueryTable table_of(const Direction& direction, bool stable) {
  const QueryRanks& ranks = *direction.ranks;
  return {stable ? ranks.first_stable : ranks.first, stable ? ranks.positives_stable : ranks.positives, ranks.offsets,
          direction.cluster};
}

/// All metrics of all directions under one tie rule, with the sums over both directions at the end.
class AllMetrics {
 public:
  AllMetrics(const std::vector<Direction>& directions, std::span<const int64_t> strata,
             const std::vector<int64_t>& recall, const std::vector<ListMetric>& lists, bool stable)
      : recall_(recall) {
    for (const Direction& direction : directions)
      each_.emplace_back(table_of(direction, stable), strata, recall, lists);
  }
  std::vector<double> operator()(std::span<const int32_t> weights) const {
    std::vector<double> out;
    double rsum = 0;
    for (const ResampledMetrics& metrics : each_) {
      const std::vector<double> values = metrics(weights);
      for (const int64_t k : kSumOfRecalls)
        if (const auto it = std::ranges::find(recall_, k); it != recall_.end())
          rsum += values[static_cast<size_t>(it - recall_.begin())];
      out.insert(out.end(), values.begin(), values.end());
    }
    if (each_.size() == 2) out.insert(out.end(), {rsum, rsum / 6});
    return out;
  }
  const std::vector<ResampledMetrics>& each() const { return each_; }

 private:
  std::vector<int64_t> recall_;
  std::vector<ResampledMetrics> each_;
};

/// Names in the order of AllMetrics, with the K of recalls (0 for others) and the gallery.
struct Column {
  std::string name;
  int64_t k, gallery;
};
std::vector<Column> columns_of(const std::vector<Direction>& directions, const std::vector<int64_t>& recall,
                               const std::vector<ListMetric>& lists) {
  std::vector<Column> columns;
  int64_t smallest = INT64_MAX;
  for (const Direction& direction : directions) {
    const auto names = ResampledMetrics::names(recall, lists);
    for (size_t i = 0; i < names.size(); ++i)
      columns.push_back({direction.name + "/" + names[i], i < recall.size() ? recall[i] : 0, direction.gallery});
    smallest = std::min(smallest, direction.gallery);
  }
  if (directions.size() == 2)
    columns.push_back({"rsum", 10, smallest}), columns.push_back({"mean-recall", 10, smallest});
  return columns;
}

void require_queries(const RetrievalPlan& plan, const RetrievalSet& set, const Direction& direction,
                     const ResampledMetrics& metrics) {
  if (metrics.fewest_queries() > 0) return;
  const bool none = direction.ranks->query.empty();
  throw DataError(
      concat("protocol ", plan.name, " on the ", set.split, " split"),
      concat(none ? "" : "a fold has no query: ", direction.ranks->skipped, " ", direction.name,
             " queries were skipped because nothing in their gallery is relevant", none ? ", and none is left" : ""),
      plan.by_label ? "are the labels of images and captions of the same kind?" : "does every image have captions?");
}

std::vector<std::pair<std::string, Metric>> measure(const RetrievalPlan& plan, const RetrievalSet& set,
                                                    const std::vector<Direction>& directions,
                                                    const std::vector<int64_t>& strata) {
  const std::vector<int64_t> recall = recalls(plan);
  const AllMetrics pessimistic(directions, strata, recall, plan.lists, false);
  const AllMetrics stable(directions, strata, recall, plan.lists, true);
  for (size_t i = 0; i < directions.size(); ++i) require_queries(plan, set, directions[i], pessimistic.each()[i]);
  const std::vector<int32_t> once(static_cast<size_t>(std::accumulate(strata.begin(), strata.end(), int64_t{0})), 1);
  const std::vector<double> values = pessimistic(once), stable_values = stable(once);
  std::vector<Interval> intervals(values.size(), Interval{1, 0});
  if (set.bootstrap) intervals = bootstrap_intervals(strata, set.seed, pessimistic);
  std::vector<std::pair<std::string, Metric>> metrics;
  const std::vector<Column> columns = columns_of(directions, recall, plan.lists);
  for (size_t i = 0; i < columns.size(); ++i) {
    const bool sum = columns[i].name.find('/') == std::string::npos;
    if (columns[i].k && !sum && !std::ranges::count(plan.recall, columns[i].k)) continue;  // computed for rsum only
    Metric metric{values[i], stable_values[i], intervals[i].low, intervals[i].high, true, columns[i].gallery};
    if (columns[i].k > columns[i].gallery) metric = {0, 0, 1, 0, false, columns[i].gallery};
    metrics.emplace_back(columns[i].name, metric);
  }
  return metrics;
}

template <class T>
std::vector<T> pick(const std::vector<T>& values, const std::vector<int64_t>& places) {
  std::vector<T> out;
  for (const int64_t place : places) out.push_back(values[static_cast<size_t>(place)]);
  return out;
}

RankTable rank(const RetrievalPlan& plan, const RetrievalSet& set, const Selection& selection) {
  const std::vector<int64_t>& y = plan.by_label ? set.y_label : set.y_image;
  std::vector<int64_t> x(set.x_label);
  if (!plan.by_label) x.resize(static_cast<size_t>(set.scores->rows())), std::iota(x.begin(), x.end(), 0);
  std::unique_ptr<ScoreTiles> changed;
  if (set.rescore.method != Rescore::none)
    changed = rescored(*set.scores, rescoring_of(*set.scores, set.rescore, selection.row_block, selection.col_block));
  const ScoreTiles& scores = changed ? *changed : *set.scores;
  RankRequest request{&scores, {}, {}, selection.row_block, selection.col_block, /*all=*/true};
  if (plan.one_copy_per_caption) {
    const auto copies = repeated_rows(scores, set.y_image);
    request.scores = copies.get();
    request.row_block = selection.col_block;
    request.rows_of_col = equal_values(y, pick(x, set.y_image));
    return rank_by_counting(request);
  }
  request.rows_of_col = equal_values(y, x);
  if (plan.i2t) request.cols_of_row = equal_values(x, y);
  return rank_by_counting(request);
}

std::vector<Direction> directions_of(const RetrievalPlan& plan, const RetrievalSet& set, const Selection& selection,
                                     const RankTable& table, std::vector<int64_t>& strata) {
  const std::vector<int64_t> images_of_captions = pick(set.y_image, table.cols.query);
  std::vector<int64_t> images = images_of_captions;
  images.insert(images.end(), table.rows.query.begin(), table.rows.query.end());
  const Clusters clusters(selection, images);
  strata = clusters.strata;
  const int64_t columns = *std::ranges::min_element(selection.cols_in),
                rows = *std::ranges::min_element(selection.rows_in);
  std::vector<Direction> directions;
  if (plan.i2t) directions.push_back({"i2t", &table.rows, clusters.of(table.rows.query), columns});
  directions.push_back(
      {"t2i", &table.cols, clusters.of(images_of_captions), plan.one_copy_per_caption ? columns : rows});
  return directions;
}

}  // namespace

RetrievalProtocol::RetrievalProtocol(RetrievalPlan plan) : plan_(std::move(plan)) { std::ranges::sort(plan_.recall); }

ProtocolResult RetrievalProtocol::evaluate(const RetrievalSet& set) const {
  require_captions(set, plan_.name);
  require_set_fits(set, plan_.by_label);
  const Selection selection = select(plan_, set);
  const RankTable table = rank(plan_, set, selection);
  ProtocolResult result;
  result.protocol = plan_.name;
  result.description = describe(plan_, set, selection);
  result.split = set.split;
  result.rescore = set.rescore;
  result.images = selection.rows(), result.captions = selection.cols();
  result.skipped_queries = table.rows.skipped + table.cols.skipped;
  std::vector<int64_t> strata;
  const std::vector<Direction> directions = directions_of(plan_, set, selection, table, strata);
  result.metrics = measure(plan_, set, directions, strata);
  for (const Direction& direction : directions)
    result.ranks.push_back(with_ids(direction.name, *direction.ranks, direction.name == "i2t" ? set.x_id : set.y_id));
  if (plan_.one_copy_per_caption)  // copies are numbered by caption
    for (int64_t& item : result.ranks.back().positive_items) item = set.y_image[static_cast<size_t>(item)];
  result.by_identity = plan_.by_label;
  result.x_fold = selection.row_block, result.y_fold = selection.col_block;
  const bool one_score = result.images * result.captions <= 1;
  result.spread = std::max(0.0, set.spread);
  result.collapsed =
      (table.lowest == table.highest && !one_score) || (set.spread >= 0 && set.spread < kCollapsedSpread);
  return result;
}

std::vector<std::string> RetrievalProtocol::metric_names() const {
  std::vector<std::string> names;
  for (const char* direction : {"i2t/", "t2i/"})
    if (plan_.i2t || std::string_view(direction) == "t2i/")
      for (const std::string& name : ResampledMetrics::names(plan_.recall, plan_.lists))
        names.push_back(direction + name);
  if (plan_.i2t) names.insert(names.end(), {"rsum", "mean-recall"});
  return names;
}

std::string RetrievalProtocol::main_metric() const {
  return plan_.i2t ? "rsum" : concat("t2i/R@", plan_.recall.front());
}

const Metric* ProtocolResult::find(const std::string& name) const {
  const auto it = std::ranges::find(metrics, name, [](const auto& metric) { return metric.first; });
  return it == metrics.end() ? nullptr : &it->second;
}

}  // namespace diptych

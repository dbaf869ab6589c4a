#include "eval/class_zeroshot.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "diptych/eval/bootstrap.h"
#include "diptych/eval/metrics.h"
#include "diptych/eval/ranks.h"
#include "eval/direction_ranks.h"
#include "eval/query_kind.h"
#include "eval/result_format.h"

namespace diptych {

void require_class_texts(const RetrievalSet& set) {
  const auto rows = static_cast<size_t>(set.scores->rows()), cols = static_cast<size_t>(set.scores->cols());
  if (set.x_label.size() != rows || set.y_label.size() != cols || set.y_captions.size() != cols)
    throw ShapeError(concat("RetrievalSet: x_label has ", set.x_label.size(), ", y_label ", set.y_label.size(),
                            " and y_captions ", set.y_captions.size(), " entries for ", rows, " x ", cols,
                            " scores of images and class texts"));
  std::vector<int64_t> labels = set.y_label;
  std::ranges::sort(labels);
  if (const auto twice = std::ranges::adjacent_find(labels); twice != labels.end())
    throw ShapeError(concat("RetrievalSet: class ", *twice, " has two texts"));
}

namespace zeroshot {

RankTable rank(const RetrievalSet& set) {
  RankRequest request{set.scores, {}, {}, {}, {}, /*all=*/true};
  request.cols_of_row = equal_values(set.x_label, set.y_label);
  request.rows_of_col = equal_values(set.y_label, set.x_label);
  return rank_by_counting(request);
}

/// What each class contributes under one tie rule: its accuracy and its precisions at K, in percent.
class ClassMeans {
 public:
  ClassMeans(const RetrievalSet& set, const RankTable& table, const std::vector<int64_t>& k, bool stable)
      : width_(1 + k.size()), values_(table.cols.query.size() * width_) {
    std::unordered_map<int64_t, size_t> place;  // among the classes that have images
    for (size_t q = 0; q < table.cols.query.size(); ++q) {
      place[set.y_label[static_cast<size_t>(table.cols.query[q])]] = q;
      const auto begin = static_cast<size_t>(table.cols.offsets[q]),
                 end = static_cast<size_t>(table.cols.offsets[q + 1]);
      const auto& ranks = stable ? table.cols.positives_stable : table.cols.positives;
      for (size_t i = 0; i < k.size(); ++i)
        values_[q * width_ + 1 + i] =
            100 * precision_at(std::span(ranks).subspan(begin, end - begin), k[i], set.scores->rows());
    }
    std::vector<double> images(place.size());
    const auto& first = stable ? table.rows.first_stable : table.rows.first;
    for (size_t q = 0; q < first.size(); ++q) {
      const size_t at = place.at(set.x_label[static_cast<size_t>(table.rows.query[q])]);
      ++images[at];
      values_[at * width_] += first[q] == 1 ? 100 : 0;
    }
    for (size_t at = 0; at < images.size(); ++at) values_[at * width_] /= images[at];
  }
  std::vector<double> operator()(std::span<const int32_t> weights) const {
    std::vector<double> out(width_);
    for (size_t at = 0; at < weights.size(); ++at)
      for (size_t i = 0; i < width_; ++i) out[i] += weights[at] * values_[at * width_ + i];
    const auto total = static_cast<double>(std::accumulate(weights.begin(), weights.end(), int64_t{0}));
    for (double& each : out) each /= total;
    return out;
  }

 private:
  size_t width_;
  std::vector<double> values_;  // [classes, 1 + K]
};

std::string describe(const ClassPlan& plan, const RetrievalSet& set) {
  const auto captions = std::accumulate(set.y_captions.begin(), set.y_captions.end(), int64_t{0});
  std::string out =
      concat(set.split, " split, ", with_commas(set.scores->rows()), " images x ", with_commas(set.scores->cols()),
             " classes, the text of a class is the mean of its captions (", with_commas(captions), " in all");
  if (plan.texts.most_captions > 0) out += concat(", at most ", plan.texts.most_captions, " of a class");
  out += ")";
  if (!set.scorer.empty()) out += concat(", scores: ", set.scorer);
  out +=
      ", class-r@1: accuracy of each class, averaged; class-ap@K: precision at K of each class's text, averaged; ties "
      "pessimistic (of equal scores the non-relevant come first)";
  if (plan.published_classes && (set.split != "test" || set.scores->cols() != plan.published_classes))
    out += concat("; not the published test split of ", plan.published_classes, " classes");
  return out;
}

}  // namespace zeroshot

ClassZeroshot::ClassZeroshot(ClassPlan plan) : plan_(std::move(plan)) { std::ranges::sort(plan_.precision); }

ProtocolResult ClassZeroshot::evaluate(const RetrievalSet& set) const {
  require_captions(set, plan_.name);
  require_class_texts(set);
  const RankTable table = zeroshot::rank(set);
  if (table.cols.query.empty())
    throw DataError(concat("protocol ", plan_.name, " on the ", set.split, " split"),
                    "no class has both text and image", "are the labels of images and captions of the same kind?");
  const zeroshot::ClassMeans pessimistic(set, table, plan_.precision, false), stable(set, table, plan_.precision, true);
  const std::vector<int32_t> once(table.cols.query.size(), 1);
  const std::vector<double> values = pessimistic(once), stable_values = stable(once);
  std::vector<Interval> intervals(values.size(), Interval{1, 0});
  const int64_t strata[] = {static_cast<int64_t>(once.size())};
  if (set.bootstrap) intervals = bootstrap_intervals(strata, set.seed, pessimistic);

  ProtocolResult result;
  result.protocol = plan_.name, result.split = set.split;
  result.description = zeroshot::describe(plan_, set);
  result.images = set.scores->rows(), result.captions = set.scores->cols();
  result.skipped_queries = table.rows.skipped + table.cols.skipped;
  const std::vector<std::string> names = metric_names();
  for (size_t i = 0; i < names.size(); ++i)
    result.metrics.emplace_back(names[i], Metric{values[i], stable_values[i], intervals[i].low, intervals[i].high, true,
                                                 i == 0 ? result.captions : result.images});
  result.ranks = {with_ids("i2t", table.rows, set.x_id), with_ids("t2i", table.cols, set.y_id)};
  result.by_identity = true, result.class_texts = plan_.texts;
  result.clusters = "classes";
  result.x_fold.assign(static_cast<size_t>(result.images), 0), result.y_fold.assign(set.y_label.size(), 0);
  result.spread = std::max(0.0, set.spread);
  result.collapsed = (table.lowest == table.highest && result.images * result.captions > 1) ||
                     (set.spread >= 0 && set.spread < kCollapsedSpread);
  return result;
}

std::vector<std::string> ClassZeroshot::metric_names() const {
  std::vector<std::string> names{"i2t/class-r@1"};
  for (const int64_t k : plan_.precision) names.push_back(concat("t2i/class-ap@", k));
  return names;
}

}  // namespace diptych

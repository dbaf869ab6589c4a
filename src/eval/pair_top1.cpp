#include "eval/pair_top1.h"

#include <algorithm>
#include <array>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "diptych/eval/bootstrap.h"
#include "diptych/eval/ranks.h"
#include "eval/class_zeroshot.h"
#include "eval/direction_ranks.h"
#include "eval/label_words.h"
#include "eval/query_kind.h"
#include "eval/resampled_metrics.h"
#include "eval/result_format.h"

namespace diptych {
namespace unseen {

constexpr const char* kName = "mit-states-unseen";
constexpr int64_t kFirst[] = {1};

/// Attributes and objects of images and of pairs, as numbers.
struct Words {
  std::vector<int64_t> x, y;
};
Words words_of(const RetrievalSet& set, size_t word) {
  LabelWords words(set.label_names, word, concat("protocol ", kName, " on the ", set.split, " split"));
  return {words.of(set.x_label), words.of(set.y_label)};
}

/// The rank of the best pair that has the right word.
QueryRanks rank_by(const RetrievalSet& set, const Words& words) {
  RankRequest request{set.scores, equal_values(words.x, words.y), {}, {}, {}, /*all=*/false};
  return rank_by_counting(request).rows;
}

/// The rank of the right pair among those of its object.
QueryRanks rank_within(const RetrievalSet& set, const Words& objects) {
  RankRequest request{set.scores, equal_values(set.x_label, set.y_label), {}, {}, {}, /*all=*/false};
  request.row_block.assign(objects.x.begin(), objects.x.end());
  request.col_block.assign(objects.y.begin(), objects.y.end());
  return rank_by_counting(request).rows;
}

/// Share of rank 1 as a function of how often each image was drawn.
class Shares {
 public:
  Shares(const std::vector<QueryRanks>& parts, int64_t images, bool stable) {
    const int64_t strata[] = {images};
    for (const QueryRanks& ranks : parts) {
      const std::vector<int32_t> image(ranks.query.begin(), ranks.query.end());
      each_.emplace_back(QueryTable{stable ? ranks.first_stable : ranks.first, {}, {}, image}, strata, kFirst,
                         std::span<const ListMetric>{});
    }
  }
  std::vector<double> operator()(std::span<const int32_t> weights) const {
    std::vector<double> out;
    for (const ResampledMetrics& metrics : each_) out.push_back(metrics(weights).front());
    return out;
  }

 private:
  std::vector<ResampledMetrics> each_;
};

std::string describe(const RetrievalSet& set) {
  std::string out = concat(set.split, " split, ", with_commas(set.scores->rows()), " images x ",
                           with_commas(set.scores->cols()), " pairs of attribute and object (closed world)");
  if (!set.scorer.empty()) out += concat(", scores: ", set.scorer);
  return out +
         ", an image goes to the pair with the highest score: pair, attribute or object right; object-oracle: the "
         "best of the pairs with the right object; ties pessimistic (of equal scores the wrong come first)";
}

}  // namespace unseen

ProtocolResult PairTop1::evaluate(const RetrievalSet& set) const {
  require_captions(set, unseen::kName);
  require_class_texts(set);
  const unseen::Words attributes = unseen::words_of(set, 0), objects = unseen::words_of(set, 1);
  RankRequest request{set.scores, {}, {}, {}, {}, /*all=*/true};
  request.cols_of_row = equal_values(set.x_label, set.y_label);
  request.rows_of_col = equal_values(set.y_label, set.x_label);
  const RankTable table = rank_by_counting(request);
  if (table.rows.query.empty())
    throw DataError(concat("protocol ", unseen::kName, " on the ", set.split, " split"),
                    "no image has a pair among the candidates",
                    "are the labels of images and captions of the same kind?");
  const std::vector<QueryRanks> parts{table.rows, unseen::rank_by(set, attributes), unseen::rank_by(set, objects),
                                      unseen::rank_within(set, objects)};
  const unseen::Shares pessimistic(parts, set.scores->rows(), false), stable(parts, set.scores->rows(), true);
  const std::vector<int32_t> once(static_cast<size_t>(set.scores->rows()), 1);
  const std::vector<double> values = pessimistic(once), stable_values = stable(once);
  std::vector<Interval> intervals(values.size(), Interval{1, 0});
  const int64_t strata[] = {set.scores->rows()};
  if (set.bootstrap) intervals = bootstrap_intervals(strata, set.seed, pessimistic);

  ProtocolResult result;
  result.protocol = unseen::kName, result.split = set.split;
  result.description = unseen::describe(set);
  result.images = set.scores->rows(), result.captions = set.scores->cols();
  result.skipped_queries = table.rows.skipped + table.cols.skipped;
  const std::vector<std::string> names = metric_names();
  for (size_t i = 0; i < names.size(); ++i)
    result.metrics.emplace_back(
        names[i], Metric{values[i], stable_values[i], intervals[i].low, intervals[i].high, true, result.captions});
  result.ranks = {with_ids("i2t", table.rows, set.x_id), with_ids("t2i", table.cols, set.y_id)};
  result.by_identity = true, result.class_texts = class_texts();
  result.x_fold.assign(static_cast<size_t>(result.images), 0), result.y_fold.assign(set.y_label.size(), 0);
  result.spread = std::max(0.0, set.spread);
  result.collapsed = (table.lowest == table.highest && result.images * result.captions > 1) ||
                     (set.spread >= 0 && set.spread < kCollapsedSpread);
  return result;
}

std::vector<std::string> PairTop1::metric_names() const {
  return {"i2t/pair-top1", "i2t/attribute-top1", "i2t/object-top1", "i2t/object-oracle"};
}

}  // namespace diptych

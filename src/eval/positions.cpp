#include "eval/positions.h"

#include <algorithm>
#include <array>
#include <map>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "diptych/eval/bootstrap.h"
#include "diptych/eval/rescore.h"
#include "eval/query_kind.h"
#include "eval/result_format.h"
#include "eval/retrieval.h"
#include "eval/sweep.h"

namespace diptych {
namespace {

constexpr const char* kDirections[] = {"i2t", "t2i", "group"};
constexpr const char* kKnownRelations[] = {"above_below", "inside_outside", "larger_smaller", "left_right"};

void require_pairs_fit(const RetrievalSet& set) {
  const auto rows = static_cast<size_t>(set.scores->rows()), cols = static_cast<size_t>(set.scores->cols());
  if (set.x_partner.empty() || std::ranges::all_of(set.x_partner, [](int64_t partner) { return partner < 0; }))
    throw DataError(concat("protocol positions on the ", set.split, " split"),
                    "no image has a partner that differs only in a relation",
                    "it needs a corpus with meta.pair and meta.relation: diptych data synth positions -o DIR");
  if (set.x_partner.size() != rows || set.x_relation.size() != rows || set.y_image.size() != cols)
    throw ShapeError(concat("RetrievalSet: x_partner has ", set.x_partner.size(), ", x_relation ",
                            set.x_relation.size(), " and y_image ", set.y_image.size(), " entries for ", rows, " x ",
                            cols, " scores"));
  for (size_t row = 0; row < rows; ++row) {
    const int64_t partner = set.x_partner[row];
    if (partner >= static_cast<int64_t>(rows) ||
        (partner >= 0 && set.x_partner[static_cast<size_t>(partner)] != static_cast<int64_t>(row)))
      throw ShapeError(concat("RetrievalSet: row ", row, " has partner ", partner, ", which is not mutual"));
  }
}

/// The pairs without their scores: relations in order of name, then by the rows of the images, then of the captions.
std::vector<OppositePair> pairs_of(const RetrievalSet& set) {
  std::vector<std::vector<int64_t>> captions(set.x_partner.size());
  for (size_t col = 0; col < set.y_image.size(); ++col)
    captions[static_cast<size_t>(set.y_image[col])].push_back(static_cast<int64_t>(col));
  std::vector<OppositePair> pairs;
  for (size_t row = 0; row < captions.size(); ++row) {
    const int64_t partner = set.x_partner[row];
    if (partner <= static_cast<int64_t>(row)) continue;
    const auto &own = captions[row], &other = captions[static_cast<size_t>(partner)];
    if (own.size() != other.size())
      throw ShapeError(concat("RetrievalSet: rows ", row, " and ", partner, " are partners with ", own.size(), " and ",
                              other.size(), " captions"));
    for (size_t k = 0; k < own.size(); ++k)
      pairs.push_back({set.x_relation[row], {static_cast<int64_t>(row), partner}, {own[k], other[k]}, {}});
  }
  std::ranges::stable_sort(pairs, {}, &OppositePair::relation);
  return pairs;
}

/// Reads the four scores of every pair from the tiles that hold them.
void fill_scores(std::vector<OppositePair>& pairs, const ScoreTiles& scores) {
  struct Wanted {
    int64_t row, col;
    float* score;
  };
  std::map<std::pair<int64_t, int64_t>, std::vector<Wanted>> of_tile;
  for (OppositePair& pair : pairs)
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 2; ++j)
        of_tile[{pair.image[i] / ScoreTiles::kTileRows, pair.caption[j] / ScoreTiles::kTileCols}].push_back(
            {pair.image[i], pair.caption[j], &pair.score[i][j]});
  const auto wanted = [&](int64_t row_strip, int64_t col_strip) { return of_tile.contains({row_strip, col_strip}); };
  sweep(scores, wanted, [&](int64_t, const Tile& tile) {
    for (const Wanted& each : of_tile.at({tile.row / ScoreTiles::kTileRows, tile.col / ScoreTiles::kTileCols})) {
      *each.score = tile.at(each.row - tile.row, each.col - tile.col);
    }
  });
}

/// 1 for every right choice of a pair, under one tie rule.
struct Choices {
  std::array<double, 3> right{};  // i2t and t2i: of 2; group: of 1
};
Choices choices_of(const OppositePair& pair, bool stable) {
  // The stable rule gives a tie to the lower index: a's own item when a stands before b.
  const auto wins = [&](float own, float other, int64_t own_index, int64_t other_index) {
    return own > other || (stable && own == other && own_index < other_index);
  };
  Choices out;
  for (int side = 0; side < 2; ++side) {
    const float own = pair.score[side][side];
    out.right[0] += wins(own, pair.score[side][1 - side], pair.caption[side], pair.caption[1 - side]);
    out.right[1] += wins(own, pair.score[1 - side][side], pair.image[side], pair.image[1 - side]);
  }
  out.right[2] = out.right[0] + out.right[1] == 4;
  return out;
}

/// Sums over pairs of images (clusters), so that a resample is one pass over them.
class Accuracies {
 public:
  Accuracies(const std::vector<OppositePair>& pairs, bool stable) {
    for (size_t i = 0; i < pairs.size(); ++i) {
      if (i == 0 || pairs[i].relation != pairs[i - 1].relation)
        relations_.push_back(pairs[i].relation), strata_.push_back(0);
      if (i == 0 || pairs[i].image[0] != pairs[i - 1].image[0])
        clusters_.push_back({relations_.size() - 1, {}, 0}), ++strata_.back();
      const Choices choices = choices_of(pairs[i], stable);
      for (size_t d = 0; d < 3; ++d) clusters_.back().right[d] += choices.right[d];
      ++clusters_.back().pairs;
    }
  }
  const std::vector<std::string>& relations() const { return relations_; }
  const std::vector<int64_t>& strata() const { return strata_; }
  size_t clusters() const { return clusters_.size(); }

  /// Percent: by direction, relations and then all; pair-accuracy at the end.
  std::vector<double> operator()(std::span<const int32_t> weights) const {
    const size_t width = relations_.size() + 1;
    std::vector<double> right(3 * width), asked(3 * width);
    for (size_t c = 0; c < clusters_.size(); ++c)
      for (size_t d = 0; d < 3; ++d)
        for (const size_t column : {clusters_[c].relation, width - 1}) {
          right[d * width + column] += weights[c] * clusters_[c].right[d];
          asked[d * width + column] += weights[c] * clusters_[c].pairs * (d == 2 ? 1.0 : 2.0);
        }
    std::vector<double> percent;
    for (size_t i = 0; i < right.size(); ++i) percent.push_back(100 * right[i] / asked[i]);
    percent.push_back((percent[width - 1] + percent[2 * width - 1]) / 2);
    return percent;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const char* direction : kDirections) {
      for (const std::string& relation : relations_) out.push_back(concat(direction, "/", relation));
      out.push_back(concat(direction, "/all"));
    }
    out.push_back("pair-accuracy");
    return out;
  }

 private:
  struct Cluster {
    size_t relation;
    std::array<double, 3> right;
    double pairs;
  };
  std::vector<std::string> relations_;
  std::vector<int64_t> strata_;
  std::vector<Cluster> clusters_;
};

std::vector<std::pair<std::string, Metric>> measure_pairs(const std::vector<OppositePair>& pairs,
                                                          const RetrievalSet& set) {
  const Accuracies pessimistic(pairs, false), stable(pairs, true);
  const std::vector<int32_t> once(pessimistic.clusters(), 1);
  const std::vector<double> values = pessimistic(once), stable_values = stable(once);
  std::vector<Interval> intervals(values.size(), Interval{1, 0});
  if (set.bootstrap) intervals = bootstrap_intervals(pessimistic.strata(), set.seed, pessimistic);
  std::vector<std::pair<std::string, Metric>> metrics;
  const std::vector<std::string> names = pessimistic.names();
  for (size_t i = 0; i < names.size(); ++i)
    metrics.emplace_back(names[i], Metric{values[i], stable_values[i], intervals[i].low, intervals[i].high, true, 2});
  return metrics;
}

}  // namespace

bool OppositePair::all_right() const {
  return image_is_right(0) && image_is_right(1) && caption_is_right(0) && caption_is_right(1);
}

ProtocolResult PositionsProtocol::evaluate(const RetrievalSet& set) const {
  require_captions(set, "positions");
  require_pairs_fit(set);
  RetrievalSet plain = set;
  plain.bootstrap = false;
  RetrievalPlan plan;
  plan.name = "positions", plan.recall = {1};
  ProtocolResult result = RetrievalProtocol(plan).evaluate(plain);  // ranks among all, for galleries
  result.opposites = pairs_of(set);
  if (set.rescore.method == Rescore::none)
    fill_scores(result.opposites, *set.scores);
  else
    fill_scores(result.opposites, *rescored(*set.scores, rescoring_of(*set.scores, set.rescore)));
  const auto partners = std::ranges::count_if(set.x_partner, [](int64_t partner) { return partner >= 0; });
  result.description = concat(
      set.split, " split, ", with_commas(partners / 2), " pairs of images x ",
      with_commas(static_cast<int64_t>(result.opposites.size())), " pairs of captions that differ only in a relation",
      set.scorer.empty() ? "" : ", scores: " + set.scorer, describe(set.rescore),
      ", the right one of two (i2t: image chooses caption, t2i: caption chooses image; chance 50 %), group: all four "
      "right (chance 16.7 %), ties wrong");
  result.metrics = measure_pairs(result.opposites, set);
  result.clusters = "pairs of images";
  return result;
}

std::vector<std::string> PositionsProtocol::metric_names() const {
  std::vector<std::string> names;
  for (const char* direction : kDirections) {
    for (const char* relation : kKnownRelations) names.push_back(concat(direction, "/", relation));
    names.push_back(concat(direction, "/all"));
  }
  names.push_back("pair-accuracy");
  return names;
}

}  // namespace diptych

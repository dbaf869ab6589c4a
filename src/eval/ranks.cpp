#include "diptych/eval/ranks.h"

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>
#include <unordered_map>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "eval/coarse_counting.h"
#include "eval/count_kernels.h"
#include "eval/sweep.h"
#include "eval/tally.h"

namespace diptych {
namespace {

using Blocks = std::vector<int32_t>;

Pairs pairs_in_block(const IndexLists& relevant, const Blocks& query_block, const Blocks& item_block) {
  Pairs pairs;
  std::vector<int64_t> list;
  for (int64_t q = 0; q < relevant.size(); ++q) {
    list.clear();
    const int32_t block = query_block[static_cast<size_t>(q)];
    for (const int64_t item : relevant[q])
      if (block >= 0 && item_block[static_cast<size_t>(item)] == block) list.push_back(item);
    pairs.item.add(list);
  }
  pairs.score.resize(pairs.item.items.size());
  return pairs;
}

/// Only the pair of the highest score, of equal scores the one of the lowest index.
Pairs best_pairs(const Pairs& pairs) {
  Pairs best;
  for (int64_t q = 0; q < pairs.item.size(); ++q) {
    const auto begin = pairs.score.begin() + static_cast<int64_t>(pairs.begin(q));
    const auto end = pairs.score.begin() + static_cast<int64_t>(pairs.end(q));
    if (begin == end) {
      best.item.add({});
      continue;
    }
    const auto top = std::max_element(begin, end);
    best.score.push_back(*top);
    best.item.add({&pairs.item.items[static_cast<size_t>(top - pairs.score.begin())], 1});
  }
  return best;
}

/// Calls visit(pair, place among [begin, end)) for the pairs of a query whose item is in [begin, end).
template <class Visit>
void for_items_between(const Pairs& pairs, int64_t query, int64_t begin, int64_t end, Visit visit) {
  const auto items = pairs.item[query];
  auto it = std::lower_bound(items.begin(), items.end(), begin);
  for (; it != items.end() && *it < end; ++it)
    visit(pairs.begin(query) + static_cast<size_t>(it - items.begin()), *it - begin);
}

/// Columns of one column strip that belong to one block.
struct Group {
  int32_t block;
  std::vector<int32_t> cols;  // within the strip
  bool whole;                 // cols are all columns of the strip
};

std::vector<std::vector<Group>> groups_of_strips(const ScoreTiles& scores, const Blocks& col_block) {
  std::vector<std::vector<Group>> strips;
  for (int64_t begin = 0; begin < scores.cols(); begin += ScoreTiles::kTileCols) {
    const int64_t count = std::min(ScoreTiles::kTileCols, scores.cols() - begin);
    std::map<int32_t, std::vector<int32_t>> blocks;
    for (int64_t j = 0; j < count; ++j)
      if (const int32_t block = col_block[static_cast<size_t>(begin + j)]; block >= 0)
        blocks[block].push_back(static_cast<int32_t>(j));
    auto& groups = strips.emplace_back();
    for (auto& [block, cols] : blocks) {
      const bool whole = static_cast<int64_t>(cols.size()) == count;
      groups.push_back({block, std::move(cols), whole});
    }
  }
  return strips;
}

/// For every strip of rows and of columns, whether they share a block.
std::vector<bool> strips_that_meet(const ScoreTiles& scores, const Blocks& row_block,
                                   const std::vector<std::vector<Group>>& groups) {
  std::vector<bool> meet;
  for (int64_t begin = 0; begin < scores.rows(); begin += ScoreTiles::kTileRows) {
    const auto first = row_block.begin() + begin;
    const auto last = row_block.begin() + std::min(begin + ScoreTiles::kTileRows, scores.rows());
    for (const auto& strip : groups)
      meet.push_back(
          std::ranges::any_of(strip, [&](const Group& group) { return std::count(first, last, group.block) > 0; }));
  }
  return meet;
}

[[noreturn]] void throw_not_finite(int64_t row, int64_t col, float score) {
  throw NumericError("scores",
                     concat("the score of row ", row, " (x) and column ", col, " (y) is not finite (", score, ")"),
                     "no rank can be trusted: look for the step whose loss or weights became NaN or infinite");
}

/// Both sweeps over the tiles.
class Counting {
 public:
  Counting(const ScoreTiles& scores, const Blocks& row_block, const Blocks& col_block, Pairs& row_pairs,
           Pairs& col_pairs)
      : scores_(scores),
        row_block_(row_block),
        row_pairs_(row_pairs),
        col_pairs_(col_pairs),
        groups_(groups_of_strips(scores, col_block)),
        meet_(strips_that_meet(scores, row_block, groups_)) {}

  /// First sweep: the scores of all relevant pairs, from the tiles that hold any.
  void read_pair_scores() {
    const std::vector<bool> holds = strips_with_pairs();
    sweep(
        scores_, [&](int64_t i, int64_t j) { return holds[place(i, j)]; },
        [&](int64_t, const Tile& tile) {
          for_pairs(tile, [&](Pairs& pairs, size_t pair, int64_t i, int64_t j) {
            pairs.score[pair] = tile.at(i, j);
            if (!std::isfinite(tile.at(i, j))) throw_not_finite(tile.row + i, tile.col + j, tile.at(i, j));
          });
        });
  }

  /// Second sweep: tallies of the pairs in `rows` and `cols` (all pairs, or the best of each query).
  Tallies count(const Pairs& rows, const Pairs& cols) {
    const auto workers = static_cast<size_t>(sweep_workers(scores_));
    Tallies out;
    out.rows.resize(rows.item.items.size());
    row_tally_ = out.rows;
    std::vector<Worker> state(workers);
    for (Worker& worker : state) worker.col_tally.resize(cols.item.items.size());
    sweep(
        scores_, [&](int64_t i, int64_t j) { return meet_[place(i, j)]; },
        [&](int64_t worker, const Tile& tile) { count_tile(tile, rows, cols, state[static_cast<size_t>(worker)]); });
    merge(state, out);
    return out;
  }

 private:
  struct Worker {
    std::vector<Tally> col_tally;  // a column meets all row strips, hence all workers
    KeyRange range;
    std::vector<float> row;         // the columns of a group
    std::vector<float> thresholds;  // [layers, columns of the group]
    std::vector<int32_t> above, at_least;
  };

  size_t place(int64_t row_strip, int64_t col_strip) const {
    return static_cast<size_t>(row_strip * col_strips(scores_) + col_strip);
  }

  std::vector<bool> strips_with_pairs() const {
    std::vector<bool> holds(meet_.size());
    for (int64_t row = 0; row < row_pairs_.item.size(); ++row)
      for (const int64_t col : row_pairs_.item[row])
        holds[place(row / ScoreTiles::kTileRows, col / ScoreTiles::kTileCols)] = true;
    for (int64_t col = 0; col < col_pairs_.item.size(); ++col)
      for (const int64_t row : col_pairs_.item[col])
        holds[place(row / ScoreTiles::kTileRows, col / ScoreTiles::kTileCols)] = true;
    return holds;
  }

  /// visit(pairs, pair, row in the tile, column in the tile) for every relevant pair of either direction in the tile.
  template <class Visit>
  void for_pairs(const Tile& tile, Visit visit) const {
    if (row_pairs_.item.size())
      for (int64_t i = 0; i < tile.row_count; ++i)
        for_items_between(row_pairs_, tile.row + i, tile.col, tile.col + tile.col_count,
                          [&](size_t pair, int64_t j) { visit(row_pairs_, pair, i, j); });
    if (col_pairs_.item.size())
      for (int64_t j = 0; j < tile.col_count; ++j)
        for_items_between(col_pairs_, tile.col + j, tile.row, tile.row + tile.row_count,
                          [&](size_t pair, int64_t i) { visit(col_pairs_, pair, i, j); });
  }

  void count_tile(const Tile& tile, const Pairs& rows, const Pairs& cols, Worker& worker) {
    for_pairs(tile, [&](const Pairs& pairs, size_t pair, int64_t i, int64_t j) {
      if (std::bit_cast<uint32_t>(pairs.score[pair]) != std::bit_cast<uint32_t>(tile.at(i, j)))
        throw Error(ErrorClass::bug, "scores",
                    concat("the tile of row ", tile.row + i, ", column ", tile.col + j, " changed its bits: ",
                           pairs.score[pair], " in the first sweep, ", tile.at(i, j), " in the second"));
    });
    for (const Group& group : groups_[static_cast<size_t>(tile.col / ScoreTiles::kTileCols)])
      count_group(tile, group, rows, cols, worker);
  }

  void count_group(const Tile& tile, const Group& group, const Pairs& rows, const Pairs& cols, Worker& worker) {
    const size_t layers = fill_thresholds(tile, group, cols, worker);
    const size_t width = group.cols.size();
    for (int64_t i = 0; i < tile.row_count; ++i) {
      if (row_block_[static_cast<size_t>(tile.row + i)] != group.block) continue;
      const float* row = columns_of_group(tile.row_scores(i), group, worker);
      extend(worker.range, row, static_cast<int64_t>(width));
      if (!worker.range.finite()) find_not_finite(tile, i, group);
      if (rows.item.size()) count_row_of(tile, i, group, row, rows);
      for (size_t layer = 0; layer < layers; ++layer)
        count_columns(row, &worker.thresholds[layer * width], &worker.above[layer * width],
                      &worker.at_least[layer * width], static_cast<int64_t>(width));
    }
    add_columns(tile, group, cols, layers, worker);
  }

  static const float* columns_of_group(const float* row, const Group& group, Worker& worker) {
    if (group.whole) return row;
    worker.row.resize(group.cols.size());
    std::ranges::transform(group.cols, worker.row.begin(), [&](int32_t j) { return row[j]; });
    return worker.row.data();
  }

  void count_row_of(const Tile& tile, int64_t i, const Group& group, const float* row, const Pairs& rows) {
    const int64_t query = tile.row + i, width = static_cast<int64_t>(group.cols.size());
    for (size_t pair = rows.begin(query); pair < rows.end(query); ++pair) {
      const auto [above, at_least] = count_row(row, width, rows.score[pair]);
      int32_t before = 0;
      if (at_least > above)
        for (int64_t j = 0; j < width && tile.col + group.cols[static_cast<size_t>(j)] < rows.item.items[pair]; ++j)
          before += row[j] == rows.score[pair];
      row_tally_[pair] += {above, at_least, before};
    }
  }

  /// The n-th layer holds the score of the n-th pair of each column, and infinity (nothing to count) after its last.
  static size_t fill_thresholds(const Tile& tile, const Group& group, const Pairs& cols, Worker& worker) {
    if (!cols.item.size()) return 0;
    const size_t width = group.cols.size();
    size_t layers = 0;
    for (const int32_t j : group.cols) layers = std::max(layers, cols.item[tile.col + j].size());
    worker.thresholds.assign(layers * width, std::numeric_limits<float>::infinity());
    worker.above.assign(layers * width, 0), worker.at_least.assign(layers * width, 0);
    for (size_t j = 0; j < width; ++j) {
      const int64_t query = tile.col + group.cols[j];
      for (size_t layer = 0; layer < cols.item[query].size(); ++layer)
        worker.thresholds[layer * width + j] = cols.score[cols.begin(query) + layer];
    }
    return layers;
  }

  void add_columns(const Tile& tile, const Group& group, const Pairs& cols, size_t layers, Worker& worker) const {
    const size_t width = group.cols.size();
    for (size_t layer = 0; layer < layers; ++layer)
      for (size_t j = 0; j < width; ++j) {
        const int64_t query = tile.col + group.cols[j];
        if (layer >= cols.item[query].size()) continue;
        const size_t pair = cols.begin(query) + layer;
        const int32_t above = worker.above[layer * width + j], at_least = worker.at_least[layer * width + j];
        const int32_t before = at_least > above ? ties_before(tile, group, cols, pair, group.cols[j]) : 0;
        worker.col_tally[pair] += {above, at_least, before};
      }
  }

  int32_t ties_before(const Tile& tile, const Group& group, const Pairs& cols, size_t pair, int64_t j) const {
    int32_t before = 0;
    for (int64_t i = 0; i < tile.row_count && tile.row + i < cols.item.items[pair]; ++i)
      before += row_block_[static_cast<size_t>(tile.row + i)] == group.block && tile.at(i, j) == cols.score[pair];
    return before;
  }

  static void find_not_finite(const Tile& tile, int64_t i, const Group& group) {
    for (const int32_t j : group.cols)
      if (!std::isfinite(tile.at(i, j))) throw_not_finite(tile.row + i, tile.col + j, tile.at(i, j));
  }

  static void merge(const std::vector<Worker>& state, Tallies& out) {
    out.cols.assign(state.front().col_tally.size(), {});
    KeyRange range;
    for (const Worker& worker : state) {
      for (size_t pair = 0; pair < out.cols.size(); ++pair) out.cols[pair] += worker.col_tally[pair];
      range.lowest = std::min(range.lowest, worker.range.lowest);
      range.highest = std::max(range.highest, worker.range.highest);
    }
    if (range.lowest <= range.highest)
      out.lowest = value_of_key(range.lowest), out.highest = value_of_key(range.highest);
  }

  const ScoreTiles& scores_;
  const Blocks& row_block_;
  Pairs &row_pairs_, &col_pairs_;
  std::vector<std::vector<Group>> groups_;
  std::vector<bool> meet_;
  std::span<Tally> row_tally_;  // of the count in progress
};

/// Ranks of one counted pair from its tally and the query's relevant pairs.
struct PairRank {
  int32_t pessimistic, stable, tied;  // tied: non-relevant items of the same score
  int64_t item;
  float score;
};
PairRank rank_of(const Tally& tally, float score, int64_t item, const Pairs& pairs, int64_t query) {
  int32_t relevant = 0, relevant_before = 0;  // of the same score; the item itself counts as relevant
  for (size_t pair = pairs.begin(query); pair < pairs.end(query); ++pair) {
    if (pairs.score[pair] != score) continue;
    ++relevant;
    relevant_before += pairs.item.items[pair] < item;
  }
  return {1 + tally.at_least - relevant + relevant_before, 1 + tally.above + tally.tied_before,
          tally.at_least - tally.above - relevant, item, score};
}

/// counted: all pairs, or the best pair of each query.
QueryRanks ranks_of(const Pairs& pairs, const Pairs& counted, const std::vector<Tally>& tallies, const Blocks& block,
                    bool all) {
  QueryRanks out;
  if (all) out.offsets.push_back(0);
  std::vector<PairRank> ranks;
  std::vector<int32_t> stable;
  for (int64_t q = 0; q < pairs.item.size(); ++q) {
    if (counted.item[q].empty()) {
      out.skipped += block[static_cast<size_t>(q)] >= 0;
      continue;
    }
    ranks.clear(), stable.clear();
    for (size_t pair = counted.begin(q); pair < counted.end(q); ++pair) {
      ranks.push_back(rank_of(tallies[pair], counted.score[pair], counted.item.items[pair], pairs, q));
      stable.push_back(ranks.back().stable);
    }
    std::ranges::sort(ranks, {}, &PairRank::pessimistic), std::ranges::sort(stable);
    out.query.push_back(q);
    out.first.push_back(ranks.front().pessimistic), out.first_stable.push_back(stable.front());
    out.first_tied.push_back(ranks.front().tied);
    if (!all) continue;
    for (const PairRank& rank : ranks) {
      out.positives.push_back(rank.pessimistic);
      out.positive_items.push_back(rank.item), out.positive_scores.push_back(rank.score);
    }
    out.positives_stable.insert(out.positives_stable.end(), stable.begin(), stable.end());
    out.offsets.push_back(static_cast<int32_t>(out.positives.size()));
  }
  return out;
}

void require_fit(const IndexLists& lists, int64_t queries, int64_t items, const char* name) {
  if (lists.size() && lists.size() != queries)
    throw ShapeError(concat("rank_by_counting: ", name, " has ", lists.size(), " lists for ", queries, " queries"));
  for (int64_t q = 0; q < lists.size(); ++q) {
    int64_t last = -1;
    for (const int64_t item : lists[q]) {
      if (item <= last || item >= items)
        throw ShapeError(
            concat("rank_by_counting: ", name, ", list ", q, ": ", item, " is not ascending in [0, ", items, ")"));
      last = item;
    }
  }
}

Blocks blocks_or_zero(const Blocks& given, int64_t count, const char* name) {
  if (given.empty()) return Blocks(static_cast<size_t>(count), 0);
  if (static_cast<int64_t>(given.size()) != count)
    throw ShapeError(concat("rank_by_counting: ", name, " has ", given.size(), " entries for ", count));
  return given;
}

}  // namespace

void IndexLists::add(std::span<const int64_t> list) {
  items.insert(items.end(), list.begin(), list.end());
  offsets.push_back(static_cast<int64_t>(items.size()));
}

IndexLists equal_values(const std::vector<int64_t>& query, const std::vector<int64_t>& other) {
  std::unordered_map<int64_t, std::vector<int64_t>> places;
  for (size_t i = 0; i < other.size(); ++i) places[other[i]].push_back(static_cast<int64_t>(i));
  IndexLists lists;
  for (const int64_t value : query) {
    const auto it = places.find(value);
    lists.add(it == places.end() ? std::span<const int64_t>() : std::span<const int64_t>(it->second));
  }
  return lists;
}

RankTable rank_by_counting(const RankRequest& request) {
  const ScoreTiles& scores = *request.scores;
  require_fit(request.cols_of_row, scores.rows(), scores.cols(), "cols_of_row");
  require_fit(request.rows_of_col, scores.cols(), scores.rows(), "rows_of_col");
  const Blocks row_block = blocks_or_zero(request.row_block, scores.rows(), "row_block");
  const Blocks col_block = blocks_or_zero(request.col_block, scores.cols(), "col_block");
  Pairs rows = pairs_in_block(request.cols_of_row, row_block, col_block);
  Pairs cols = pairs_in_block(request.rows_of_col, col_block, row_block);
  const bool one_block = std::ranges::all_of(row_block, [](int32_t block) { return block == 0; }) &&
                         std::ranges::all_of(col_block, [](int32_t block) { return block == 0; });
  const auto counted = [&](const Pairs& pairs) { return request.all ? pairs : best_pairs(pairs); };
  const auto table = [&](const Pairs& counted_rows, const Pairs& counted_cols, const Tallies& counts) {
    return RankTable{ranks_of(rows, counted_rows, counts.rows, row_block, request.all),
                     ranks_of(cols, counted_cols, counts.cols, col_block, request.all), counts.lowest, counts.highest};
  };
  if (scores.coarse() && one_block) {
    read_pair_scores(*scores.coarse(), rows, cols);
    const Pairs counted_rows = counted(rows), counted_cols = counted(cols);
    if (const auto counts = count_coarsely(*scores.coarse(), sweep_workers(scores), counted_rows, counted_cols))
      return table(counted_rows, counted_cols, *counts);
  }
  Counting counting(scores, row_block, col_block, rows, cols);
  counting.read_pair_scores();
  const Pairs counted_rows = counted(rows), counted_cols = counted(cols);
  return table(counted_rows, counted_cols, counting.count(counted_rows, counted_cols));
}

}  // namespace diptych

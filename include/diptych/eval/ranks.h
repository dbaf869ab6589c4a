#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "diptych/eval/protocol.h"

namespace diptych {

/// Lists of indices, one for each query, in one array.
struct IndexLists {
  std::vector<int64_t> offsets{0}, items;
  int64_t size() const { return static_cast<int64_t>(offsets.size()) - 1; }
  std::span<const int64_t> operator[](int64_t query) const {
    const auto begin = static_cast<size_t>(offsets[static_cast<size_t>(query)]);
    return {items.data() + begin, static_cast<size_t>(offsets[static_cast<size_t>(query) + 1]) - begin};
  }
  void add(std::span<const int64_t> list);
};

/// Relevance as lists, ascending: who of `other` carries the same value as each of `query`. Values are labels or image
/// numbers; with query = 0, 1, ..., N-1 and other = y_image it is "the captions of each image".
IndexLists equal_values(const std::vector<int64_t>& query, const std::vector<int64_t>& other);

/// What to rank. Rows and columns may be left out or divided into blocks (folds): a row meets only the columns of its
/// own block, and -1 leaves out. Scores keep the bits that they have in the whole matrix.
struct RankRequest {
  const ScoreTiles* scores = nullptr;
  IndexLists cols_of_row;                     // relevant columns of each row, ascending; no lists: rows do not query
  IndexLists rows_of_col;                     // relevant rows of each column, ascending; no lists: columns do not query
  std::vector<int32_t> row_block, col_block;  // empty: all in block 0
  bool all = false;                           // ranks of all relevant items, not only of the best
};

/// Ranks (1-based) of one direction, for the queries that have a relevant item in their block, in ascending order.
struct QueryRanks {
  std::vector<int64_t> query;                // row or column
  std::vector<int32_t> first, first_stable;  // of the best relevant item
  std::vector<int32_t> first_tied;           // non-relevant items with exactly the score of the best relevant item
  std::vector<int32_t> offsets;              // positives of query q: [offsets[q], offsets[q + 1]); empty unless `all`
  std::vector<int32_t> positives, positives_stable;  // ranks of the relevant items, ascending within a query
  std::vector<int64_t> positive_items;  // which item has the (pessimistic) rank that stands at its place in `positives`
  std::vector<float> positive_scores;   // and with which score
  int64_t skipped = 0;                  // queries of some block that had no relevant item in it
};

struct RankTable {
  QueryRanks rows, cols;
  float lowest = 0, highest = 0;  // of all scores that took part; equal: the model tells nothing apart
};

/// Ranks by counting, never by sorting (methods.md 2.1). For a relevant item g with score s_g and relevance y:
///
///   pessimistic  1 + #(s > s_g) + #(s = s_g, y = 0) + #(s = s_g, y = 1, index < g)
///   stable       1 + #(s > s_g) + #(s = s_g, index < g)
///
/// Equality is exact on float32. Where the scores have a coarse form and one block (ScoreTiles::coarse), the scores are
/// its fine ones and nearly all comparisons are decided in bfloat16; `lowest` and `highest` are then rounded to it.
/// Otherwise one sweep over the tiles that hold relevant pairs reads s_g from the tile's own bits,
/// a second sweep over all tiles counts both directions while the tile is in cache and asserts the same bits again.
/// Memory: the lists, 12 bytes for each relevant pair and thread, one tile for each thread.
///
/// throws NumericError for a non-finite score (with its place), ShapeError if lists or blocks do not fit the scores
RankTable rank_by_counting(const RankRequest& request);

}  // namespace diptych

#include "eval/subset_ranks.h"

#include <algorithm>
#include <set>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "eval/sweep.h"

namespace diptych {
namespace subsets {

/// Of each query: the rows of its subset that it ranks, ascending; none where no answer is among them.
IndexLists candidates(const RetrievalSet& set, const IndexLists& left_out, const std::vector<int32_t>& row_block) {
  IndexLists out;
  for (int64_t q = 0; q < left_out.size(); ++q) {
    const auto query = static_cast<size_t>(q);
    std::set<int64_t> rows;
    bool answered = false;
    for (const int64_t row : set.y_query[query].subset) {
      if (row < 0 || row >= static_cast<int64_t>(row_block.size()))
        throw ShapeError(
            concat("RetrievalSet: the subset of query ", q, " holds ", row, ", not a row of ", row_block.size()));
      if (row_block[static_cast<size_t>(row)] < 0 || std::ranges::binary_search(left_out[q], row)) continue;
      rows.insert(row);
      answered = answered || set.x_label[static_cast<size_t>(row)] == set.y_label[query];
    }
    if (!answered) rows.clear();
    out.add(std::vector<int64_t>(rows.begin(), rows.end()));
  }
  return out;
}

/// The scores of the listed cells, in the order of the lists, from the tiles that hold any.
std::vector<float> read_cells(const ScoreTiles& scores, const IndexLists& rows_of_col) {
  std::vector<bool> holds(static_cast<size_t>(row_strips(scores) * col_strips(scores)));
  const auto strip = [&](int64_t i, int64_t j) { return static_cast<size_t>(i * col_strips(scores) + j); };
  for (int64_t col = 0; col < rows_of_col.size(); ++col)
    for (const int64_t row : rows_of_col[col])
      holds[strip(row / ScoreTiles::kTileRows, col / ScoreTiles::kTileCols)] = true;
  std::vector<float> out(rows_of_col.items.size());
  sweep(
      scores, [&](int64_t i, int64_t j) { return holds[strip(i, j)]; },
      [&](int64_t, const Tile& tile) {
        for (int64_t j = 0; j < tile.col_count; ++j) {
          const auto list = rows_of_col[tile.col + j];
          for (auto it = std::ranges::lower_bound(list, tile.row); it != list.end() && *it < tile.row + tile.row_count;
               ++it)
            out[static_cast<size_t>(&*it - rows_of_col.items.data())] = tile.at(*it - tile.row, j);
        }
      });
  return out;
}

/// Appends the ranks of the best answer of one query, in pessimistic and in stable order.
void add_best(const RetrievalSet& set, int64_t query, std::span<const int64_t> rows, const float* scores,
              QueryRanks& out) {
  const auto is_answer = [&](size_t i) {
    return set.x_label[static_cast<size_t>(rows[i])] == set.y_label[static_cast<size_t>(query)];
  };
  size_t best = rows.size();
  for (size_t i = 0; i < rows.size(); ++i)
    if (is_answer(i) && (best == rows.size() || scores[i] > scores[best])) best = i;
  int32_t above = 0, tied = 0, before = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    above += scores[i] > scores[best];
    tied += scores[i] == scores[best] && !is_answer(i);
    before += scores[i] == scores[best] && i < best;
  }
  out.query.push_back(query);
  out.first.push_back(1 + above + tied), out.first_stable.push_back(1 + above + before);
}

}  // namespace subsets

SubsetRanks subset_ranks(const ScoreTiles& scores, const RetrievalSet& set, const IndexLists& left_out,
                         const std::vector<int32_t>& row_block) {
  const IndexLists rows = subsets::candidates(set, left_out, row_block);
  const std::vector<float> cells = subsets::read_cells(scores, rows);
  SubsetRanks out;
  for (int64_t q = 0; q < rows.size(); ++q) {
    const auto count = static_cast<int64_t>(rows[q].size());
    if (count == 0) continue;
    out.fewest = out.ranks.query.empty() ? count : std::min(out.fewest, count);
    subsets::add_best(set, q, rows[q], &cells[static_cast<size_t>(rows.offsets[static_cast<size_t>(q)])], out.ranks);
  }
  return out;
}

}  // namespace diptych

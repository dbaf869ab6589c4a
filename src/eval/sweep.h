#pragma once
#include <cstdint>
#include <functional>

#include "diptych/eval/protocol.h"

namespace diptych {

/// One tile of scores in memory, row by row.
struct Tile {
  const float* scores;
  int64_t row, col, row_count, col_count;
  const float* row_scores(int64_t i) const { return scores + i * col_count; }
  float at(int64_t i, int64_t j) const { return scores[i * col_count + j]; }
};

/// Into how many threads sweep() divides the work.
int64_t sweep_workers(const ScoreTiles& scores);

/// Visits every tile for which wanted(row strip, column strip) holds; strips are numbers of tiles. The tiles of one row
/// strip are visited by one worker, from left to right; workers run at the same time. The first exception ends the
/// sweep.
void sweep(const ScoreTiles& scores, const std::function<bool(int64_t, int64_t)>& wanted,
           const std::function<void(int64_t worker, const Tile&)>& visit);

inline int64_t row_strips(const ScoreTiles& scores) {
  return (scores.rows() + ScoreTiles::kTileRows - 1) / ScoreTiles::kTileRows;
}
inline int64_t col_strips(const ScoreTiles& scores) {
  return (scores.cols() + ScoreTiles::kTileCols - 1) / ScoreTiles::kTileCols;
}

}  // namespace diptych

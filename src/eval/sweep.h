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

/// Calls work(worker, strip) for every strip in [0, strips), each by one of `workers` threads that compute with one
/// thread each; in ascending order for each worker. One worker: the calling thread, with all its compute threads. The
/// first exception ends it.
void for_strips(int64_t workers, int64_t strips, const std::function<void(int64_t worker, int64_t strip)>& work);

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

#include "eval/coarse_counting.h"

#include <algorithm>
#include <atomic>
#include <bit>

#include "eval/count_kernels.h"
#include "eval/sweep.h"

namespace diptych {
namespace {

constexpr int64_t kRows = ScoreTiles::kTileRows, kCols = ScoreTiles::kTileCols;
constexpr CoarseBounds kNothing{INT16_MAX, INT16_MAX};  // no finite score reaches it

float value_of(CoarseKey key) {
  return std::bit_cast<float>(static_cast<uint32_t>(static_cast<uint16_t>(coarse_key(static_cast<uint16_t>(key))))
                              << 16);
}

/// Bounds of the n-th pair of every column, layer by layer: [layers, columns].
struct ColumnBounds {
  size_t layers = 0;
  std::vector<CoarseKey> low, high;

  ColumnBounds(const CoarseScores& scores, const Pairs& cols) {
    const auto columns = static_cast<size_t>(cols.item.size());
    for (size_t j = 0; j < columns; ++j) layers = std::max(layers, cols.item[static_cast<int64_t>(j)].size());
    low.assign(layers * columns, kNothing.low), high.assign(layers * columns, kNothing.high);
    for (size_t j = 0; j < columns; ++j)
      for (size_t pair = cols.begin(static_cast<int64_t>(j)); pair < cols.end(static_cast<int64_t>(j)); ++pair) {
        const auto bounds = coarse_bounds(cols.score[pair], scores.col_slack(static_cast<int64_t>(j)));
        const size_t place = (pair - cols.begin(static_cast<int64_t>(j))) * columns + j;
        low[place] = bounds.low, high[place] = bounds.high;
      }
  }
};

/// What one thread needs.
struct Worker {
  std::vector<Tally> cols;     // a column meets all row strips, hence all workers
  std::vector<int16_t> above;  // [layers, columns of a tile], at most 256 each
  std::vector<CoarseKey> keys = std::vector<CoarseKey>(kCols);
  std::vector<int32_t> doubts = std::vector<int32_t>(kCols + 1);
  CoarseRange range;
};

class CoarseCounting {
 public:
  CoarseCounting(const CoarseScores& scores, const Pairs& rows, const Pairs& cols)
      : scores_(scores), rows_(rows), cols_(cols), bounds_(scores, cols), row_tally_(rows.item.items.size()) {
    most_doubts_ = scores.rows() * scores.cols() / kScoresPerDoubt;
  }

  std::optional<Tallies> count(int64_t workers) {
    std::vector<Worker> state(static_cast<size_t>(workers));
    for (Worker& worker : state) worker.cols.resize(cols_.item.items.size());
    for_strips(workers, (scores_.rows() + kRows - 1) / kRows,
               [&](int64_t worker, int64_t strip) { count_strip(strip * kRows, state[static_cast<size_t>(worker)]); });
    return given_up() ? std::nullopt : merged(state);
  }

 private:
  /// The sum of doubts only grows: whether it passes the limit is the same for any order of the strips.
  bool given_up() const { return doubts_ > most_doubts_; }

  void count_strip(int64_t row, Worker& worker) {
    for (int64_t col = 0; col < scores_.cols() && !given_up(); col += kCols) count_tile(row, col, worker);
  }

  void count_tile(int64_t row, int64_t col, Worker& worker) {
    const at::Tensor tile = scores_.tile(row, col);
    const auto* bits = reinterpret_cast<const uint16_t*>(tile.const_data_ptr<at::BFloat16>());
    const int64_t width = std::min(kCols, scores_.cols() - col), height = std::min(kRows, scores_.rows() - row);
    worker.above.assign(bounds_.layers * static_cast<size_t>(width), 0);
    int64_t doubts = 0;
    for (int64_t i = 0; i < height; ++i) {
      coarse_keys(bits + i * kCols, worker.keys.data(), width, worker.range);
      doubts += count_row(row + i, col, width, worker) + count_columns(row + i, col, width, worker);
    }
    add_columns(col, width, worker);
    doubts_ += doubts;
  }

  int64_t count_row(int64_t query, int64_t col, int64_t width, Worker& worker) {
    if (!rows_.item.size()) return 0;
    int64_t sum = 0;
    for (size_t pair = rows_.begin(query); pair < rows_.end(query); ++pair) {
      int64_t doubts = 0;
      const auto bounds = coarse_bounds(rows_.score[pair], scores_.row_slack(query));
      row_tally_[pair] += all_above(coarse_count_row(worker.keys.data(), width, bounds, worker.doubts.data(), doubts));
      for (int64_t n = 0; n < doubts; ++n) {
        const int64_t item = col + worker.doubts[static_cast<size_t>(n)];
        row_tally_[pair] += compared(scores_.fine(query, item), rows_.score[pair], item < rows_.item.items[pair]);
      }
      sum += doubts;
    }
    return sum;
  }

  int64_t count_columns(int64_t item, int64_t col, int64_t width, Worker& worker) {
    int64_t sum = 0;
    for (size_t layer = 0; layer < bounds_.layers; ++layer) {
      int64_t doubts = 0;
      const size_t place = layer * static_cast<size_t>(scores_.cols()) + static_cast<size_t>(col);
      coarse_count_columns(worker.keys.data(), &bounds_.low[place], &bounds_.high[place],
                           &worker.above[layer * static_cast<size_t>(width)], width, worker.doubts.data(), doubts);
      for (int64_t n = 0; n < doubts; ++n) {
        const int64_t query = col + worker.doubts[static_cast<size_t>(n)];
        const size_t pair = cols_.begin(query) + layer;
        worker.cols[pair] += compared(scores_.fine(item, query), cols_.score[pair], item < cols_.item.items[pair]);
      }
      sum += doubts;
    }
    return sum;
  }

  void add_columns(int64_t col, int64_t width, Worker& worker) const {
    for (size_t layer = 0; layer < bounds_.layers; ++layer)
      for (int64_t j = 0; j < width; ++j)
        if (layer < cols_.item[col + j].size())
          worker.cols[cols_.begin(col + j) + layer] +=
              all_above(worker.above[layer * static_cast<size_t>(width) + static_cast<size_t>(j)]);
  }

  static Tally all_above(int32_t count) { return {count, count, 0}; }
  static Tally compared(float score, float threshold, bool before) {
    return {score > threshold, score >= threshold, score == threshold && before};
  }

  std::optional<Tallies> merged(const std::vector<Worker>& state) {
    Tallies out{std::move(row_tally_), std::vector<Tally>(cols_.item.items.size()), 0, 0};
    CoarseRange range;
    for (const Worker& worker : state) {
      for (size_t pair = 0; pair < out.cols.size(); ++pair) out.cols[pair] += worker.cols[pair];
      range.lowest = std::min(range.lowest, worker.range.lowest);
      range.highest = std::max(range.highest, worker.range.highest);
    }
    if (range.lowest == range.highest) return std::nullopt;
    out.lowest = value_of(range.lowest), out.highest = value_of(range.highest);
    return out;
  }

  const CoarseScores& scores_;
  const Pairs &rows_, &cols_;
  ColumnBounds bounds_;
  std::vector<Tally> row_tally_;  // a row is counted by one worker
  std::atomic<int64_t> doubts_ = 0;
  int64_t most_doubts_ = 0;
};

}  // namespace

void read_pair_scores(const CoarseScores& scores, Pairs& rows, Pairs& cols) {
  for (int64_t row = 0; row < rows.item.size(); ++row)
    for (size_t pair = rows.begin(row); pair < rows.end(row); ++pair)
      rows.score[pair] = scores.fine(row, rows.item.items[pair]);
  for (int64_t col = 0; col < cols.item.size(); ++col)
    for (size_t pair = cols.begin(col); pair < cols.end(col); ++pair)
      cols.score[pair] = scores.fine(cols.item.items[pair], col);
}

std::optional<Tallies> count_coarsely(const CoarseScores& scores, int64_t workers, const Pairs& rows,
                                      const Pairs& cols) {
  return CoarseCounting(scores, rows, cols).count(workers);
}

}  // namespace diptych

#include "eval/repeated_rows.h"

#include <torch/torch.h>

#include <algorithm>
#include <map>

namespace diptych {
namespace {

class RepeatedRows final : public ScoreTiles {
 public:
  RepeatedRows(const ScoreTiles& source, std::vector<int64_t> rows) : source_(source), rows_(std::move(rows)) {}
  int64_t rows() const override { return static_cast<int64_t>(rows_.size()); }
  int64_t cols() const override { return source_.cols(); }
  bool concurrent() const override { return source_.concurrent(); }

  at::Tensor tile(int64_t row, int64_t col, int64_t row_count, int64_t col_count) const override {
    std::map<int64_t, std::vector<int64_t>> places;  // in this tile, by strip of the source
    for (int64_t i = 0; i < row_count; ++i) places[source_row(row + i) / kTileRows].push_back(i);
    at::Tensor out = at::empty({row_count, col_count});
    for (const auto& [strip, list] : places) {
      const int64_t begin = strip * kTileRows, count = std::min(kTileRows, source_.rows() - begin);
      const at::Tensor tile = source_.tile(begin, col, count, col_count);
      for (const int64_t i : list) out[i].copy_(tile[source_row(row + i) - begin]);
    }
    return out;
  }

 private:
  int64_t source_row(int64_t row) const { return rows_[static_cast<size_t>(row)]; }
  const ScoreTiles& source_;
  std::vector<int64_t> rows_;
};

}  // namespace

std::unique_ptr<ScoreTiles> repeated_rows(const ScoreTiles& source, std::vector<int64_t> rows) {
  return std::make_unique<RepeatedRows>(source, std::move(rows));
}

}  // namespace diptych

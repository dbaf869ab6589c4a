#include <ATen/ATen.h>

#include <algorithm>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "diptych/eval/protocol.h"

namespace diptych {
namespace {

class MatrixTiles final : public ScoreTiles {
 public:
  explicit MatrixTiles(at::Tensor scores) : scores_(std::move(scores)) {}
  int64_t rows() const override { return scores_.size(0); }
  int64_t cols() const override { return scores_.size(1); }
  bool concurrent() const override { return true; }
  at::Tensor tile(int64_t row, int64_t col, int64_t row_count, int64_t col_count) const override {
    return scores_.narrow(0, row, row_count).narrow(1, col, col_count).contiguous();
  }

 private:
  at::Tensor scores_;
};

}  // namespace

std::unique_ptr<ScoreTiles> matrix_tiles(const at::Tensor& scores) {
  if (scores.dim() != 2 || scores.scalar_type() != at::kFloat || scores.numel() == 0)
    throw ShapeError(concat("matrix_tiles: ", scores.sizes(), " ", scores.scalar_type(),
                            " is not [N, M] float32 with at least one element"));
  const at::Tensor bad = scores.isfinite().logical_not().nonzero();
  if (bad.size(0) > 0)
    throw NumericError("scores",
                       concat(bad.size(0), " of ", scores.numel(), " scores are not finite; the first is that of x ",
                              bad[0][0].item<int64_t>(), " and y ", bad[0][1].item<int64_t>()),
                       "no rank can be trusted: look for the step whose loss or weights became NaN or infinite");
  return std::make_unique<MatrixTiles>(scores.detach().cpu().contiguous());
}

at::Tensor all_scores(const ScoreTiles& tiles) {
  at::Tensor out = at::empty({tiles.rows(), tiles.cols()}, at::kFloat);
  for (int64_t i = 0; i < tiles.rows(); i += ScoreTiles::kTileRows)
    for (int64_t j = 0; j < tiles.cols(); j += ScoreTiles::kTileCols) {
      const int64_t rows = std::min(ScoreTiles::kTileRows, tiles.rows() - i);
      const int64_t cols = std::min(ScoreTiles::kTileCols, tiles.cols() - j);
      out.narrow(0, i, rows).narrow(1, j, cols).copy_(tiles.tile(i, j, rows, cols));
    }
  return out;
}

}  // namespace diptych

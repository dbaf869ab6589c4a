#include <torch/torch.h>

#include <algorithm>

#include "diptych/core/error.h"
#include "diptych/core/tensor/gemm.h"
#include "diptych/core/text.h"
#include "diptych/eval/protocol.h"
#include "eval/coarse_scores.h"
#include "eval/count_kernels.h"

namespace diptych {
namespace {

/// Refuses rows with NaN or infinity: NaN would win every comparison of a sort, and lose every one of a count.
void require_finite(const at::Tensor& embeddings, const char* side) {
  std::vector<std::string> bad;
  for (int64_t row = 0; row < embeddings.size(0); ++row) {
    KeyRange range;
    extend(range, embeddings.const_data_ptr<float>() + row * embeddings.size(1), embeddings.size(1));
    if (!range.finite()) bad.push_back(concat(row));
  }
  if (bad.empty()) return;
  const size_t count = bad.size();
  bad.resize(std::min<size_t>(count, 5));
  throw NumericError(concat("embeddings of ", side),
                     concat(count, " of ", embeddings.size(0), " rows are not finite; first rows: ", join(bad, ", ")),
                     "no rank can be trusted: look for the step whose loss or weights became NaN or infinite");
}

at::Tensor prepared(const at::Tensor& embeddings, const char* side) {
  if (embeddings.dim() != 2 || embeddings.scalar_type() != at::kFloat || embeddings.numel() == 0)
    throw ShapeError(concat("dot_tiles: ", side, " ", embeddings.sizes(), " ", embeddings.scalar_type(),
                            " is not [N, D] float32 with at least one element"));
  const at::Tensor out = embeddings.detach().cpu().contiguous();
  require_finite(out, side);
  return out;
}

class DotTiles final : public ScoreTiles {
 public:
  DotTiles(const at::Tensor& x, const at::Tensor& y, std::unique_ptr<CoarseScores> coarse)
      : x_(x, kTileRows), y_(y, kTileCols), coarse_(std::move(coarse)) {}
  int64_t rows() const override { return x_.rows(); }
  int64_t cols() const override { return y_.rows(); }
  bool concurrent() const override { return true; }
  const CoarseScores* coarse() const override { return coarse_.get(); }

  at::Tensor tile(int64_t row, int64_t col, int64_t row_count, int64_t col_count) const override {
    if (row < 0 || col < 0 || row % kTileRows || col % kTileCols || row_count > kTileRows || col_count > kTileCols ||
        row + row_count > rows() || col + col_count > cols())
      throw ShapeError(concat("tile: [", row, " + ", row_count, ", ", col, " + ", col_count, "] is not a tile of the ",
                              rows(), " x ", cols(), " scores"));
    // Always the product of whole tiles, so that a score has the same bits at every edge.
    const at::Tensor whole = linear_nt(x_.block(row), y_.block(col));
    return whole.narrow(0, 0, row_count).narrow(1, 0, col_count).contiguous();
  }

 private:
  RowBlocks x_, y_;
  std::unique_ptr<CoarseScores> coarse_;
};

constexpr int64_t kWorthwhile = 4'000'000;  // scores: below, everything takes milliseconds

std::unique_ptr<CoarseScores> coarse_scores(const at::Tensor& x, const at::Tensor& y, Coarse coarse) {
  if (coarse == Coarse::never) return nullptr;
  if (coarse == Coarse::where_faster && (x.size(0) * y.size(0) < kWorthwhile || !has_fast_bf16())) return nullptr;
  return CoarseScores::make(x, y);
}

}  // namespace

std::unique_ptr<ScoreTiles> dot_tiles(const at::Tensor& x, const at::Tensor& y, Coarse coarse) {
  const at::Tensor a = prepared(x, "x"), b = prepared(y, "y");
  if (a.size(1) != b.size(1))
    throw ShapeError(concat("dot_tiles: x ", a.sizes(), " and y ", b.sizes(), " differ in columns"));
  return std::make_unique<DotTiles>(a, b, coarse_scores(a, b, coarse));
}

double embedding_spread(const at::Tensor& embeddings) {
  if (embeddings.dim() != 2) throw ShapeError(concat("embedding_spread: ", embeddings.sizes(), " is not [N, D]"));
  if (embeddings.size(0) < 2) return 0;
  const at::Tensor x = embeddings.detach().to(at::kDouble);
  const at::Tensor unit = x / x.norm(2, {1}, true).clamp_min(1e-300);
  return unit.std(0, /*unbiased=*/false).mean().item<double>();
}

}  // namespace diptych

#include "eval/coarse_scores.h"

#include <algorithm>
#include <cmath>

#include "diptych/core/tensor/gemm.h"
#include "diptych/eval/protocol.h"
#include "eval/count_kernels.h"

namespace diptych {
namespace {

constexpr double kLargestProduct = 1e37;  // of two norms: beyond, a float32 score may be infinite

/// Norms of rows, of what rounding to bfloat16 takes from them, and of what it leaves; and their greatest.
struct RowNorms {
  std::vector<double> whole, lost;
  double largest_whole = 0, largest_lost = 0, largest_left = 0;
};
RowNorms norms_of(const at::Tensor& rows, const at::Tensor& rounded) {
  RowNorms out;
  const int64_t columns = rows.size(1);
  for (int64_t i = 0; i < rows.size(0); ++i) {
    const float* row = rows.const_data_ptr<float>() + i * columns;
    const at::BFloat16* left = rounded.const_data_ptr<at::BFloat16>() + i * columns;
    double whole = 0, lost = 0, kept = 0;
    for (int64_t d = 0; d < columns; ++d) {
      const double value = row[d], close = static_cast<float>(left[d]);
      whole += value * value, kept += close * close, lost += (value - close) * (value - close);
    }
    out.whole.push_back(std::sqrt(whole)), out.lost.push_back(std::sqrt(lost));
    out.largest_whole = std::max(out.largest_whole, out.whole.back());
    out.largest_lost = std::max(out.largest_lost, out.lost.back());
    out.largest_left = std::max(out.largest_left, std::sqrt(kept));
  }
  return out;
}

/// The bound of the class comment for each row of `of` against the worst row of `other`.
std::vector<double> slack(const RowNorms& of, const RowNorms& other, int64_t dimension) {
  const double summation = static_cast<double>(dimension + 8) * 0x1p-24;
  const double underflow = static_cast<double>(dimension) * 0x1p-120;  // products that a processor flushes to zero
  std::vector<double> out;
  for (size_t i = 0; i < of.whole.size(); ++i) {
    const double rounding = of.whole[i] * other.largest_lost + of.lost[i] * other.largest_left;
    const double summing = summation * (of.whole[i] + of.lost[i]) * (other.largest_whole + other.largest_lost);
    out.push_back((rounding + summing) * (1 + 1e-9) + underflow);
  }
  return out;
}

}  // namespace

CoarseScores::CoarseScores(const at::Tensor& x, const at::Tensor& y)
    : fine_x_(x),
      fine_y_(y),
      x_(x.to(at::kBFloat16), ScoreTiles::kTileRows),
      y_(y.to(at::kBFloat16), ScoreTiles::kTileCols) {}

std::unique_ptr<CoarseScores> CoarseScores::make(const at::Tensor& x, const at::Tensor& y) {
  std::unique_ptr<CoarseScores> out(new CoarseScores(x, y));
  const RowNorms of_x = norms_of(x, out->x_.all()), of_y = norms_of(y, out->y_.all());
  if (!(of_x.largest_whole * of_y.largest_whole < kLargestProduct)) return nullptr;
  if (!std::isfinite(of_x.largest_lost) || !std::isfinite(of_y.largest_lost)) return nullptr;  // rounded to infinity
  out->row_slack_ = slack(of_x, of_y, x.size(1)), out->col_slack_ = slack(of_y, of_x, x.size(1));
  return out;
}

at::Tensor CoarseScores::tile(int64_t row, int64_t col) const { return bf16_linear_nt(x_.block(row), y_.block(col)); }

float CoarseScores::fine(int64_t row, int64_t col) const {
  const int64_t columns = fine_x_.size(1);
  return dot(fine_x_.const_data_ptr<float>() + row * columns, fine_y_.const_data_ptr<float>() + col * columns, columns);
}

}  // namespace diptych

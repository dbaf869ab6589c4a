#pragma once
#include <memory>
#include <vector>

#include "diptych/core/tensor/row_blocks.h"

namespace diptych {

/// Scores x y^T twice. Coarse ones, in bfloat16, take half the time of float32 on processors with bfloat16 arithmetic,
/// and their error has a bound:
///
///   |x.y - c| <= |x| |y - y'| + |x - x'| |y'| + (D + 8) 2^-24 |x'| |y'|        (Cauchy-Schwarz; x', y': in bfloat16)
///
/// where c is summed in float32 and then rounded to bfloat16, which keeps the order. Fine ones are single scores,
/// summed in float64 in a fixed order and rounded to float32: the same bits on every machine. Ranking decides nearly
/// every comparison by the coarse score and asks for the fine one where the bound leaves a doubt (count_coarsely): its
/// ranks are those of the fine scores, without exception.
class CoarseScores {
 public:
  /// x [N, D], y [M, D] float32 on the CPU, contiguous, finite. Null where a norm is so large that scores overflow.
  static std::unique_ptr<CoarseScores> make(const at::Tensor& x, const at::Tensor& y);

  int64_t rows() const { return x_.rows(); }
  int64_t cols() const { return y_.rows(); }
  /// bfloat16 [256, 1024] at the place of a tile (ScoreTiles), zeros past the edges.
  at::Tensor tile(int64_t row, int64_t col) const;
  /// Bounds on |fine - coarse before its rounding|, of a row for any column and of a column for any row.
  double row_slack(int64_t row) const { return row_slack_[static_cast<size_t>(row)]; }
  double col_slack(int64_t col) const { return col_slack_[static_cast<size_t>(col)]; }
  float fine(int64_t row, int64_t col) const;

 private:
  CoarseScores(const at::Tensor& x, const at::Tensor& y);
  at::Tensor fine_x_, fine_y_;  // [N, D], [M, D] float32
  RowBlocks x_, y_;             // bfloat16
  std::vector<double> row_slack_, col_slack_;
};

}  // namespace diptych

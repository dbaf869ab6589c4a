#include "diptych/eval/rescore.h"

#include <torch/torch.h>

#include <limits>
#include <stdexcept>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "eval/sweep.h"

namespace diptych {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();  // in place of the score of another fold

at::Tensor block_numbers(const std::vector<int32_t>& given, int64_t count, const char* name) {
  if (given.empty()) return at::zeros({count}, at::kInt);
  if (static_cast<int64_t>(given.size()) != count)
    throw ShapeError(concat("rescoring_of: ", name, " has ", given.size(), " entries for ", count));
  return torch::tensor(given, at::kInt);
}

/// log of the sum of exp(beta s) of every row and column, so far.
class LogSums {
 public:
  LogSums(const ScoreTiles& scores, double beta)
      : beta_(beta),
        rows_(at::full({scores.rows()}, kNothing, at::kDouble)),
        cols_(at::full({scores.cols()}, kNothing, at::kDouble)) {}
  void add(const at::Tensor& scores, const Tile& tile) {
    const at::Tensor scaled = beta_ * scores;
    extend(rows_.narrow(0, tile.row, tile.row_count), scaled.logsumexp(1));
    extend(cols_.narrow(0, tile.col, tile.col_count), scaled.logsumexp(0));
  }
  Rescoring result() const { return {1, rows_ / beta_, cols_ / beta_}; }

 private:
  static void extend(at::Tensor sums, const at::Tensor& more) { sums.copy_(at::logaddexp(sums, more)); }
  double beta_;
  at::Tensor rows_, cols_;
};

/// The k largest scores of every row and column, so far.
class Neighbours {
 public:
  Neighbours(const ScoreTiles& scores, int64_t k)
      : rows_(at::full({scores.rows(), std::min(k, scores.cols())}, kNothing, at::kDouble)),
        cols_(at::full({scores.cols(), std::min(k, scores.rows())}, kNothing, at::kDouble)) {}
  void add(const at::Tensor& scores, const Tile& tile) {
    extend(rows_.narrow(0, tile.row, tile.row_count), scores);
    extend(cols_.narrow(0, tile.col, tile.col_count), scores.t());
  }
  Rescoring result() const { return {2, mean(rows_), mean(cols_)}; }

 private:
  static void extend(at::Tensor largest, const at::Tensor& more) {
    largest.copy_(std::get<0>(at::cat({largest, more}, 1).topk(largest.size(1), 1)));
  }
  static at::Tensor mean(const at::Tensor& largest) {
    const at::Tensor found = largest.isfinite();
    return largest.masked_fill(~found, 0).sum(1) / found.sum(1);
  }
  at::Tensor rows_, cols_;
};

void require_finite(const at::Tensor& scores, const at::Tensor& counted, const Tile& tile) {
  const at::Tensor bad = (counted & ~scores.isfinite()).nonzero();
  if (bad.size(0) == 0) return;
  throw NumericError("scores",
                     concat("the score of row ", tile.row + bad[0][0].item<int64_t>(), " (x) and column ",
                            tile.col + bad[0][1].item<int64_t>(), " (y) is not finite"),
                     "no rank can be trusted: look for the step whose loss or weights became NaN or infinite");
}

/// One pass over all tiles that hold scores of a common block. In one thread of the sweep, whatever the source allows,
/// so that sums have one order and equal scores give equal bits.
template <class Statistics>
Rescoring collect(const ScoreTiles& scores, const at::Tensor& row_block, const at::Tensor& col_block,
                  Statistics statistics) {
  for (int64_t row = 0; row < scores.rows(); row += ScoreTiles::kTileRows)
    for (int64_t col = 0; col < scores.cols(); col += ScoreTiles::kTileCols) {
      const Tile tile{nullptr, row, col, std::min(ScoreTiles::kTileRows, scores.rows() - row),
                      std::min(ScoreTiles::kTileCols, scores.cols() - col)};
      const at::Tensor of_row = row_block.narrow(0, row, tile.row_count).unsqueeze(1);
      const at::Tensor counted = (of_row == col_block.narrow(0, col, tile.col_count)) & (of_row >= 0);
      if (!counted.any().item<bool>()) continue;
      const at::Tensor here = scores.tile(row, col, tile.row_count, tile.col_count);
      require_finite(here, counted, tile);
      statistics.add(here.to(at::kDouble).masked_fill(~counted, kNothing), tile);
    }
  Rescoring out = statistics.result();
  for (at::Tensor* shift : {&out.row_shift, &out.col_shift})
    *shift = at::nan_to_num(shift->to(at::kFloat), 0, 0, 0);  // of those that take no part
  return out;
}

class RescoredTiles final : public ScoreTiles {
 public:
  RescoredTiles(const ScoreTiles& source, Rescoring rescoring) : source_(source), by_(std::move(rescoring)) {}
  int64_t rows() const override { return source_.rows(); }
  int64_t cols() const override { return source_.cols(); }
  bool concurrent() const override { return source_.concurrent(); }

  at::Tensor tile(int64_t row, int64_t col, int64_t row_count, int64_t col_count) const override {
    return source_.tile(row, col, row_count, col_count)
        .mul(by_.factor)
        .sub_(by_.row_shift.narrow(0, row, row_count).unsqueeze(1))
        .sub_(by_.col_shift.narrow(0, col, col_count));
  }

 private:
  const ScoreTiles& source_;
  Rescoring by_;
};

}  // namespace

Rescoring rescoring_of(const ScoreTiles& scores, const RescoreOptions& options, const std::vector<int32_t>& row_block,
                       const std::vector<int32_t>& col_block) {
  const at::NoGradGuard no_grad;
  const at::Tensor rows = block_numbers(row_block, scores.rows(), "row_block");
  const at::Tensor cols = block_numbers(col_block, scores.cols(), "col_block");
  switch (options.method) {
    case Rescore::none:
      break;
    case Rescore::inverted_softmax:
      return collect(scores, rows, cols, LogSums(scores, options.beta));
    case Rescore::csls:
      return collect(scores, rows, cols, Neighbours(scores, options.k));
  }
  throw std::logic_error("rescoring_of: method none");
}

std::unique_ptr<ScoreTiles> rescored(const ScoreTiles& source, Rescoring rescoring) {
  return std::make_unique<RescoredTiles>(source, std::move(rescoring));
}

std::pair<at::Tensor, at::Tensor> rescored_embeddings(const at::Tensor& x, const at::Tensor& y,
                                                      const Rescoring& rescoring) {
  const at::Tensor row = rescoring.row_shift.unsqueeze(1), col = rescoring.col_shift.unsqueeze(1);
  return {at::cat({x * rescoring.factor, -row, at::ones_like(row)}, 1), at::cat({y, at::ones_like(col), -col}, 1)};
}

std::string describe(const RescoreOptions& options) {
  switch (options.method) {
    case Rescore::none:
      return "";
    case Rescore::inverted_softmax:
      return concat(", rescored by inverted softmax (beta ", options.beta, ") over all queries of the split");
    case Rescore::csls:
      return concat(", rescored by CSLS (", options.k, " neighbours) over all queries of the split");
  }
  throw std::logic_error("rescore method");
}

}  // namespace diptych

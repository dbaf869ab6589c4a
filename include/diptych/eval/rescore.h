#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "diptych/core/options.h"
#include "diptych/eval/protocol.h"

// Test-time scorers against hubs, i.e. items that are near to everything. They look at all queries of the split at
// once, so their numbers do not compare with those of one query at a time: every protocol line names them.

namespace diptych {

/// What a Rescoring subtracts: row_shift [N], col_shift [M] float32; s'_ij = factor s_ij - row_shift_i - col_shift_j.
/// What belongs to a query moves all its scores alike and changes no rank, so that one matrix serves both directions.
struct Rescoring {
  double factor = 1;
  at::Tensor row_shift, col_shift;
};

/// Looks at all scores once, tile by tile. Memory: one tile in float64, and per row and column one number
/// (inverted_softmax) or k (csls).
///
/// inverted_softmax  s'_ij = s_ij - 1/beta log sum_k e^{beta s_kj} - 1/beta log sum_k e^{beta s_ik}: a query's softmax
///                   is normalised over the queries of each item, not over its items (Smith et al., ICLR 2017)
/// csls              s'_ij = 2 s_ij - mean of the k largest of row i - mean of the k largest of column j; fewer than k
///                   are averaged as they are (Conneau et al., ICLR 2018)
///
/// row_block, col_block  folds as in RankRequest: a row meets only the columns of its own block, -1 takes no part (and
///                       its shift is 0); empty: all in block 0
/// throws                NumericError for a score that is not finite, ShapeError for blocks that do not fit,
///                       std::logic_error for method none
Rescoring rescoring_of(const ScoreTiles& scores, const RescoreOptions& options,
                       const std::vector<int32_t>& row_block = {}, const std::vector<int32_t>& col_block = {});

/// The scores after it, in float32. `source` must outlive the result.
std::unique_ptr<ScoreTiles> rescored(const ScoreTiles& source, Rescoring rescoring);
/// Embeddings whose dot product is rescored, with two more columns: x [N, D + 2], y [M, D + 2], float32.
std::pair<at::Tensor, at::Tensor> rescored_embeddings(const at::Tensor& x, const at::Tensor& y,
                                                      const Rescoring& rescoring);

/// ", rescored by CSLS of 10 neighbours over all queries of the split", or "" for none.
std::string describe(const RescoreOptions& options);

}  // namespace diptych

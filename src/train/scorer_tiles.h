#pragma once
#include <memory>
#include <vector>

#include "diptych/eval/top_k.h"
#include "diptych/model/scorer.h"

namespace diptych {

/// For scorers that are not indexable and still compare vectors: scores by their forward, block by block on `device`.
/// Blocks have one size, the last is filled up with zeros, so that equal rows have equal scores wherever they stand.

/// Of x [N, D] and y [M, W], float32. scorer: must outlive the tiles, and forward must change nothing, since several
/// threads may call it. throws NumericError for a row that is not finite.
std::unique_ptr<ScoreTiles> scorer_tiles(Scorer& scorer, at::Device device, const at::Tensor& x, const at::Tensor& y);

/// The k best rows of gallery [N, D] for each of queries [Q, W], float32 on the CPU: at most N items each. throws
/// NumericError for a row that is not finite.
std::vector<std::vector<Scored>> top_scored(Scorer& scorer, at::Device device, const at::Tensor& queries,
                                            const at::Tensor& gallery, int64_t k);

}  // namespace diptych

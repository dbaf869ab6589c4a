#pragma once
#include <utility>
#include <vector>

#include "diptych/train/encode.h"

namespace diptych {

/// Views of captions and their places [n] in a split's list of captions, block by block.
using TextViews = std::vector<std::pair<at::Tensor, Encoded>>;

/// Scores of chosen cells, [cells] float32 on the CPU: each image against its captions, no other pair. features
/// [N, R, C] or [N, F] of all images of the split; texts: all its captions. Shows progress.
at::Tensor score_cells(System& system, const Experiment& experiment, const at::Tensor& features, const TextViews& texts,
                       const PairCells& cells);

}  // namespace diptych

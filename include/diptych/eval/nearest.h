#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "diptych/eval/top_k.h"

namespace diptych {

/// The k best rows of `gallery` [M, D] for every row of `queries` [Q, D] by dot product: exact, in blocks, at most M
/// items each. Both float32 as a scorer prepared them. Equal rows of a gallery have equal scores wherever they stand,
/// so that ties go by index. throws UsageError for k < 1, ShapeError, NumericError for an embedding that is not finite.
std::vector<std::vector<Scored>> top_rows(const at::Tensor& queries, const at::Tensor& gallery, int64_t k);

}  // namespace diptych

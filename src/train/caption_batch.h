#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

namespace diptych {

/// Captions as a text encoder reads them.
struct CaptionBatch {
  at::Tensor tokens, length;  // [n, L] int64 padded with zeros, [n] int64
};
/// Those of some rows of `token_ids`, in this order; L is the longest.
CaptionBatch caption_batch(const std::vector<std::vector<int64_t>>& token_ids, const std::vector<int64_t>& rows);

}  // namespace diptych

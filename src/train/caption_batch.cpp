#include "train/caption_batch.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace diptych {

CaptionBatch caption_batch(const std::vector<std::vector<int64_t>>& token_ids, const std::vector<int64_t>& rows) {
  size_t longest = 0;
  for (const int64_t row : rows) longest = std::max(longest, token_ids[static_cast<size_t>(row)].size());
  const auto count = static_cast<int64_t>(rows.size()), steps = static_cast<int64_t>(longest);
  CaptionBatch out{at::zeros({count, steps}, at::kLong), at::empty({count}, at::kLong)};
  for (int64_t i = 0; i < count; ++i) {
    const auto& ids = token_ids[static_cast<size_t>(rows[static_cast<size_t>(i)])];
    std::ranges::copy(ids, out.tokens.data_ptr<int64_t>() + i * steps);
    out.length.data_ptr<int64_t>()[i] = static_cast<int64_t>(ids.size());
  }
  return out;
}

}  // namespace diptych

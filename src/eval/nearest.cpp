#include "diptych/eval/nearest.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>

#include "diptych/core/error.h"
#include "diptych/core/tensor/gemm.h"
#include "diptych/core/tensor/row_blocks.h"
#include "diptych/core/text.h"
#include "eval/count_kernels.h"

namespace diptych {
namespace {

/// Offers the scores of consecutive items.
void offer_row(TopK& list, const float* scores, int64_t first_item, int64_t items) {
  if (count_row(scores, items, list.threshold()).at_least == 0) return;
  for (int64_t j = 0; j < items; ++j)
    if (scores[j] >= list.threshold()) list.offer({first_item + j, scores[j]});
}

}  // namespace

std::vector<std::vector<Scored>> top_rows(const at::Tensor& queries, const at::Tensor& gallery, int64_t k) {
  if (k < 1) throw UsageError("top_rows", concat("K = ", k, "; a list needs K of at least 1"));
  for (const at::Tensor* side : {&queries, &gallery})
    if (side->dim() != 2 || side->scalar_type() != at::kFloat || side->size(1) != queries.size(1))
      throw ShapeError(concat("top_rows: queries ", queries.sizes(), " and gallery ", gallery.sizes(),
                              ", needed are [Q, D] and [M, D] float32"));
  for (const auto& [side, name] : {std::pair(&queries, "queries"), std::pair(&gallery, "gallery")})
    if (!at::isfinite(*side).all().item<bool>())
      throw NumericError(concat("search: ", name), "an embedding is not finite");
  constexpr int64_t kQueries = 256, kItems = 1024;  // one tile of 1 MB
  std::vector<TopK> lists(static_cast<size_t>(queries.size(0)),
                          TopK(std::min(k, std::max<int64_t>(gallery.size(0), 1))));
  // The last tile is filled with zeros: products of equal shape give equal rows equal bits.
  const RowBlocks items(gallery, kItems);
  for (int64_t row = 0; row < queries.size(0); row += kQueries) {
    const int64_t row_count = std::min(kQueries, queries.size(0) - row);
    const at::Tensor some = queries.slice(0, row, row + row_count).contiguous();
    for (int64_t col = 0; col < gallery.size(0); col += kItems) {
      const int64_t col_count = std::min(kItems, gallery.size(0) - col);
      const at::Tensor scores = linear_nt(some, items.block(col)).contiguous();
      const auto* data = scores.const_data_ptr<float>();
      at::parallel_for(0, row_count, 8, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i)
          offer_row(lists[static_cast<size_t>(row + i)], data + i * kItems, col, col_count);
      });
    }
  }
  std::vector<std::vector<Scored>> out;
  for (const TopK& list : lists) out.push_back(list.items());
  return out;
}

}  // namespace diptych

#include "diptych/eval/top_k.h"

#include <torch/torch.h>

#include <algorithm>
#include <limits>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "eval/count_kernels.h"
#include "eval/sweep.h"

namespace diptych {
namespace {

using Lists = std::vector<TopK>;

using Blocks = std::vector<int32_t>;

/// Queries or items of a tile, and the blocks of all of them.
struct Side {
  int64_t first, count;
  const Blocks& block;
  int32_t block_of(int64_t i) const { return block[static_cast<size_t>(first + i)]; }
};

/// Offers [queries, items] scores, contiguous. Most rows have nothing above the threshold and cost one vectorised
/// count.
void offer_all(Lists& lists, const float* scores, const Side& queries, const Side& items) {
  for (int64_t i = 0; i < queries.count; ++i, scores += items.count) {
    TopK& list = lists[static_cast<size_t>(queries.first + i)];
    if (queries.block_of(i) < 0 || count_row(scores, items.count, list.threshold()).at_least == 0) continue;
    for (int64_t j = 0; j < items.count; ++j)
      if (scores[j] >= list.threshold() && scores[j] > ScoreTiles::kLeftOut && items.block_of(j) == queries.block_of(i))
        list.offer({items.first + j, scores[j]});
  }
}

Blocks list_blocks(const Blocks& given, int64_t count, const char* side) {
  if (given.empty()) return Blocks(static_cast<size_t>(count), 0);
  if (static_cast<int64_t>(given.size()) != count)
    throw ShapeError(concat("top_lists: ", given.size(), " blocks for ", count, " ", side));
  return given;
}

std::vector<std::vector<Scored>> items_of(const Lists& lists) {
  std::vector<std::vector<Scored>> out;
  for (const TopK& list : lists) out.push_back(list.items());
  return out;
}

}  // namespace

float TopK::threshold() const {
  return static_cast<int64_t>(items_.size()) < k_ ? -std::numeric_limits<float>::infinity() : items_.back().score;
}

void TopK::offer(const Scored& item) {
  if (static_cast<int64_t>(items_.size()) == k_) {
    if (!item.before(items_.back())) return;
    items_.pop_back();
  }
  const auto place = std::ranges::find_if(items_, [&](const Scored& other) { return item.before(other); });
  items_.insert(place, item);
}

TopLists top_lists(const ScoreTiles& scores, int64_t k, const std::vector<int32_t>& row_block,
                   const std::vector<int32_t>& col_block) {
  if (k < 1) throw UsageError("top_lists", concat("K = ", k, "; a list needs K of at least 1"));
  const Blocks row_blocks = list_blocks(row_block, scores.rows(), "rows"),
               col_blocks = list_blocks(col_block, scores.cols(), "columns");
  const auto workers = static_cast<size_t>(sweep_workers(scores));
  Lists rows(static_cast<size_t>(scores.rows()), TopK(k));
  std::vector<Lists> cols(workers, Lists(static_cast<size_t>(scores.cols()), TopK(k)));
  sweep(
      scores, [](int64_t, int64_t) { return true; },
      [&](int64_t worker, const Tile& tile) {
        const Side tile_rows{tile.row, tile.row_count, row_blocks}, tile_cols{tile.col, tile.col_count, col_blocks};
        offer_all(rows, tile.scores, tile_rows, tile_cols);
        const at::Tensor turned =
            at::from_blob(const_cast<float*>(tile.scores), {tile.row_count, tile.col_count}).t().contiguous();
        offer_all(cols[static_cast<size_t>(worker)], turned.const_data_ptr<float>(), tile_cols, tile_rows);
      });
  for (size_t worker = 1; worker < workers; ++worker)
    for (size_t j = 0; j < cols[worker].size(); ++j)
      for (const Scored& item : cols[worker][j].items()) cols[0][j].offer(item);
  return {items_of(rows), items_of(cols[0])};
}

}  // namespace diptych

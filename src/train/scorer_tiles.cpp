#include "train/scorer_tiles.h"

#include <torch/torch.h>

#include <algorithm>

#include "diptych/core/error.h"
#include "diptych/core/tensor/row_blocks.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

const at::Tensor& only_finite(const at::Tensor& rows, const char* side) {
  if (!rows.isfinite().all().item<bool>())
    throw NumericError(concat("embeddings of ", side), "some are not finite",
                       "no rank can be trusted: look for the step whose loss or weights became NaN or infinite");
  return rows;
}

class ScorerTiles final : public ScoreTiles {
 public:
  ScorerTiles(Scorer& scorer, at::Device device, const at::Tensor& x, const at::Tensor& y)
      : scorer_(scorer), x_(x.to(device), kTileRows), y_(y.to(device), kTileCols) {}
  int64_t rows() const override { return x_.rows(); }
  int64_t cols() const override { return y_.rows(); }
  bool concurrent() const override { return x_.all().is_cpu(); }

  at::Tensor tile(int64_t row, int64_t col, int64_t row_count, int64_t col_count) const override {
    const at::NoGradGuard no_grad;
    const at::Tensor whole = scorer_.forward(x_.block(row), y_.block(col));
    return whole.narrow(0, 0, row_count).narrow(1, 0, col_count).cpu().contiguous();
  }

 private:
  Scorer& scorer_;
  RowBlocks x_, y_;
};

}  // namespace

std::unique_ptr<ScoreTiles> scorer_tiles(Scorer& scorer, at::Device device, const at::Tensor& x, const at::Tensor& y) {
  return std::make_unique<ScorerTiles>(scorer, device, only_finite(x, "x"), only_finite(y, "y"));
}

std::vector<std::vector<Scored>> top_scored(Scorer& scorer, at::Device device, const at::Tensor& queries,
                                            const at::Tensor& gallery, int64_t k) {
  constexpr int64_t kItems = 4096;
  const at::NoGradGuard no_grad;
  const at::Tensor asked = only_finite(queries, "queries").to(device);
  const RowBlocks items(only_finite(gallery, "the gallery"), kItems);
  std::vector<TopK> lists(static_cast<size_t>(queries.size(0)), TopK(k));
  for (int64_t first = 0; first < gallery.size(0); first += kItems) {
    const int64_t count = std::min(kItems, gallery.size(0) - first);
    const at::Tensor scores = scorer.forward(asked, items.block(first).to(device)).cpu().contiguous();
    const auto* data = scores.const_data_ptr<float>();
    for (TopK& list : lists) {
      for (int64_t j = 0; j < count; ++j)
        if (data[j] >= list.threshold()) list.offer({first + j, data[j]});
      data += kItems;
    }
  }
  std::vector<std::vector<Scored>> out;
  for (const TopK& list : lists) out.push_back(list.items());
  return out;
}

}  // namespace diptych

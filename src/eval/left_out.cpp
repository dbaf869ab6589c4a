#include "diptych/eval/left_out.h"

#include <torch/torch.h>

#include <algorithm>
#include <unordered_map>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

class TilesWithout final : public ScoreTiles {
 public:
  TilesWithout(const ScoreTiles& source, IndexLists rows_of_col)
      : source_(source), rows_of_col_(std::move(rows_of_col)) {}
  int64_t rows() const override { return source_.rows(); }
  int64_t cols() const override { return source_.cols(); }
  bool concurrent() const override { return source_.concurrent(); }

  at::Tensor tile(int64_t row, int64_t col, int64_t row_count, int64_t col_count) const override {
    at::Tensor out = source_.tile(row, col, row_count, col_count);
    bool own = false;  // a source may hand out its own memory
    for (int64_t j = 0; j < col_count; ++j) {
      const auto list = rows_of_col_[col + j];
      for (auto it = std::ranges::lower_bound(list, row); it != list.end() && *it < row + row_count; ++it) {
        if (!own) out = out.clone(), own = true;
        out.data_ptr<float>()[(*it - row) * col_count + j] = kLeftOut;
      }
    }
    return out;
  }

 private:
  const ScoreTiles& source_;
  IndexLists rows_of_col_;
};

void require_row(int64_t row, size_t rows) {
  if (row < 0 || row >= static_cast<int64_t>(rows))
    throw ShapeError(concat("left_out_rows: the source ", row, " is not a row of ", rows));
}

}  // namespace

IndexLists left_out_rows(const std::vector<int64_t>& y_image, const std::vector<int64_t>& x_label,
                         const std::vector<bool>& x_gallery) {
  if (!x_gallery.empty() && x_gallery.size() != x_label.size())
    throw ShapeError(concat("left_out_rows: x_gallery has ", x_gallery.size(), " entries, x_label ", x_label.size()));
  std::unordered_map<int64_t, std::vector<int64_t>> ranked;  // rows of each label
  for (size_t row = 0; row < x_gallery.size(); ++row)
    if (x_gallery[row]) ranked[x_label[row]].push_back(static_cast<int64_t>(row));
  IndexLists out;
  std::vector<int64_t> list;
  for (const int64_t source : y_image) {
    list = {source};
    if (!x_gallery.empty()) {
      require_row(source, x_gallery.size());
      const auto twins = ranked.find(x_label[static_cast<size_t>(source)]);
      if (!x_gallery[static_cast<size_t>(source)] && twins != ranked.end())
        list.insert(list.end(), twins->second.begin(), twins->second.end());
      std::ranges::sort(list);
    }
    out.add(list);
  }
  return out;
}

std::unique_ptr<ScoreTiles> without_rows(const ScoreTiles& source, IndexLists rows_of_col) {
  if (rows_of_col.size() != source.cols())
    throw ShapeError(concat("without_rows: ", rows_of_col.size(), " lists for ", source.cols(), " columns"));
  for (int64_t col = 0; col < rows_of_col.size(); ++col) {
    int64_t last = -1;
    for (const int64_t row : rows_of_col[col]) {
      if (row <= last || row >= source.rows())
        throw ShapeError(
            concat("without_rows: list ", col, ": ", row, " is not ascending in [0, ", source.rows(), ")"));
      last = row;
    }
  }
  return std::make_unique<TilesWithout>(source, std::move(rows_of_col));
}

std::unique_ptr<ScoreTiles> without_own(const ScoreTiles& source, const std::vector<int64_t>& y_image,
                                        const std::vector<int64_t>& x_label, const std::vector<bool>& x_gallery) {
  return without_rows(source, left_out_rows(y_image, x_label, x_gallery));
}

}  // namespace diptych

#pragma once
#include <torch/torch.h>

namespace diptych {

/// The rows of a matrix in blocks of equal height; the last one is filled up with rows of zeros.
class RowBlocks {
 public:
  RowBlocks() = default;
  RowBlocks(const at::Tensor& rows, int64_t height) : all_(rows), height_(height) {
    const int64_t begin = rows.size(0) / height * height, left = rows.size(0) - begin;
    if (left) edge_ = at::constant_pad_nd(rows.narrow(0, begin, left), {0, 0, 0, height - left});
  }
  int64_t rows() const { return all_.size(0); }
  const at::Tensor& all() const { return all_; }
  /// [height, D]; begin: a multiple of the height.
  at::Tensor block(int64_t begin) const { return begin + height_ <= rows() ? all_.narrow(0, begin, height_) : edge_; }

 private:
  at::Tensor all_, edge_;
  int64_t height_ = 1;
};

}  // namespace diptych

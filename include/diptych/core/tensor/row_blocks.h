#pragma once
#include <ATen/core/Tensor.h>

namespace diptych {

/// The rows of a matrix in blocks of equal height; the last one is filled up with rows of zeros.
class RowBlocks {
 public:
  RowBlocks() = default;
  RowBlocks(const at::Tensor& rows, int64_t height);
  int64_t rows() const { return all_.size(0); }
  const at::Tensor& all() const { return all_; }
  /// [height, D]; begin: a multiple of the height.
  at::Tensor block(int64_t begin) const;

 private:
  at::Tensor all_, edge_;
  int64_t height_ = 1;
};

}  // namespace diptych

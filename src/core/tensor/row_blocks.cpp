#include "diptych/core/tensor/row_blocks.h"

#include <ATen/ATen.h>

namespace diptych {

RowBlocks::RowBlocks(const at::Tensor& rows, int64_t height) : all_(rows), height_(height) {
  const int64_t begin = rows.size(0) / height * height, left = rows.size(0) - begin;
  if (left) edge_ = at::constant_pad_nd(rows.narrow(0, begin, left), {0, 0, 0, height - left});
}

at::Tensor RowBlocks::block(int64_t begin) const {
  return begin + height_ <= rows() ? all_.narrow(0, begin, height_) : edge_;
}

}  // namespace diptych

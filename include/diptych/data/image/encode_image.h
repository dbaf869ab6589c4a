#pragma once
#include <ATen/core/Tensor.h>

#include <string>

namespace diptych {

/// uint8 RGB [H, W, 3] as the bytes of a PNG file, for pages and logs. throws ShapeError.
std::string encode_png(const at::Tensor& image);

}  // namespace diptych

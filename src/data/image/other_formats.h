#pragma once
#include <ATen/core/Tensor.h>

#include <string_view>

#include "data/image/format.h"

namespace diptych::image {

/// PNG and WebP by OpenCV, after the header was checked: uint8 RGB [H, W, 3]. 16-bit values are scaled by 255/65535,
/// transparent pixels composed on white, palettes and 1, 2 and 4 bits expanded; gamma and colour profiles are ignored.
/// throws BadImage.
at::Tensor decode_by_opencv(std::string_view bytes, Format format, Size expected);

}  // namespace diptych::image

#pragma once
#include <ATen/core/Tensor.h>

#include <string_view>

namespace diptych::image {

/// The orientation tag (1 to 8) in the payload of a JPEG's APP1 marker. Anything broken or absent is 1: nothing is
/// followed, only the first directory is read, and every offset is checked.
int exif_orientation(std::string_view app1);

/// [H, W, C] as stored -> as meant to be seen; `orientation` 1 to 8 as in the EXIF standard.
at::Tensor orient(const at::Tensor& image, int orientation);

}  // namespace diptych::image

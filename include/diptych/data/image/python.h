#pragma once
#include <string>

#include "diptych/data/image/pipeline.h"

namespace diptych {

/// Python source of `preprocess(pixels)`: uint8 [H, W, 3] -> float32 [3, height, width], bit for bit the test-time view
/// and normalisation of pipeline.h; and of `read_image(path)`, which needs Pillow. `torch` and `F`
/// (torch.nn.functional) are imported.
std::string python_preprocessing(const ImageOptions& options);

}  // namespace diptych

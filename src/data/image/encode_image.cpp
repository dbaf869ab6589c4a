#include "diptych/data/image/encode_image.h"

#include <ATen/ATen.h>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <vector>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {

std::string encode_png(const at::Tensor& image) {
  if (image.dim() != 3 || image.size(2) != 3 || image.scalar_type() != at::kByte || image.numel() == 0)
    throw ShapeError(concat("encode_png: image ", image.sizes(), " of ", c10::toString(image.scalar_type()),
                            ", needed is uint8 [H, W, 3]"));
  const at::Tensor bgr = image.flip({2}).contiguous();
  const cv::Mat mat(static_cast<int>(bgr.size(0)), static_cast<int>(bgr.size(1)), CV_8UC3, bgr.data_ptr<uint8_t>());
  std::vector<uint8_t> bytes;
  cv::imencode(".png", mat, bytes);
  return {bytes.begin(), bytes.end()};
}

}  // namespace diptych

#include "data/image/other_formats.h"

#include <ATen/ATen.h>

#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "diptych/core/text.h"
#include "diptych/data/image/pipeline.h"

namespace diptych::image {
namespace {

uint32_t to_8bit(uint8_t value) { return value; }
uint32_t to_8bit(uint16_t value) { return (value * 255u + 32767u) / 65535u; }

uint8_t on_white(uint32_t value, uint32_t alpha) {
  return static_cast<uint8_t>((value * alpha + 255u * (255u - alpha) + 127u) / 255u);
}

/// One row of OpenCV's BGR(A) or grey -> RGB.
template <class T>
void convert_row(const T* in, int channels, int width, uint8_t* out) {
  for (int x = 0; x < width; ++x, in += channels, out += 3) {
    const bool colour = channels >= 3;
    const uint32_t alpha = channels == 4 ? to_8bit(in[3]) : 255u;
    out[0] = on_white(to_8bit(in[colour ? 2 : 0]), alpha);
    out[1] = on_white(to_8bit(in[colour ? 1 : 0]), alpha);
    out[2] = on_white(to_8bit(in[0]), alpha);
  }
}

/// The colours of one row of a palette PNG, given step * index.
void look_up_row(const uint8_t* in, const PalettePng& png, int width, uint8_t* out) {
  for (int x = 0; x < width; ++x, out += 3) {
    const size_t index = in[x] / png.step;
    if (3 * index >= png.colours.size())
      throw BadImage(concat("damaged PNG: a pixel has palette entry ", index, " of ", png.colours.size() / 3),
                     "write the image anew");
    const uint32_t alpha = index < png.alpha.size() ? static_cast<uint8_t>(png.alpha[index]) : 255u;
    for (size_t c = 0; c < 3; ++c) out[c] = on_white(static_cast<uint8_t>(png.colours[3 * index + c]), alpha);
  }
}

cv::Mat decode_unchanged(std::string_view bytes, const char* name) {
  static const bool kSingleThread = (cv::setNumThreads(0), true);  // the loader's workers are the parallelism
  (void)kSingleThread;
  const cv::Mat data(1, static_cast<int>(bytes.size()), CV_8UC1, const_cast<char*>(bytes.data()));
  try {
    return cv::imdecode(data, cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception& error) {
    throw BadImage(concat("damaged ", name, ": ", escape_for_log(error.err, 200)), "fetch the file again");
  }
}

}  // namespace

at::Tensor decode_by_opencv(std::string_view bytes, Format format, Size expected) {
  const char* const name = format == Format::png ? "PNG" : "WebP";
  const auto palette = format == Format::png ? take_palette(bytes) : std::nullopt;
  const cv::Mat mat = decode_unchanged(palette ? std::string_view(palette->indices) : bytes, name);
  if (mat.empty())
    throw BadImage(concat("damaged ", name, ": its decoder refuses the content"), "fetch the file again");
  const bool is_indices = mat.depth() == CV_8U && mat.channels() == 1;
  const bool known = (!palette || is_indices) && (mat.depth() == CV_8U || mat.depth() == CV_16U) &&
                     (mat.channels() == 1 || mat.channels() == 3 || mat.channels() == 4);
  if (!known || mat.rows != expected.height || mat.cols != expected.width)
    throw BadImage(concat(name, " decodes to ", mat.cols, " x ", mat.rows, " with ", mat.channels(),
                          " channels, its header says ", expected.width, " x ", expected.height));
  at::Tensor image = at::empty({mat.rows, mat.cols, 3}, at::kByte);
  uint8_t* out = image.data_ptr<uint8_t>();
  for (int y = 0; y < mat.rows; ++y, out += size_t{3} * static_cast<size_t>(mat.cols)) {
    if (palette)
      look_up_row(mat.ptr<uint8_t>(y), *palette, mat.cols, out);
    else if (mat.depth() == CV_8U)
      convert_row(mat.ptr<uint8_t>(y), mat.channels(), mat.cols, out);
    else
      convert_row(mat.ptr<uint16_t>(y), mat.channels(), mat.cols, out);
  }
  return image;
}

}  // namespace diptych::image

namespace diptych {

std::string encode_jpeg(const at::Tensor& image, int quality) {
  if (image.dim() != 3 || image.size(2) != 3 || image.scalar_type() != at::kByte || image.numel() == 0)
    throw ShapeError(concat("encode_jpeg: ", image.sizes(), " ", image.scalar_type(), ", needed is uint8 [H, W, 3]"));
  const at::Tensor pixels = image.cpu().flip({2}).contiguous();  // OpenCV wants blue first
  const cv::Mat view(static_cast<int>(pixels.size(0)), static_cast<int>(pixels.size(1)), CV_8UC3, pixels.data_ptr());
  std::vector<uint8_t> bytes;
  cv::imencode(".jpg", view, bytes, {cv::IMWRITE_JPEG_QUALITY, quality});
  return {bytes.begin(), bytes.end()};
}

}  // namespace diptych

#include "data/image/exif.h"

#include <ATen/ATen.h>

#include <cstdint>

namespace diptych::image {
namespace {

using namespace std::string_view_literals;

/// A TIFF structure in either byte order; reads outside it give 0.
class Tiff {
 public:
  Tiff(std::string_view bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}
  uint32_t u16(size_t at) const {
    if (at > bytes_.size() || bytes_.size() - at < 2) return 0;
    const uint32_t a = static_cast<uint8_t>(bytes_[at]), b = static_cast<uint8_t>(bytes_[at + 1]);
    return big_endian_ ? a << 8 | b : b << 8 | a;
  }
  uint32_t u32(size_t at) const { return big_endian_ ? u16(at) << 16 | u16(at + 2) : u16(at + 2) << 16 | u16(at); }

 private:
  std::string_view bytes_;
  bool big_endian_;
};

constexpr uint32_t kOrientation = 0x0112, kShort = 3;

}  // namespace

int exif_orientation(std::string_view app1) {
  if (!app1.starts_with("Exif\0\0"sv)) return 1;
  const std::string_view bytes = app1.substr(6);
  const bool little = bytes.starts_with("II*\0"sv), big = bytes.starts_with("MM\0*"sv);
  if (!little && !big) return 1;
  const Tiff tiff(bytes, big);
  const size_t directory = tiff.u32(4);
  const uint32_t entries = tiff.u16(directory);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + size_t{12} * i;
    if (entry + 12 > bytes.size()) return 1;
    if (tiff.u16(entry) != kOrientation) continue;
    const uint32_t value = tiff.u16(entry + 8);
    const bool valid = tiff.u16(entry + 2) == kShort && tiff.u32(entry + 4) == 1 && value >= 1 && value <= 8;
    return valid ? static_cast<int>(value) : 1;
  }
  return 1;
}

at::Tensor orient(const at::Tensor& image, int orientation) {
  const at::Tensor turned = orientation >= 5 ? image.transpose(0, 1) : image;
  const bool mirror_rows = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const bool mirror_columns = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  if (mirror_rows && mirror_columns) return turned.flip({0, 1}).contiguous();
  if (mirror_rows) return turned.flip({0}).contiguous();
  if (mirror_columns) return turned.flip({1}).contiguous();
  return turned.contiguous();
}

}  // namespace diptych::image

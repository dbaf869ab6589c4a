#include "diptych/data/image/self_check.h"

#include <ATen/ATen.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "diptych/data/image/pipeline.h"

namespace diptych {
namespace self_check {

// 16 x 8 pixels, the left half (200, 40, 40), the right half (40, 40, 200); made by scripts/golden/self_check.py.
constexpr std::string_view kJpeg =
    "ffd8ffe000104a46494600010100000100010000ffdb0043000302020302020303030304030304050805050404050a070706080c0a0c0c0b"
    "0a0b0b0d0e12100d0e110e0b0b1016101113141515150c0f171816141812141514ffdb00430103040405040509050509140d0b0d14141414"
    "14141414141414141414141414141414141414141414141414141414141414141414141414141414141414141414ffc00011080008001003"
    "011100021101031101ffc40014000100000000000000000000000000000007ffc40014100100000000000000000000000000000000ffc400"
    "160101010100000000000000000000000000080709ffc40014110100000000000000000000000000000000ffda000c03010002110311003f"
    "00144dcd517b474077ffd9";
constexpr std::string_view kPng =
    "89504e470d0a1a0a0000000d49484452000000100000000808020000007f14e8c00000001c4944415478da633ca1a1c1800d24302cc02ace"
    "c4402218d5400c000026e50228c06d8a0f0000000049454e44ae426082";
constexpr int kLeft[] = {200, 40, 40}, kRight[] = {40, 40, 200};

// Of the 6 x 6 table (40 x, 40 y, 255 where x = y), by the same script with Pillow.
constexpr std::array<uint8_t, 27> kResized = {29, 29,  99,  100, 29, 27,  171, 29,  0,   29, 100, 27,  100, 100,
                                              80, 171, 100, 27,  29, 171, 0,   100, 171, 27, 171, 171, 99};
constexpr int kTolerance = 4;  // of JPEG decoders among each other; 2 of resizing

std::string from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes += static_cast<char>(digit(hex[i]) << 4 | digit(hex[i + 1]));
  return bytes;
}

/// A file in the temporary folder while it lives.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view bytes)
      : name_((std::filesystem::temp_directory_path() / "diptych-check-XXXXXX").string()) {
    const int fd = ::mkstemp(name_.data());
    if (fd >= 0) ::close(fd);
    std::ofstream(name_, std::ios::binary) << bytes;
  }
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(name_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  std::filesystem::path path() const { return name_; }

 private:
  std::string name_;
};

std::string decoding_fault(const char* format, std::string_view hex) {
  try {
    const TemporaryFile file(from_hex(hex));
    const at::Tensor image = decode_image(file.path(), ImageOptions{});
    if (image.sizes() != at::IntArrayRef{8, 16, 3}) return concat(format, " decodes to ", image.sizes());
    for (const int x : {2, 13})
      for (int c = 0; c < 3; ++c) {
        const int found = image[4][x][c].item<int>(), expected = x < 8 ? kLeft[c] : kRight[c];
        if (std::abs(found - expected) > kTolerance)
          return concat(format, ": pixel (4, ", x, ") has ", found, " in channel ", c, ", expected ", expected);
      }
  } catch (const Error& error) {
    return concat(format, ": ", error.issues().front().message);
  }
  return "";
}

std::string resizing_fault() {
  at::Tensor table = at::zeros({6, 6, 3}, at::kByte);
  for (int64_t y = 0; y < 6; ++y)
    for (int64_t x = 0; x < 6; ++x) table[y][x][0] = 40 * x, table[y][x][1] = 40 * y, table[y][x][2] = x == y ? 255 : 0;
  const at::Tensor resized = resize_image(table, 3, 3).contiguous();
  const uint8_t* found = resized.const_data_ptr<uint8_t>();
  for (size_t i = 0; i < kResized.size(); ++i)
    if (std::abs(int{found[i]} - int{kResized[i]}) > 2)
      return concat("resizing: number ", i, " is ", int{found[i]}, ", expected ", int{kResized[i]});
  return "";
}

}  // namespace self_check

std::vector<std::string> image_faults() {
  std::vector<std::string> out;
  for (std::string fault : {self_check::decoding_fault("JPEG", self_check::kJpeg),
                            self_check::decoding_fault("PNG", self_check::kPng), self_check::resizing_fault()})
    if (!fault.empty()) out.push_back(std::move(fault));
  return out;
}

}  // namespace diptych

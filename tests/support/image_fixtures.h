#pragma once
#include <torch/torch.h>

#include <array>
#include <cstdint>
#include <opencv2/imgcodecs.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "diptych/core/random.h"

// Image files made in memory, so that tests need none from outside.
namespace diptych::testing {

/// A picture with gradients and noise, BGR as OpenCV writes it.
inline cv::Mat noisy_picture(int height, int width, uint64_t seed = 1) {
  Random random(seed);
  cv::Mat picture(height, width, CV_8UC3);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        picture.at<cv::Vec3b>(y, x)[c] =
            static_cast<uint8_t>((x * (c + 1) * 120) / width + (y * 90) / height + static_cast<int>(random.below(40)));
  return picture;
}

inline std::string encode_image(const std::string& extension, const cv::Mat& picture,
                                const std::vector<int>& options = {}) {
  std::vector<uchar> bytes;
  cv::imencode(extension, picture, bytes, options);
  return std::string(bytes.begin(), bytes.end());
}
inline std::string jpeg_bytes(int height, int width, uint64_t seed = 1) {
  return encode_image(".jpg", noisy_picture(height, width, seed));
}

inline std::string big_endian(uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

/// One PNG chunk with its checksum.
inline std::string png_chunk(const std::string& type, std::string_view data) {
  const std::string body = type + std::string(data);
  uint32_t crc = ~0u;
  for (const char each : body) {
    crc ^= static_cast<uint8_t>(each);
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? 0xEDB88320u ^ (crc >> 1) : crc >> 1;
  }
  return big_endian(static_cast<uint32_t>(data.size())) + body + big_endian(~crc);
}

/// IDAT of rows given as bytes (filter 0), stored without compression.
inline std::string png_data(const std::vector<std::string>& rows) {
  std::string raw;
  for (const std::string& row : rows) raw += '\0' + row;
  uint32_t a = 1, b = 0;
  for (const char each : raw) a = (a + static_cast<uint8_t>(each)) % 65521, b = (b + a) % 65521;
  const auto size = static_cast<uint16_t>(raw.size());
  const auto low = [](uint16_t value) { return static_cast<char>(value & 255); };
  const auto high = [](uint16_t value) { return static_cast<char>(value >> 8); };
  const auto inverse = static_cast<uint16_t>(~size);
  const std::string block{'\x01', low(size), high(size), low(inverse), high(inverse)};
  return png_chunk("IDAT", "\x78\x01" + block + raw + big_endian(b << 16 | a));
}

inline std::string png_header(uint32_t width, uint32_t height, int bits, int colour_type) {
  const std::string tail{static_cast<char>(bits), static_cast<char>(colour_type), 0, 0, 0};
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", big_endian(width) + big_endian(height) + tail);
}
inline std::string png_file(uint32_t width, uint32_t height, int bits, int colour_type,
                            const std::vector<std::string>& rows, const std::string& more_chunks = "") {
  return png_header(width, height, bits, colour_type) + more_chunks + png_data(rows) + png_chunk("IEND", "");
}

/// The JPEG with an APP1 marker of this payload right after its start.
inline std::string with_app1(const std::string& jpeg, const std::string& payload) {
  const auto size = static_cast<uint16_t>(payload.size() + 2);
  const std::string marker{'\xff', '\xe1', static_cast<char>(size >> 8), static_cast<char>(size & 255)};
  return jpeg.substr(0, 2) + marker + payload + jpeg.substr(2);
}

/// An EXIF payload with one entry in its first directory: the orientation. Little-endian.
inline std::string exif_payload(int orientation) {
  using namespace std::string_literals;
  std::string payload = "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0v\0\0\0\0\0\0\0"s;
  payload[24] = static_cast<char>(orientation);
  return payload;
}

/// The header of a JPEG with its frame size replaced.
inline std::string with_frame_size(std::string jpeg, int height, int width) {
  const size_t frame = jpeg.find("\xff\xc0");
  jpeg[frame + 5] = static_cast<char>(height >> 8), jpeg[frame + 6] = static_cast<char>(height & 255);
  jpeg[frame + 7] = static_cast<char>(width >> 8), jpeg[frame + 8] = static_cast<char>(width & 255);
  return jpeg;
}

}  // namespace diptych::testing

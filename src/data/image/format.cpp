#include "data/image/format.h"

#include <array>

#include "diptych/core/io/hash.h"
#include "diptych/core/text.h"

namespace diptych::image {
namespace {

using namespace std::string_view_literals;

struct Magic {
  const char* name;
  size_t offset;
  std::string_view text;
};

// Formats that are recognised in order to refuse them: OpenCV would hand many of them to large, little-tested decoders.
constexpr std::array kForeign{
    Magic{"GIF", 0, "GIF8"sv},
    Magic{"BMP", 0, "BM"sv},
    Magic{"TIFF", 0, "II*\0"sv},
    Magic{"TIFF", 0, "MM\0*"sv},
    Magic{"BigTIFF", 0, "II+\0"sv},
    Magic{"BigTIFF", 0, "MM\0+"sv},
    Magic{"JPEG 2000", 0, "\0\0\0\x0cjP  "sv},
    Magic{"JPEG 2000", 0, "\xff\x4f\xff\x51"sv},
    Magic{"JPEG XL", 0, "\xff\x0a"sv},
    Magic{"JPEG XL", 0, "\0\0\0\x0cJXL "sv},
    Magic{"OpenEXR", 0, "\x76\x2f\x31\x01"sv},
    Magic{"Radiance HDR", 0, "#?RADIANCE"sv},
    Magic{"Radiance HDR", 0, "#?RGBE"sv},
    Magic{"NITF", 0, "NITF"sv},
    Magic{"DICOM", 128, "DICM"sv},
    Magic{"HEIC or AVIF", 4, "ftyp"sv},
    Magic{"SVG", 0, "<svg"sv},
    Magic{"XML or SVG", 0, "<?xml"sv},
    Magic{"icon", 0, "\0\0\1\0"sv},
    Magic{"Photoshop", 0, "8BPS"sv},
    Magic{"PDF", 0, "%PDF"sv},
    Magic{"zip archive", 0, "PK\3\4"sv},
    Magic{"gzip archive", 0, "\x1f\x8b"sv},
};

bool has(std::string_view bytes, size_t offset, std::string_view text) {
  return bytes.size() >= offset && bytes.substr(offset, text.size()) == text;
}

bool is_netpbm(std::string_view bytes) {
  return bytes.size() > 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7' &&
         (bytes[2] == '\n' || bytes[2] == ' ' || bytes[2] == '\r' || bytes[2] == '\t' || bytes[2] == '#');
}

uint32_t byte_at(std::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }
uint32_t big32(std::string_view bytes, size_t at) {
  return byte_at(bytes, at) << 24 | byte_at(bytes, at + 1) << 16 | byte_at(bytes, at + 2) << 8 | byte_at(bytes, at + 3);
}
uint32_t little24(std::string_view bytes, size_t at) {
  return byte_at(bytes, at) | byte_at(bytes, at + 1) << 8 | byte_at(bytes, at + 2) << 16;
}
uint32_t little32(std::string_view bytes, size_t at) { return little24(bytes, at) | byte_at(bytes, at + 3) << 24; }

constexpr size_t kPngSignature = 8;
const char* const kFetchAgain = "fetch the file again";

[[noreturn]] void refuse_foreign(const char* name) {
  throw BadImage(concat("content is ", name, ": format not accepted (JPEG, PNG and WebP are)"),
                 "convert it to JPEG or PNG");
}

}  // namespace

Format recognise(std::string_view bytes) {
  if (bytes.empty()) throw BadImage("empty file", kFetchAgain);
  if (has(bytes, 0, "\xff\xd8\xff")) return Format::jpeg;
  if (has(bytes, 0, "\x89PNG\r\n\x1a\n")) return Format::png;
  if (has(bytes, 0, "RIFF") && has(bytes, 8, "WEBP")) return Format::webp;
  for (const Magic& magic : kForeign)
    if (has(bytes, magic.offset, magic.text)) refuse_foreign(magic.name);
  if (is_netpbm(bytes)) refuse_foreign("PNM or PAM");
  throw BadImage(concat("not an image: format not accepted (JPEG, PNG and WebP are); begins with \"",
                        escape_for_log(bytes.substr(0, 24)), "\""),
                 kFetchAgain);
}

Size png_size(std::string_view bytes) {
  if (bytes.size() < 33 || !has(bytes, kPngSignature, "\0\0\0\x0dIHDR"sv))
    throw BadImage("PNG without a complete IHDR chunk", kFetchAgain);
  return {big32(bytes, 16), big32(bytes, 20)};
}

void check_png_chunks(std::string_view bytes) {
  for (size_t at = kPngSignature; at + 12 <= bytes.size();) {
    const uint64_t length = big32(bytes, at);
    const std::string_view type = bytes.substr(at + 4, 4);
    if (length > bytes.size() - at - 12)
      throw BadImage(concat("truncated PNG: the file ends inside its chunk ", escape_for_log(type)), kFetchAgain);
    if (crc32_of(bytes.substr(at + 4, length + 4)) != big32(bytes, at + 8 + length))
      throw BadImage(concat("damaged PNG: wrong checksum of chunk ", escape_for_log(type), " at byte ", at),
                     kFetchAgain);
    if (type == "IEND") return;
    at += length + 12;
  }
  throw BadImage("truncated PNG: the file ends before its chunk IEND", kFetchAgain);
}

std::optional<PalettePng> take_palette(std::string_view bytes) {
  constexpr size_t kBits = 24, kColourType = 25, kAfterHeader = 33;
  if (bytes[kColourType] != 3) return std::nullopt;
  const uint32_t bits = byte_at(bytes, kBits);
  if (bits != 1 && bits != 2 && bits != 4 && bits != 8)
    throw BadImage(concat("damaged PNG: a palette with ", bits, " bits"), kFetchAgain);
  PalettePng png{std::string(bytes.substr(0, kAfterHeader)), 255 / ((1u << bits) - 1), {}, {}};
  png.indices[kColourType] = 0;  // grey
  const uint32_t crc = crc32_of(std::string_view(png.indices).substr(12, 17));
  for (size_t i = 0; i < 4; ++i) png.indices[29 + i] = static_cast<char>(crc >> (24 - 8 * i));
  for (size_t at = kAfterHeader;;) {
    const uint32_t length = big32(bytes, at);
    const std::string_view type = bytes.substr(at + 4, 4), data = bytes.substr(at + 8, length);
    if (type == "PLTE") png.colours = data;
    if (type == "tRNS") png.alpha = data;
    if (type == "IDAT" || type == "IEND") png.indices += bytes.substr(at, size_t{length} + 12);
    if (type == "IEND") break;
    at += size_t{length} + 12;
  }
  if (png.colours.empty() || png.colours.size() % 3 != 0 || png.colours.size() > 768)
    throw BadImage(concat("damaged PNG: a palette of ", png.colours.size(), " bytes"), kFetchAgain);
  return png;
}

Size webp_size(std::string_view bytes) {
  if (bytes.size() < 30) throw BadImage("truncated WebP: no complete header", kFetchAgain);
  if (little32(bytes, 4) > bytes.size() - 8)
    throw BadImage(
        concat("truncated WebP: ", bytes.size(), " bytes, its header says ", uint64_t{little32(bytes, 4)} + 8),
        kFetchAgain);
  const std::string_view kind = bytes.substr(12, 4);
  if (kind == "VP8X") return {little24(bytes, 24) + 1, little24(bytes, 27) + 1};
  if (kind == "VP8L") {
    const uint32_t bits = little32(bytes, 21);
    return {(bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1};
  }
  if (kind == "VP8 ") return {little24(bytes, 26) & 0x3FFF, little32(bytes, 26) >> 16 & 0x3FFF};
  throw BadImage(concat("damaged WebP: unknown first chunk \"", escape_for_log(kind), "\""), kFetchAgain);
}

void check_size(Size size, double max_megapixels) {
  const double pixels = static_cast<double>(size.width) * static_cast<double>(size.height);
  if (pixels < 1) throw BadImage(concat(size.width, " x ", size.height, " pixels: the image is empty"), kFetchAgain);
  if (pixels > max_megapixels * 1e6)
    throw BadImage(
        concat(size.width, " x ", size.height, " pixels: more than the limit of ", max_megapixels, " megapixels"),
        "shrink the image, or raise data.image.max_megapixels");
}

}  // namespace diptych::image

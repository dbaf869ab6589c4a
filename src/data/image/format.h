#pragma once
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

// What the first bytes of an image file say. Everything here works on untrusted bytes and allocates nothing.
namespace diptych::image {

/// The cause of a bad image, before its path is known; decode_image turns it into a DataError.
struct BadImage : std::runtime_error {
  explicit BadImage(const std::string& message, std::string remedy = "")
      : std::runtime_error(message), hint(std::move(remedy)) {}
  std::string hint;
};

enum class Format { jpeg, png, webp };

struct Size {
  int64_t width, height;
};

/// The format by magic bytes; the file's name does not count. throws BadImage for empty, foreign and unknown content.
Format recognise(std::string_view bytes);

/// Width and height from IHDR. throws BadImage.
Size png_size(std::string_view bytes);
/// Every chunk complete with a right checksum, up to IEND. throws BadImage naming the chunk.
void check_png_chunks(std::string_view bytes);

/// A PNG with a palette, taken apart. libpng shows an index past the palette as black; we want to see it.
struct PalettePng {
  std::string indices;       // the same picture as a grey PNG: a decoder gives step * index
  uint32_t step;             // 1, 17, 85, 255 for 8, 4, 2, 1 bits
  std::string_view colours;  // RGB triples
  std::string_view alpha;    // of the first entries; 255 for the others
};
/// Nothing unless the checked PNG has a palette. throws BadImage if the PLTE chunk is missing or of a wrong length.
std::optional<PalettePng> take_palette(std::string_view bytes);

/// Canvas size from the VP8, VP8L or VP8X header. throws BadImage, also if the file is shorter than its RIFF size.
Size webp_size(std::string_view bytes);

/// throws BadImage if a side is 0 or there are more than `max_megapixels` million pixels.
void check_size(Size size, double max_megapixels);

}  // namespace diptych::image

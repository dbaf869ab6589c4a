#pragma once
#include <cstdint>
#include <memory>
#include <string_view>

#include "data/image/format.h"

namespace diptych::image {

/// One JPEG in memory, by libjpeg-turbo. A warning of the decoder is an error here: libjpeg fills what is missing with
/// grey and goes on, and a network would learn from it.
class JpegReader {
 public:
  /// Reads the header; `bytes` must outlive the reader. throws BadImage.
  explicit JpegReader(std::string_view bytes);
  ~JpegReader();
  Size size() const;
  /// The EXIF orientation, 1 if there is none.
  int orientation() const;
  /// Writes RGB, height * width * 3 bytes. Grey is repeated; CMYK and YCCK are taken as Adobe stores them (inverted),
  /// as Pillow does, and converted. May be called once. throws BadImage.
  void decode(uint8_t* rgb);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace diptych::image

#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>

#include "diptych/core/options.h"
#include "diptych/core/random.h"

namespace diptych {

enum class Resize { squash, short_side_crop, random_resized_crop };
constexpr auto enum_names(Resize) {
  return std::array{std::pair{Resize::squash, "squash"}, std::pair{Resize::short_side_crop, "short_side_crop"},
                    std::pair{Resize::random_resized_crop, "random_resized_crop"}};
}
enum class Normalise { imagenet, half, none };
constexpr auto enum_names(Normalise) {
  return std::array{std::pair{Normalise::imagenet, "imagenet"}, std::pair{Normalise::half, "half"},
                    std::pair{Normalise::none, "none"}};
}
enum class Exif { ignore, apply };
constexpr auto enum_names(Exif) {
  return std::array{std::pair{Exif::ignore, "ignore"}, std::pair{Exif::apply, "apply"}};
}

struct ImageOptions {
  int64_t height = 224, width = 224;
  Resize resize = Resize::squash;
  int64_t short_side = 256;
  double min_area = 0.08, max_area = 1.0, max_aspect = 4.0 / 3.0;
  bool flip = true;
  Normalise normalise = Normalise::imagenet;
  Exif exif = Exif::ignore;
  double max_megapixels = 50;
  static void visit(auto& self, auto& field) {
    field("height", self.height, "height that the encoder sees, in pixels", Field{.lo = 8, .hi = 4096});
    field("width", self.width, "width that the encoder sees, in pixels", Field{.lo = 8, .hi = 4096});
    field("resize", self.resize,
          "squash: resize to height x width, aspect ignored; short_side_crop: resize the short side, crop (random in "
          "training, centre in testing); random_resized_crop: random area and aspect in training, short side + centre "
          "crop in testing");
    field("short_side", self.short_side, "short side before cropping, in pixels", Field{.lo = 8, .hi = 8192});
    field("min_area", self.min_area, "random_resized_crop: smallest share of the image's area",
          Field{.lo = 0.01, .hi = 1});
    field("max_area", self.max_area, "random_resized_crop: largest share of the image's area",
          Field{.lo = 0.01, .hi = 1});
    field("max_aspect", self.max_aspect, "random_resized_crop: aspect ratio between 1/this and this",
          Field{.lo = 1, .hi = 4});
    field("flip", self.flip, "mirror half of the training images");
    field("normalise", self.normalise,
          "imagenet: mean (.485, .456, .406), std (.229, .224, .225); half: to [-1, 1]; none: [0, 1]");
    field("exif", self.exif, "orientation tag: ignored as Pillow does, or applied");
    field("max_megapixels", self.max_megapixels, "larger images are refused before decoding",
          Field{.lo = 0.001, .hi = 1000});
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const;
};

/// Decodes a file to RGB uint8 [H, W, 3]. JPEG by libjpeg-turbo (any decoder warning is an error: truncation), PNG and
/// the like by OpenCV after a check of the size in the header. throws DataError of class IMG with the path and the
/// cause.
at::Tensor decode_image(const std::filesystem::path& path, const ImageOptions& options);

/// Antialiased bilinear resize of uint8 [H, W, 3], within 2 levels of Pillow's.
at::Tensor resize_image(const at::Tensor& image, int64_t height, int64_t width);

/// uint8 [H, W, 3], RGB, as the bytes of a JPEG file.
std::string encode_jpeg(const at::Tensor& image, int quality = 90);

/// Resize, crop and flip as the options say: uint8 [H, W, 3] -> uint8 [height, width, 3]. With `random` null: the
/// test-time view.
at::Tensor transform_image(const at::Tensor& image, const ImageOptions& options, Random* random);

/// uint8 [H, W, 3] -> normalised float32 written to `out`, an NHWC slab of H*W*3 floats (channels-last [1,3,H,W]
/// storage).
void normalise_into(const at::Tensor& image, Normalise preset, float* out);

}  // namespace diptych

#include "diptych/data/image/pipeline.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "data/image/exif.h"
#include "data/image/format.h"
#include "data/image/jpeg.h"
#include "data/image/other_formats.h"
#include "diptych/core/io/fs.h"

namespace diptych {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{64} << 20;

at::Tensor decode_jpeg(std::string_view bytes, const ImageOptions& options) {
  image::JpegReader reader(bytes);
  const image::Size size = reader.size();
  image::check_size(size, options.max_megapixels);
  at::Tensor pixels = at::empty({size.height, size.width, 3}, at::kByte);
  reader.decode(pixels.data_ptr<uint8_t>());
  return options.exif == Exif::apply ? image::orient(pixels, reader.orientation()) : pixels;
}

at::Tensor decode_bytes(std::string_view bytes, const ImageOptions& options) {
  const image::Format format = image::recognise(bytes);
  if (format == image::Format::jpeg) return decode_jpeg(bytes, options);
  const image::Size size = format == image::Format::png ? image::png_size(bytes) : image::webp_size(bytes);
  image::check_size(size, options.max_megapixels);
  if (format == image::Format::png) image::check_png_chunks(bytes);
  return image::decode_by_opencv(bytes, format, size);
}

struct Box {
  int64_t top, left, height, width;
};

at::Tensor cut(const at::Tensor& pixels, const Box& box) {
  return pixels.narrow(0, box.top, box.height).narrow(1, box.left, box.width);
}

/// Python's round(): half to even.
int64_t round_even(double value) { return static_cast<int64_t>(std::nearbyint(value)); }

int64_t draw(Random& random, int64_t last) {
  return static_cast<int64_t>(random.below(static_cast<uint64_t>(last) + 1));
}

/// As torchvision's Resize(short_side): the long side is rounded down.
at::Tensor resize_short_side(const at::Tensor& pixels, const ImageOptions& options) {
  const int64_t height = pixels.size(0), width = pixels.size(1), side = options.short_side;
  const int64_t long_side = side * std::max(height, width) / std::min(height, width);
  if (static_cast<double>(long_side) * static_cast<double>(side) > options.max_megapixels * 1e6)
    throw DataError(ErrorClass::img, "",
                    concat("a ", width, " x ", height, " image becomes ", long_side, " x ", side,
                           " pixels when its short side is resized to ", side, ": more than the limit of ",
                           options.max_megapixels, " megapixels"),
                    "remove the image, or use data.image.resize=squash");
  return height <= width ? resize_image(pixels, side, long_side) : resize_image(pixels, long_side, side);
}

Box crop_box(const at::Tensor& pixels, const ImageOptions& options, Random* random) {
  const int64_t spare_rows = pixels.size(0) - options.height, spare_columns = pixels.size(1) - options.width;
  if (spare_rows < 0 || spare_columns < 0)
    throw ShapeError(concat("transform_image: a crop of ", options.height, " x ", options.width, " from ",
                            pixels.size(0), " x ", pixels.size(1), " (height x width)"));
  const int64_t top = random ? draw(*random, spare_rows) : round_even(static_cast<double>(spare_rows) / 2);
  const int64_t left = random ? draw(*random, spare_columns) : round_even(static_cast<double>(spare_columns) / 2);
  return {top, left, options.height, options.width};
}

/// The whole image, cut to the allowed aspect ratios around its centre.
Box centre_box(int64_t height, int64_t width, double max_aspect) {
  const double aspect = static_cast<double>(width) / static_cast<double>(height);
  Box box{0, 0, height, width};
  if (aspect < 1 / max_aspect) box.height = std::min(height, round_even(static_cast<double>(width) * max_aspect));
  if (aspect > max_aspect) box.width = std::min(width, round_even(static_cast<double>(height) * max_aspect));
  box.top = (height - box.height) / 2;
  box.left = (width - box.width) / 2;
  return box;
}

/// As torchvision's RandomResizedCrop: uniform area, log-uniform aspect, ten tries, then centre_box.
Box random_box(int64_t height, int64_t width, const ImageOptions& options, Random& random) {
  const double area = static_cast<double>(height) * static_cast<double>(width),
               log_aspect = std::log(options.max_aspect);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * random.uniform(options.min_area, options.max_area);
    const double aspect = std::exp(random.uniform(-log_aspect, log_aspect));
    Box box{0, 0, round_even(std::sqrt(target / aspect)), round_even(std::sqrt(target * aspect))};
    if (box.height < 1 || box.width < 1 || box.height > height || box.width > width) continue;
    box.top = draw(random, height - box.height);
    box.left = draw(random, width - box.width);
    return box;
  }
  return centre_box(height, width, options.max_aspect);
}

at::Tensor view_of(const at::Tensor& pixels, const ImageOptions& options, Random* random) {
  if (options.resize == Resize::squash) return resize_image(pixels, options.height, options.width);
  if (options.resize == Resize::random_resized_crop && random)
    return resize_image(cut(pixels, random_box(pixels.size(0), pixels.size(1), options, *random)), options.height,
                        options.width);
  const at::Tensor resized = resize_short_side(pixels, options);
  return cut(resized, crop_box(resized, options, random)).contiguous();
}

}  // namespace

void ImageOptions::validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
  const std::string prefix = path.empty() ? "" : path + ".";
  if (resize != Resize::squash && short_side < std::max(height, width))
    complaints.add(origin, concat(prefix, "short_side = ", short_side, ": a crop of ", prefix, "height = ", height,
                                  " by ", prefix, "width = ", width, " needs at least ", std::max(height, width)));
  if (min_area > max_area)
    complaints.add(origin, concat(prefix, "min_area = ", min_area, ": larger than ", prefix, "max_area = ", max_area));
}

at::Tensor decode_image(const std::filesystem::path& path, const ImageOptions& options) {
  const std::string bytes = read_file(path, kMaxFileBytes, ErrorClass::img);
  try {
    return decode_bytes(bytes, options);
  } catch (const image::BadImage& bad) {
    throw DataError(ErrorClass::img, escape_for_log(path.native(), 400), bad.what(), bad.hint);
  }
}

at::Tensor resize_image(const at::Tensor& image, int64_t height, int64_t width) {
  if (image.dim() != 3 || image.size(2) != 3 || image.scalar_type() != at::kByte)
    throw ShapeError(
        concat("resize_image: image ", image.sizes(), " of type ", image.scalar_type(), ", needed is uint8 [H, W, 3]"));
  if (image.size(0) == height && image.size(1) == width) return image.contiguous();
  const at::Tensor planes = image.permute({2, 0, 1}).unsqueeze(0).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor resized = at::_upsample_bilinear2d_aa(planes, {height, width}, /*align_corners=*/false);
  return resized.squeeze(0).permute({1, 2, 0}).contiguous();
}

at::Tensor transform_image(const at::Tensor& image, const ImageOptions& options, Random* random) {
  const at::Tensor view = view_of(image, options, random);
  return random && options.flip && random->chance(0.5) ? view.flip({1}) : view;
}

}  // namespace diptych

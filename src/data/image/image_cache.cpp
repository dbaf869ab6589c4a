#include <ATen/ATen.h>

#include "diptych/data/image/loader.h"

namespace diptych {

ImageCache::Key ImageCache::key_of(int64_t image_row, const ImageOptions& options) {
  const bool resized = options.resize == Resize::squash;
  return {image_row, resized ? options.height : 0, resized ? options.width : 0, static_cast<int64_t>(options.exif)};
}

at::Tensor ImageCache::find(int64_t image_row, const ImageOptions& options) const {
  const std::lock_guard lock(mutex_);
  const auto it = images_.find(key_of(image_row, options));
  return it == images_.end() ? at::Tensor() : it->second;
}

void ImageCache::insert(int64_t image_row, const ImageOptions& options, const at::Tensor& image) {
  const uint64_t size = image.nbytes();
  const std::lock_guard lock(mutex_);
  if (bytes_ + size > max_bytes_) return;
  if (images_.emplace(key_of(image_row, options), image).second) bytes_ += size;
}

uint64_t ImageCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace diptych

#include "data/sampling.h"

#include <algorithm>

namespace diptych {

void require_a_batch(const SamplerContext& context) {
  if (context.batch_size < 1)
    throw UsageError("train.batch_size", concat("= ", context.batch_size, ": expected at least 1"));
  if (context.caption_rows.empty())
    throw DataError(concat("corpus ", escape_for_log(context.corpus.name)), "the training split holds no captions",
                    "which splits a file holds: diptych data stats");
}

void require_two_images(const SamplerContext& context, int64_t size, const std::string& which,
                        const std::string& hint) {
  const auto captions_of = [](const ImageCaptions& image) { return image.caption_rows.size(); };
  const auto images = images_of(context);
  const ImageCaptions& most = *std::ranges::max_element(images, {}, captions_of);
  const auto captions = static_cast<int64_t>(captions_of(most));
  if (size > captions) return;
  const std::string& id = context.corpus.images[static_cast<size_t>(most.image_row)].id;
  throw UsageError(
      "train.batch_size",
      concat("= ", context.batch_size, ": ", which, " of ", size, size == 1 ? " pair" : " pairs",
             " can hold a single image (", escape_for_log(id, 100), " has ", captions,
             captions == 1 ? " caption" : " captions", "); batch norm and ranking losses need two different images"),
      hint);
}

int64_t divided_batch(const SamplerContext& context, int64_t divisor, const char* key) {
  if (context.batch_size % divisor != 0)
    throw UsageError("train.batch_size",
                     concat("= ", context.batch_size, ": must be a multiple of ", key, " = ", divisor),
                     concat("next sizes: ", context.batch_size / divisor * divisor, ", ",
                            (context.batch_size / divisor + 1) * divisor));
  return context.batch_size / divisor;
}

std::vector<ImageCaptions> images_of(const SamplerContext& context) {
  std::vector<int64_t> rows = context.caption_rows;
  const auto image_of = [&](int64_t caption) { return context.corpus.captions[caption].image_row; };
  std::sort(rows.begin(), rows.end(),
            [&](int64_t a, int64_t b) { return std::pair(image_of(a), a) < std::pair(image_of(b), b); });
  std::vector<ImageCaptions> images;
  for (const int64_t row : rows) {
    const int64_t image = image_of(row);
    if (images.empty() || images.back().image_row != image)
      images.push_back({image, context.corpus.images[image].label, {}});
    images.back().caption_rows.push_back(row);
  }
  return images;
}

}  // namespace diptych

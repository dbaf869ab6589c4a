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

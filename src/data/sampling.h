#pragma once
#include "diptych/core/random.h"
#include "diptych/data/sampler.h"

namespace diptych {

/// throws UsageError or DataError unless at least one batch of `context.batch_size` can be drawn from the captions.
void require_a_batch(const SamplerContext& context);
/// throws UsageError unless batches of `size` pairs, drawn from all captions of the context, hold two images or more
/// whatever the order: `size` must exceed the captions of every image. `which` begins the sentence: "a batch".
void require_two_images(const SamplerContext& context, int64_t size, const std::string& which, const std::string& hint);
/// batch_size / divisor; throws UsageError ("train.batch_size = 30: must be a multiple of ...") if that leaves a rest.
int64_t divided_batch(const SamplerContext& context, int64_t divisor, const char* key);

/// The images of the context in ascending order, each with its captions in ascending order.
struct ImageCaptions {
  int64_t image_row, label;
  std::vector<int64_t> caption_rows;
};
std::vector<ImageCaptions> images_of(const SamplerContext& context);

/// The stream of one purpose in one epoch.
inline Random epoch_stream(uint64_t seed, Stream stream, int64_t epoch, uint64_t item = 0) {
  return Random(seed, {static_cast<uint64_t>(stream), static_cast<uint64_t>(epoch), item});
}

}  // namespace diptych

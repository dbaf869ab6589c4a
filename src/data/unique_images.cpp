#include "data/unique_images.h"

namespace diptych {

UniqueImages::UniqueImages(const Options& options, const SamplerContext& context)
    : options_(options), images_(images_of(context)), images_per_batch_(0), seed_(context.seed) {
  require_a_batch(context);
  images_per_batch_ = divided_batch(context, options_.captions_per_image, "captions_per_image");
  const auto images = static_cast<int64_t>(images_.size());
  if (images < images_per_batch_ && options_.drop_last)
    throw UsageError(
        "train.batch_size",
        concat("= ", context.batch_size, ": needs ", images_per_batch_,
               " different images, but the training split has ", images, ", so drop_last = true leaves no batch"),
        concat("train.batch_size=", images * options_.captions_per_image, " or less"));
  if (images_per_batch_ < 2)
    throw UsageError("train.batch_size",
                     concat("= ", context.batch_size, ": with captions_per_image = ", options_.captions_per_image,
                            " a batch holds one image; batch norm and ranking losses need two different images"),
                     concat("train.batch_size=", 2 * options_.captions_per_image, " or more"));
  const int64_t last = options_.drop_last ? 0 : images % images_per_batch_;
  if (last == 1)
    throw UsageError("train.batch_size",
                     concat("= ", context.batch_size, ": with drop_last = false the last batch holds one of the ",
                            images, " images; batch norm and ranking losses need two different images"),
                     "data.sampler.drop_last: true, or another batch size");
}

int64_t UniqueImages::batches_per_pass() const {
  const auto images = static_cast<int64_t>(images_.size());
  return options_.drop_last ? images / images_per_batch_ : (images + images_per_batch_ - 1) / images_per_batch_;
}

// The captions of an image in this epoch's order; pass p takes the p-th group, from the start again when they run out.
void UniqueImages::add_pairs(const ImageCaptions& image, int64_t epoch, int64_t pass, PairBatch& batch) const {
  const auto captions = static_cast<int64_t>(image.caption_rows.size());
  const auto order =
      permutation(captions, epoch_stream(seed_, Stream::captions, epoch, static_cast<uint64_t>(image.image_row)));
  for (int64_t i = 0; i < options_.captions_per_image; ++i)
    batch.push_back({image.image_row, image.caption_rows[order[(pass * options_.captions_per_image + i) % captions]]});
}

std::vector<PairBatch> UniqueImages::epoch(int64_t epoch) const {
  std::vector<PairBatch> batches;
  for (int64_t pass = 0; pass < options_.passes; ++pass) {
    const auto order = permutation(static_cast<int64_t>(images_.size()),
                                   epoch_stream(seed_, Stream::order, epoch, static_cast<uint64_t>(pass)));
    const size_t first = batches.size(),
                 used = options_.drop_last ? batches_per_pass() * images_per_batch_ : order.size();
    batches.resize(first + batches_per_pass());
    for (size_t i = 0; i < used; ++i) add_pairs(images_[order[i]], epoch, pass, batches[first + i / images_per_batch_]);
  }
  return batches;
}

}  // namespace diptych

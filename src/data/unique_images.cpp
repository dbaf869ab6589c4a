#include "data/unique_images.h"

#include <unordered_map>

namespace diptych {
namespace {

// Every image alone, or with its partner. An even number of images a batch then keeps partners together.
std::vector<std::vector<int64_t>> units_of(const std::vector<ImageCaptions>& images, const SamplerContext& context,
                                           bool keep_pairs, int64_t images_per_batch) {
  std::vector<std::vector<int64_t>> units;
  if (!keep_pairs) {
    for (size_t i = 0; i < images.size(); ++i) units.push_back({static_cast<int64_t>(i)});
    return units;
  }
  if (images_per_batch % 2 != 0)
    throw UsageError("train.batch_size", concat("= ", context.batch_size, ": makes ", images_per_batch,
                                                " images a batch; with keep_pairs = true the number must be even"));
  const std::vector<int64_t> partners = context.corpus.partners();
  std::unordered_map<int64_t, int64_t> place;  // of an image row among the images
  for (size_t i = 0; i < images.size(); ++i) place[images[i].image_row] = static_cast<int64_t>(i);
  for (size_t i = 0; i < images.size(); ++i) {
    const int64_t partner = partners.empty() ? -1 : partners[static_cast<size_t>(images[i].image_row)];
    if (!place.contains(partner))
      throw DataError(place_of(context.corpus, context.corpus.images[static_cast<size_t>(images[i].image_row)]),
                      "has no partner in the training split, but keep_pairs = true needs one for every image",
                      "diptych data synth positions -o DIR draws such a corpus; train.limit_images must be even");
    if (images[i].image_row < partner) units.push_back({static_cast<int64_t>(i), place.at(partner)});
  }
  return units;
}

}  // namespace

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
  units_ = units_of(images_, context, options_.keep_pairs, images_per_batch_);
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

std::vector<int64_t> UniqueImages::image_order(int64_t epoch, int64_t pass) const {
  std::vector<int64_t> order;
  order.reserve(images_.size());
  for (const int64_t unit : permutation(static_cast<int64_t>(units_.size()),
                                        epoch_stream(seed_, Stream::order, epoch, static_cast<uint64_t>(pass))))
    order.insert(order.end(), units_[unit].begin(), units_[unit].end());
  return order;
}

std::vector<PairBatch> UniqueImages::epoch(int64_t epoch) const {
  std::vector<PairBatch> batches;
  for (int64_t pass = 0; pass < options_.passes; ++pass) {
    const std::vector<int64_t> order = image_order(epoch, pass);
    const size_t first = batches.size(),
                 used = options_.drop_last ? batches_per_pass() * images_per_batch_ : order.size();
    batches.resize(first + batches_per_pass());
    for (size_t i = 0; i < used; ++i) add_pairs(images_[order[i]], epoch, pass, batches[first + i / images_per_batch_]);
  }
  return batches;
}

}  // namespace diptych

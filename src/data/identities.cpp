#include "data/identities.h"

#include <algorithm>
#include <map>

#include "data/problems.h"

namespace diptych {
namespace identity {

std::string name_of(const Corpus& corpus, int64_t label) {
  return label < static_cast<int64_t>(corpus.label_names.size()) ? corpus.label_names[label] : number_text(label);
}

}  // namespace identity

Identities::Identities(const Options& options, const SamplerContext& context) : options_(options), seed_(context.seed) {
  require_a_batch(context);
  if (!context.corpus.has_identities)
    throw UsageError("data.sampler.type",
                     concat("= identities: the corpus ", escape_for_log(context.corpus.name),
                            " has no identities, every image is its own"),
                     "did you mean: unique_images");
  identities_per_batch_ = divided_batch(context, options_.images_per_identity, "images_per_identity");

  if (identities_per_batch_ < 2)
    throw UsageError("train.batch_size",
                     concat("= ", context.batch_size, ": with images_per_identity = ", options_.images_per_identity,
                            " a batch holds one identity, and no pair of it is a negative"),
                     concat("train.batch_size=", 2 * options_.images_per_identity, " or more"));

  std::map<int64_t, std::vector<ImageCaptions>> images_by_label;
  for (ImageCaptions& image : images_of(context)) images_by_label[image.label].push_back(std::move(image));
  std::vector<std::string> few;
  for (auto& [label, images] : images_by_label) {
    const bool too_few = static_cast<int64_t>(images.size()) < options_.images_per_identity;
    if (too_few) few.push_back(identity::name_of(context.corpus, label));
    if (!too_few || options_.singletons == Singletons::repeat) identities_.push_back(std::move(images));
  }
  if (!few.empty() && options_.singletons == Singletons::fail)
    throw DataError(concat("corpus ", escape_for_log(context.corpus.name)),
                    concat(few.size(), " training identities have fewer than images_per_identity = ",
                           options_.images_per_identity, " images: ", first_ids(few)),
                    "data.sampler.singletons: drop or repeat");
  if (identities_.size() < 2)
    throw DataError(concat("corpus ", escape_for_log(context.corpus.name)),
                    concat("the sampler needs at least two training identities; it can use ", identities_.size()));
  batches_ = most_batches();
  if (batches_ == 0)
    throw UsageError(
        "train.batch_size",
        concat("= ", context.batch_size, ": needs ", identities_per_batch_, " identities x ",
               options_.images_per_identity, " images, but the training split has ", identities_.size(), " identities"),
        concat("train.batch_size=", static_cast<int64_t>(identities_.size()) * options_.images_per_identity,
               " or less"));
}

int64_t Identities::groups_of(const std::vector<ImageCaptions>& images) const {
  return (static_cast<int64_t>(images.size()) + options_.images_per_identity - 1) / options_.images_per_identity;
}

// The largest T for which T batches of P different identities exist: sum_i min(groups_i, T) >= P T. The left side grows
// slower than the right one, so the last T that fits is found by halving.
int64_t Identities::most_batches() const {
  const auto fits = [&](int64_t batches) {
    int64_t groups = 0;
    for (const auto& images : identities_) groups += std::min(groups_of(images), batches);
    return groups >= identities_per_batch_ * batches;
  };
  int64_t low = 0, high = 1;
  for (const auto& images : identities_) high += groups_of(images);
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

std::vector<Identities::Group> Identities::make_groups(const std::vector<ImageCaptions>& images, int64_t epoch) const {
  const int64_t per_group = options_.images_per_identity, count = static_cast<int64_t>(images.size());
  Random random = epoch_stream(seed_, Stream::captions, epoch, static_cast<uint64_t>(images.front().label));
  const auto order = permutation(count, random);
  std::vector<std::vector<int64_t>> captions;  // each image's captions in this epoch's order
  captions.reserve(images.size());
  for (const ImageCaptions& image : images)
    captions.push_back(permutation(
        static_cast<int64_t>(image.caption_rows.size()),
        epoch_stream(seed_, Stream::captions, epoch, static_cast<uint64_t>(image.image_row) + (1ULL << 40))));
  std::vector<int64_t> uses(images.size());
  std::vector<Group> groups(groups_of(images));
  for (int64_t i = 0; i < static_cast<int64_t>(groups.size()) * per_group; ++i) {
    const int64_t image = order[i % count];  // wraps round to fill the last group
    const auto& rows = images[image].caption_rows;
    const int64_t caption = captions[image][uses[image]++ % static_cast<int64_t>(rows.size())];
    groups[i / per_group].push_back({images[image].image_row, rows[caption]});
  }
  return groups;
}

// McNaughton's wrap-around rule: each identity's groups are laid on consecutive batches, round and round. None has more
// than T groups, so none meets itself, and all T batches come out equally full.
std::vector<PairBatch> Identities::epoch(int64_t epoch) const {
  std::vector<PairBatch> batches(batches_);
  int64_t placed = 0;
  for (const int64_t i :
       permutation(static_cast<int64_t>(identities_.size()), epoch_stream(seed_, Stream::order, epoch))) {
    std::vector<Group> groups = make_groups(identities_[i], epoch);
    groups.resize(std::min<int64_t>(static_cast<int64_t>(groups.size()), batches_));
    for (const Group& group : groups) {
      if (placed == batches_ * identities_per_batch_) break;
      PairBatch& batch = batches[placed++ % batches_];
      batch.insert(batch.end(), group.begin(), group.end());
    }
  }
  std::vector<PairBatch> shuffled;
  for (const int64_t i : permutation(batches_, epoch_stream(seed_, Stream::order, epoch, 1)))
    shuffled.push_back(std::move(batches[i]));
  return shuffled;
}

}  // namespace diptych

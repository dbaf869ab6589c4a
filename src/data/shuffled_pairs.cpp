#include "data/shuffled_pairs.h"

#include <algorithm>

#include "data/sampling.h"

namespace diptych {

ShuffledPairs::ShuffledPairs(const Options& options, const SamplerContext& context)
    : options_(options), batch_size_(context.batch_size), seed_(context.seed) {
  require_a_batch(context);
  for (const int64_t row : context.caption_rows) {
    const CorpusCaption& caption = context.corpus.captions[row];
    pairs_.push_back({caption.image_row, row});
    length_.push_back(static_cast<int64_t>(caption.tokens.size()));
  }
  const auto pairs = static_cast<int64_t>(pairs_.size());
  if (pairs < batch_size_ && options_.drop_last)
    throw UsageError("train.batch_size",
                     concat("= ", batch_size_, ": the training split has only ", pairs,
                            " pairs, so drop_last = true leaves no batch"),
                     concat("train.batch_size=", pairs, " or less"));
  const std::string unique = "data.sampler.type: unique_images keeps the captions of an image together";
  require_two_images(context, std::min(batch_size_, pairs), "a batch", "a larger train.batch_size; " + unique);
  if (const int64_t rest = pairs % batch_size_; rest > 0 && !options_.drop_last)
    require_two_images(context, rest, "with drop_last = false the last batch",
                       "data.sampler.drop_last: true, or another batch size");
}

int64_t ShuffledPairs::batches_per_epoch() const {
  const auto pairs = static_cast<int64_t>(pairs_.size());
  return options_.drop_last ? pairs / batch_size_ : (pairs + batch_size_ - 1) / batch_size_;
}

void ShuffledPairs::sort_windows(std::vector<int64_t>& order) const {
  const auto window = static_cast<size_t>(options_.bucket_batches * batch_size_);
  for (size_t begin = 0; begin < order.size(); begin += window)
    std::stable_sort(order.begin() + begin, order.begin() + std::min(begin + window, order.size()),
                     [&](int64_t a, int64_t b) { return length_[a] < length_[b]; });
}

std::vector<PairBatch> ShuffledPairs::epoch(int64_t epoch) const {
  Random random = epoch_stream(seed_, Stream::order, epoch);
  std::vector<int64_t> order = permutation(static_cast<int64_t>(pairs_.size()), random);
  if (options_.drop_last) order.resize(batches_per_epoch() * batch_size_);
  const bool bucketed = options_.bucket_batches > 0;
  if (bucketed) sort_windows(order);

  std::vector<PairBatch> batches(batches_per_epoch());
  for (size_t i = 0; i < order.size(); ++i) batches[i / batch_size_].push_back(pairs_[order[i]]);
  if (!bucketed) return batches;
  std::vector<PairBatch> shuffled;
  for (const int64_t i : permutation(batches_per_epoch(), epoch_stream(seed_, Stream::order, epoch, 1)))
    shuffled.push_back(std::move(batches[i]));
  return shuffled;
}

}  // namespace diptych

#include "diptych/data/image/loader.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <exception>
#include <set>
#include <tuple>
#include <unordered_map>

#include "data/image/feed.h"

namespace diptych {

/// The pairs of a batch and its distinct images, in order of first appearance.
struct BatchPlan {
  PairBatch pairs;
  std::vector<int64_t> image_index;   // of each pair, into unique_rows
  std::vector<int64_t> target_index;  // the same of its target; empty where pairs have none
  std::vector<int64_t> unique_rows;
};

namespace {

BatchPlan plan_of(PairBatch pairs) {
  BatchPlan plan;
  std::unordered_map<int64_t, int64_t> places;
  const auto place_of_image = [&](int64_t row) {
    const auto [it, is_new] = places.emplace(row, static_cast<int64_t>(plan.unique_rows.size()));
    if (is_new) plan.unique_rows.push_back(row);
    return it->second;
  };
  for (const Pair& pair : pairs) {
    plan.image_index.push_back(place_of_image(pair.image_row));
    if (pair.target_row >= 0) plan.target_index.push_back(place_of_image(pair.target_row));
  }
  plan.pairs = std::move(pairs);
  return plan;
}

/// The plan without the images at `failed` (ascending places in unique_rows) and without their pairs.
BatchPlan without(const BatchPlan& plan, const std::vector<ImageFeed::Failure>& failed) {
  std::set<int64_t> bad_rows;
  for (const auto& failure : failed) bad_rows.insert(plan.unique_rows[failure.index]);
  PairBatch kept;
  std::ranges::copy_if(plan.pairs, std::back_inserter(kept), [&](const Pair& pair) {
    return !bad_rows.contains(pair.image_row) && !bad_rows.contains(pair.target_row);
  });
  return plan_of(std::move(kept));
}

/// Places of the rows of `kept` in `all`.
std::vector<int64_t> places(const std::vector<int64_t>& kept, const std::vector<int64_t>& all) {
  std::vector<int64_t> out;
  for (const int64_t row : kept) out.push_back(std::ranges::find(all, row) - all.begin());
  return out;
}

at::Tensor integers(const std::vector<int64_t>& values) {
  at::Tensor out = at::empty({static_cast<int64_t>(values.size())}, at::kLong);
  std::ranges::copy(values, out.data_ptr<int64_t>());
  return out;
}

/// Captions padded with zeros to the longest of the batch: [B, L], and their lengths [B].
std::pair<at::Tensor, at::Tensor> padded(const std::vector<std::vector<int64_t>>& token_ids, const PairBatch& pairs) {
  std::vector<int64_t> lengths;
  for (const Pair& pair : pairs)
    lengths.push_back(static_cast<int64_t>(token_ids[static_cast<size_t>(pair.caption_row)].size()));
  at::Tensor tokens = at::zeros({static_cast<int64_t>(pairs.size()), std::ranges::max(lengths)}, at::kLong);
  for (size_t i = 0; i < pairs.size(); ++i)
    std::ranges::copy(token_ids[static_cast<size_t>(pairs[i].caption_row)],
                      tokens.data_ptr<int64_t>() + static_cast<int64_t>(i) * tokens.size(1));
  return {tokens, integers(lengths)};
}

void check_pairs(const LoaderSource& source, const std::vector<PairBatch>& batches) {
  const auto images = static_cast<int64_t>(source.corpus.images.size());
  const auto captions = static_cast<int64_t>(source.token_ids.size());
  for (const PairBatch& batch : batches)
    for (const Pair& pair : batch) {
      if (pair.image_row < 0 || pair.image_row >= images || pair.target_row >= images || pair.caption_row < 0 ||
          pair.caption_row >= captions)
        throw ShapeError(concat("Loader: pair of image ", pair.image_row, " and caption ", pair.caption_row,
                                pair.target_row >= 0 ? concat(" and target ", pair.target_row) : std::string(),
                                ", but there are ", images, " images and token ids of ", captions, " captions"));
      if (source.token_ids[static_cast<size_t>(pair.caption_row)].empty())
        throw DataError(source.corpus.name, concat("caption ", pair.caption_row, " has no token"),
                        "remove the caption, or see data.text");
    }
}

std::vector<std::vector<int64_t>> image_rows_of(const std::vector<BatchPlan>& plans) {
  std::vector<std::vector<int64_t>> rows;
  for (const BatchPlan& plan : plans) rows.push_back(plan.unique_rows);
  return rows;
}

}  // namespace

bool is_skippable(const Error& error) {
  return std::ranges::all_of(error.issues(), [](const Issue& issue) {
    return issue.error_class == ErrorClass::img || issue.error_class == ErrorClass::dat;
  });
}

struct Loader::State {
  const LoaderSource source;
  const at::Tensor features;
  std::vector<BatchPlan> plans;
  size_t place = 0;
  std::set<int64_t> bad_rows;
  std::vector<std::string> skipped;
  std::exception_ptr stopped_by;
  std::unique_ptr<ImageFeed> feed;  // null when features replace decoding

  bool next(Batch& batch) {
    while (place < plans.size()) {
      const BatchPlan& plan = plans[place++];
      ImageFeed::Images images;
      if (feed)
        feed->next(images);
      else if (source.features && !features.defined())
        images.tensor = source.features->rows(plan.unique_rows);
      else
        images.tensor = features.index_select(0, integers(plan.unique_rows));
      if (!images.failures.empty()) skip(plan, images);
      const BatchPlan kept = images.failures.empty() ? plan : without(plan, images.failures);
      // One image has no rivals, and no batch statistics.
      if (kept.pairs.empty() || (!images.failures.empty() && kept.unique_rows.size() < 2)) continue;
      if (!images.failures.empty())
        images.tensor = images.tensor.index_select(0, integers(places(kept.unique_rows, plan.unique_rows)));
      fill(batch, kept, images.tensor);
      return true;
    }
    return false;
  }

  void fill(Batch& batch, const BatchPlan& plan, const at::Tensor& images) const {
    std::vector<int64_t> labels, image_rows, target_rows, caption_rows;
    for (const Pair& pair : plan.pairs) {
      const int64_t shown = pair.target_row >= 0 ? pair.target_row : pair.image_row;
      labels.push_back(source.corpus.images[static_cast<size_t>(shown)].label);
      if (pair.target_row >= 0) target_rows.push_back(pair.target_row);
      image_rows.push_back(pair.image_row);
      caption_rows.push_back(pair.caption_row);
    }
    batch.image = images;
    batch.image_index = integers(plan.image_index);
    std::tie(batch.tokens, batch.length) = padded(source.token_ids, plan.pairs);
    batch.label = integers(labels);
    batch.image_row = integers(image_rows);
    batch.caption_row = integers(caption_rows);
    batch.unique_image_row = integers(plan.unique_rows);
    if (target_rows.empty()) return;
    batch.target_index = integers(plan.target_index);
    batch.target_row = integers(target_rows);
  }

  /// Takes note of a batch's bad images. throws the first error unless the policy tolerates it.
  void skip(const BatchPlan& plan, const ImageFeed::Images& images) {
    for (const ImageFeed::Failure& failure : images.failures) {
      try {
        std::rethrow_exception(failure.error);
      } catch (const Error& error) {
        if (source.options.on_bad_sample == BadSample::fail || !is_skippable(error)) throw;
        const int64_t row = plan.unique_rows[failure.index];
        if (!bad_rows.insert(row).second) continue;
        const std::string& path = source.corpus.images[static_cast<size_t>(row)].path;
        skipped.push_back(concat(escape_for_log(path, 400), ": ", error.issues().front().message));
        check_bad_fraction(error.issues().front());
      }
    }
  }

  void check_bad_fraction(const Issue& last) const {
    const auto images = static_cast<double>(source.corpus.images.size());
    const double limit = source.options.max_bad_fraction * images;
    if (static_cast<double>(bad_rows.size()) <= limit + 1e-9 * images) return;
    throw DataError(ErrorClass::img, last.where,
                    concat(last.message, "; it is bad image number ", bad_rows.size(), " of ",
                           source.corpus.images.size(), ", and data.loader.max_bad_fraction = ",
                           source.options.max_bad_fraction, " allows ", static_cast<int64_t>(limit + 1e-9 * images)),
                    "mend the images (diptych data check lists them), or raise data.loader.max_bad_fraction");
  }
};

Loader::Loader(const LoaderSource& source, std::vector<PairBatch> batches, int64_t epoch, bool training,
               at::Tensor features) {
  check_pairs(source, batches);
  const auto images = static_cast<int64_t>(source.corpus.images.size());
  if (features.defined() && (features.dim() < 2 || features.size(0) != images))
    throw ShapeError(concat("Loader: features ", features.sizes(), " for a corpus of ", images, " images"));
  std::vector<BatchPlan> plans;
  for (PairBatch& batch : batches) plans.push_back(plan_of(std::move(batch)));
  state_ = std::make_unique<State>(State{source, std::move(features), std::move(plans), 0, {}, {}, nullptr, nullptr});
  if (!state_->features.defined() && !source.features)
    state_->feed = std::make_unique<ImageFeed>(source, image_rows_of(state_->plans), epoch, training);
}

Loader::~Loader() = default;

bool Loader::next(Batch& batch) {
  batch = {};
  if (state_->stopped_by) std::rethrow_exception(state_->stopped_by);
  try {
    return state_->next(batch);
  } catch (...) {
    state_->stopped_by = std::current_exception();
    throw;
  }
}

int64_t Loader::consumed() const { return static_cast<int64_t>(state_->place); }
double Loader::wait_seconds() const { return state_->feed ? state_->feed->wait_seconds() : 0; }
const std::vector<std::string>& Loader::skipped() const { return state_->skipped; }

void for_each_image_batch(const LoaderSource& source, const std::vector<int64_t>& image_rows, int64_t batch_size,
                          const std::function<void(const at::Tensor& images, int64_t first)>& visit) {
  std::vector<std::vector<int64_t>> batches;
  for (size_t first = 0; first < image_rows.size(); first += static_cast<size_t>(batch_size)) {
    const size_t last = std::min(image_rows.size(), first + static_cast<size_t>(batch_size));
    batches.emplace_back(image_rows.begin() + static_cast<std::ptrdiff_t>(first),
                         image_rows.begin() + static_cast<std::ptrdiff_t>(last));
  }
  if (source.features) {
    for (size_t i = 0; i < batches.size(); ++i)
      visit(source.features->rows(batches[i]), static_cast<int64_t>(i) * batch_size);
    return;
  }
  ImageFeed feed(source, std::move(batches), 0, /*training=*/false);
  ImageFeed::Images images;
  for (int64_t first = 0; feed.next(images); first += batch_size) {
    if (!images.failures.empty()) std::rethrow_exception(images.failures.front().error);
    visit(images.tensor, first);
  }
}

}  // namespace diptych

#include "data/modifications.h"

#include <algorithm>

#include "data/problems.h"

namespace diptych {
namespace modifying {

// k different numbers of 0..n-1, k <= n (Floyd's algorithm).
std::vector<int64_t> draw_different(int64_t n, int64_t k, Random& random) {
  std::vector<int64_t> drawn;
  for (int64_t last = n - k; last < n; ++last) {
    const auto number = static_cast<int64_t>(random.below(static_cast<uint64_t>(last) + 1));
    drawn.push_back(std::ranges::count(drawn, number) > 0 ? last : number);
  }
  return drawn;
}

}  // namespace modifying

Modifications::Modifications(const Options& options, const SamplerContext& context)
    : options_(options), batch_size_(context.batch_size), seed_(context.seed) {
  if (context.corpus.modifications.empty())
    throw UsageError("data.sampler.type",
                     concat("= modifications: the corpus ", escape_for_log(context.corpus.name),
                            " has none, it matches images and captions"),
                     "did you mean: shuffled_pairs");
  if (batch_size_ < 1) throw UsageError("train.batch_size", concat("= ", batch_size_, ": expected at least 1"));
  if (context.caption_rows.empty())
    throw DataError(concat("corpus ", escape_for_log(context.corpus.name)), "the training split holds no modifications",
                    "which splits a file holds: diptych data stats");
  groups_per_batch_ = divided_batch(context, options_.edits_per_source, "edits_per_source");
  index_images(context);
  index_edits(context);
  drop_sources_of_few_edits(context);
  require_full_batches(context);
}

void Modifications::index_images(const SamplerContext& context) {
  for (const int64_t row : context.corpus.image_rows(Split::train))
    images_of_label_[context.corpus.images[static_cast<size_t>(row)].label].push_back(row);
}

// Some training image other than the source, or than one of several sources, answers.
void Modifications::require_target(const SamplerContext& context, int64_t row) const {
  const Modification& edit = context.corpus.modifications[static_cast<size_t>(row)];
  if (edit.target_row >= 0 && edit.target_row == edit.source_row)
    throw DataError(place_of(context.corpus, edit), "the target is the source itself");
  if (edit.target_row >= 0) return;
  const auto answers = images_of_label_.find(edit.target_label);
  if (answers == images_of_label_.end() ||
      (edit.source_row >= 0 && answers->second == std::vector<int64_t>{edit.source_row}))
    throw DataError(place_of(context.corpus, edit), "no training image answers it: none has the target label",
                    "every modification of the training split needs a target in that split");
}

void Modifications::index_edits(const SamplerContext& context) {
  std::map<int64_t, std::vector<Edit>> of_source, of_label;
  for (const int64_t row : context.caption_rows) {
    const Modification& edit = context.corpus.modifications[static_cast<size_t>(row)];
    require_target(context, row);
    auto& list = edit.source_row >= 0 ? of_source[edit.source_row] : of_label[edit.source_label];
    list.push_back({row, edit.target_label, edit.target_row});
  }
  for (auto& [image_row, list] : of_source) {
    sources_.push_back({image_row, context.corpus.images[static_cast<size_t>(image_row)].label, edits_.size(), true});
    edits_.push_back(std::move(list));
  }
  for (auto& [label, list] : of_label) {
    const auto images = images_of_label_.find(label);
    if (images == images_of_label_.end()) continue;
    if (images->second.size() == 1)
      std::erase_if(list, [own = label](const Edit& edit) { return edit.target_row < 0 && edit.target_label == own; });
    if (list.empty()) continue;
    for (const int64_t image_row : images->second) sources_.push_back({image_row, label, edits_.size(), false});
    edits_.push_back(std::move(list));
  }
}

void Modifications::drop_sources_of_few_edits(const SamplerContext& context) {
  if (options_.few_edits == FewEdits::repeat) return;
  const auto has_few = [&](const Source& source) {
    return static_cast<int64_t>(edits_[source.edits].size()) < options_.edits_per_source;
  };
  std::vector<std::string> few;
  for (const Source& source : sources_)
    if (has_few(source)) few.push_back(context.corpus.images[static_cast<size_t>(source.image_row)].id);
  if (few.empty()) return;
  if (options_.few_edits == FewEdits::fail)
    throw DataError(concat("corpus ", escape_for_log(context.corpus.name)),
                    concat(few.size(), " training images have fewer than edits_per_source = ",
                           options_.edits_per_source, " edits: ", first_ids(few)),
                    "data.sampler.few_edits: drop or repeat");
  std::erase_if(sources_, has_few);
}

// Full batches of two source images or more, whatever the order.
void Modifications::require_full_batches(const SamplerContext& context) {
  const Source* most = nullptr;
  for (const Source& source : sources_) {
    groups_ += groups_of(source);
    if (!most || groups_of(source) > groups_of(*most)) most = &source;
  }
  if (!most)
    throw DataError(concat("corpus ", escape_for_log(context.corpus.name)),
                    "no training image is the source of a modification that is left");
  const int64_t edits = options_.edits_per_source;
  if (groups_ < groups_per_batch_)
    throw UsageError("train.batch_size",
                     concat("= ", batch_size_, ": needs ", groups_per_batch_, " source images with ", edits,
                            edits == 1 ? " edit" : " edits", ", but the training split gives ", groups_),
                     concat("train.batch_size=", groups_ * edits, " or less"));
  if (groups_per_batch_ > groups_of(*most)) return;
  const std::string& id = context.corpus.images[static_cast<size_t>(most->image_row)].id;
  throw UsageError("train.batch_size",
                   concat("= ", batch_size_, ": a batch can hold a single source image (", escape_for_log(id, 100),
                          " fills ", groups_of(*most) * edits, " places); batch norm and ranking losses need two"),
                   concat("train.batch_size=", (groups_of(*most) + 1) * edits, " or more"));
}

int64_t Modifications::groups_of(const Source& source) const {
  if (!source.named) return 1;
  return (static_cast<int64_t>(edits_[source.edits].size()) + options_.edits_per_source - 1) /
         options_.edits_per_source;
}

int64_t Modifications::target_of(const Edit& edit, int64_t source, Random& random) const {
  if (edit.target_row >= 0) return edit.target_row;
  const std::vector<int64_t>& rows = images_of_label_.at(edit.target_label);
  const auto own = std::ranges::lower_bound(rows, source);
  const bool among = own != rows.end() && *own == source;
  const auto place = static_cast<size_t>(random.below(rows.size() - (among ? 1 : 0)));
  const bool behind = among && place >= static_cast<size_t>(own - rows.begin());
  return rows[place + (behind ? 1 : 0)];
}

void Modifications::add_groups(const Source& source, int64_t epoch, std::vector<Pair>& groups) const {
  const std::vector<Edit>& edits = edits_[source.edits];
  const auto count = static_cast<int64_t>(edits.size());
  const uint64_t item = 2 * static_cast<uint64_t>(source.image_row) + (source.named ? 1 : 0);
  Random random = epoch_stream(seed_, Stream::captions, epoch, item);
  const bool all = source.named || count < options_.edits_per_source;
  const std::vector<int64_t> order = all ? permutation(count, epoch_stream(seed_, Stream::order, epoch, item + 2))
                                         : modifying::draw_different(count, options_.edits_per_source, random);
  for (int64_t i = 0; i < groups_of(source) * options_.edits_per_source; ++i) {
    const Edit& edit = edits[static_cast<size_t>(order[static_cast<size_t>(i) % order.size()])];
    groups.push_back({source.image_row, edit.row, target_of(edit, source.image_row, random)});
  }
}

std::vector<PairBatch> Modifications::epoch(int64_t epoch) const {
  std::vector<Pair> samples;  // groups of K, one after the other
  samples.reserve(static_cast<size_t>(groups_ * options_.edits_per_source));
  for (const Source& source : sources_) add_groups(source, epoch, samples);
  const std::vector<int64_t> order = permutation(groups_, epoch_stream(seed_, Stream::order, epoch));
  std::vector<PairBatch> batches(static_cast<size_t>(batches_per_epoch()));
  for (size_t i = 0; i < batches.size() * static_cast<size_t>(groups_per_batch_); ++i) {
    const auto first = samples.begin() + order[i] * options_.edits_per_source;
    PairBatch& batch = batches[i / static_cast<size_t>(groups_per_batch_)];
    batch.insert(batch.end(), first, first + options_.edits_per_source);
  }
  return batches;
}

}  // namespace diptych

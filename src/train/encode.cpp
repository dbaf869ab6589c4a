#include "diptych/train/encode.h"

#include <torch/torch.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <span>
#include <unordered_map>

#include "diptych/core/log.h"
#include "diptych/core/signals.h"
#include "diptych/eval/text_recall.h"
#include "train/caption_batch.h"
#include "train/count_progress.h"
#include "train/encode_queries.h"
#include "train/feature_store.h"
#include "train/score_cells.h"
#include "train/scorer_tiles.h"
#include "train/split_ids.h"

namespace diptych {
namespace {

/// Features of the images of a split, from the cache if it holds all of them.
at::Tensor split_features(System& system, const DataBundle& data, const Experiment& experiment,
                          const std::vector<int64_t>& rows, const FeatureCache* cache, bool mirror) {
  const bool cached = cache && cache->defined() && [&] {
    const auto& has = mirror ? cache->has_flipped : cache->has_plain;
    return std::ranges::all_of(rows, [&](int64_t row) { return has[static_cast<size_t>(row)]; });
  }();
  return cached ? (mirror ? cache->flipped : cache->plain).index_select(0, torch::tensor(rows, at::kLong))
                : encode_image_features(system, data, experiment, rows, mirror, "encode images");
}

at::Tensor embed_features(System& system, const at::Tensor& features) {
  at::Tensor out;
  const int64_t block = 4096;
  for (int64_t first = 0; first < features.size(0); first += block) {
    const at::Tensor part = features.slice(0, first, std::min(first + block, features.size(0))).to(system.device);
    const at::Tensor embedded = system.model->image_embedding(part).to(at::kFloat).cpu();
    if (!out.defined()) out = at::empty({features.size(0), embedded.size(1)}, at::kFloat);
    out.slice(0, first, first + embedded.size(0)).copy_(embedded);
  }
  return out;
}

/// Some captions of a split, padded to the longest of them.
struct CaptionBlock {
  at::Tensor place;           // [n] int64: places in the list of rows
  at::Tensor tokens, length;  // [n, L], [n] int64, on the device
};
/// All of them in order of length.
void for_each_caption_block(System& system, const DataBundle& data, const Experiment& experiment,
                            const std::vector<int64_t>& rows, const std::function<void(const CaptionBlock&)>& visit) {
  std::vector<int64_t> order(rows.size());
  std::iota(order.begin(), order.end(), 0);
  const auto ids = [&](int64_t i) -> const std::vector<int64_t>& {
    return data.token_ids[static_cast<size_t>(rows[static_cast<size_t>(i)])];
  };
  std::ranges::stable_sort(order, {}, [&](int64_t i) { return ids(i).size(); });
  const size_t block = static_cast<size_t>(experiment.evaluate.batch_size) * 4;
  for (size_t first = 0; first < order.size(); first += block) {
    signals::throw_if_pending();
    const std::span<const int64_t> part = std::span(order).subspan(first, std::min(block, order.size() - first));
    std::vector<int64_t> captions;
    for (const int64_t i : part) captions.push_back(rows[static_cast<size_t>(i)]);
    const CaptionBatch texts = caption_batch(data.token_ids, captions);
    visit({torch::tensor(at::ArrayRef<int64_t>(part.data(), part.size()), at::kLong), texts.tokens.to(system.device),
           texts.length.to(system.device)});
  }
}

/// [N, M] float32 of a PairScorer: images in blocks against captions in blocks. In memory at once: the local features
/// of all captions and the scores.
at::Tensor score_pairs(System& system, const Experiment& experiment, const at::Tensor& features, const TextViews& texts,
                       int64_t captions) {
  const int64_t images = features.size(0);
  const CountProgress progress("score pairs", images * captions);
  at::Tensor out = at::empty({images, captions}, at::kFloat);
  constexpr int64_t kImages = 128;
  int64_t done = 0;
  for (int64_t first = 0; first < images; first += kImages) {
    const int64_t count = std::min(kImages, images - first);
    const AutocastScope autocast(experiment.precision, system.device.type());
    const Encoded x = system.model->image_view(features.narrow(0, first, count).to(system.device));
    for (const auto& [place, y] : texts) {
      signals::throw_if_pending();
      const at::Tensor scores = system.model->scores(x, y).to(at::kFloat).cpu();
      out.narrow(0, first, count).index_copy_(1, place, scores);
      progress.at(done += scores.numel());
    }
  }
  return out;
}

/// [F], or [h, w*C], of one image's features.
std::vector<int64_t> feature_sizes(System& system, const Experiment& experiment) {
  if (!system.model->compares_places()) return {system.model->image().features()};
  const EvalScope scope(*system.model);
  const ImageOptions& image = experiment.data.image;
  const at::Tensor blank = at::zeros({1, 3, image.height, image.width}, at::device(system.device));
  return system.model->image_features(blank.contiguous(at::MemoryFormat::ChannelsLast)).sizes().slice(1).vec();
}

/// The smaller spread of the two sides; negative (not known) where a single row has none.
double common_spread(const Scorer& scorer, const EncodedSplit& encoded) {
  if (encoded.x.size(0) < 2 || encoded.y.size(0) < 2) return -1;
  return std::min(embedding_spread(encoded.x), embedding_spread(scorer.places(encoded.y)));
}

}  // namespace

at::Tensor encode_image_features(System& system, const DataBundle& data, const Experiment& experiment,
                                 const std::vector<int64_t>& image_rows, bool mirror, const std::string& what) {
  EvalScope scope(*system.model);
  const CountProgress progress(what, static_cast<int64_t>(image_rows.size()));
  at::Tensor out;
  for_each_image_batch(data.source(experiment), image_rows, experiment.evaluate.batch_size,
                       [&](const at::Tensor& images, int64_t first) {
                         signals::throw_if_pending();
                         at::Tensor view = images.to(system.device);
                         if (mirror) view = view.flip({3}).contiguous(at::MemoryFormat::ChannelsLast);
                         at::Tensor features;
                         {
                           AutocastScope autocast(experiment.precision, system.device.type());
                           features = system.model->image_features(view).to(at::kFloat).cpu();
                         }
                         if (!out.defined()) {
                           std::vector<int64_t> sizes = features.sizes().vec();
                           sizes[0] = static_cast<int64_t>(image_rows.size());
                           out = at::empty(sizes, at::kFloat);
                         }
                         out.slice(0, first, first + features.size(0)).copy_(features);
                         progress.at(first + features.size(0));
                       });
  return out;
}

bool fill_feature_cache(FeatureCache& cache, System& system, const DataBundle& data, const Experiment& experiment,
                        const std::vector<int64_t>& image_rows, bool mirrored) {
  const auto images = static_cast<int64_t>(data.corpus.images.size());
  std::vector<int64_t> sizes = feature_sizes(system, experiment);
  sizes.insert(sizes.begin(), images);
  const int64_t bytes = c10::multiply_integers(sizes) * 4 * (mirrored ? 2 : 1);
  if (bytes > experiment.train.feature_cache_mb << 20) {
    log::info(concat("image features are not cached: ", bytes_text(static_cast<double>(bytes)),
                     " needed, train.feature_cache_mb = ", experiment.train.feature_cache_mb));
    return false;
  }
  const auto fill = [&](at::Tensor& table, std::vector<bool>& has, bool mirror) {
    if (!table.defined()) table = at::zeros(sizes, at::kFloat), has.assign(static_cast<size_t>(images), false);
    std::vector<int64_t> todo;
    for (const int64_t row : image_rows)
      if (!has[static_cast<size_t>(row)]) todo.push_back(row);
    if (todo.empty()) return;
    const at::Tensor features = stored_image_features(system, data, experiment, todo, mirror, "cache image features");
    table.index_copy_(0, torch::tensor(todo, at::kLong), features);
    for (const int64_t row : todo) has[static_cast<size_t>(row)] = true;
  };
  fill(cache.plain, cache.has_plain, false);
  if (mirrored) fill(cache.flipped, cache.has_flipped, true);
  return true;
}

EncodedSplit encode_split(System& system, const DataBundle& data, const Experiment& experiment, Split split,
                          const FeatureCache* cache, const PairCells* only) {
  EncodedSplit encoded = rows_of_split(data.corpus, split);
  EvalScope scope(*system.model);
  if (system.model->composer()) {
    const auto features = [&] {
      return split_features(system, data, experiment, encoded.image_rows, cache, /*mirror=*/false);
    };
    encode_queries(system, data, experiment, features, encoded);
    return encoded;
  }
  TextViews texts;  // a PairScorer needs the words again
  for_each_caption_block(system, data, experiment, encoded.caption_rows, [&](const CaptionBlock& block) {
    const AutocastScope autocast(experiment.precision, system.device.type());
    const Encoded view = system.model->text_view(block.tokens, block.length);
    const at::Tensor embedded = view.global.to(at::kFloat).cpu();
    if (!encoded.y.defined())
      encoded.y = at::empty({static_cast<int64_t>(encoded.caption_rows.size()), embedded.size(1)}, at::kFloat);
    encoded.y.index_copy_(0, block.place, embedded);
    if (system.model->pair_scorer()) texts.emplace_back(block.place, view);
  });
  const auto add = [](at::Tensor& sum, const at::Tensor& more) { sum = sum.defined() ? sum.add_(more) : more; };
  for (const bool mirror : {false, true}) {
    if (mirror && !experiment.evaluate.flip_sum) continue;
    const at::Tensor features = split_features(system, data, experiment, encoded.image_rows, cache, mirror);
    add(encoded.x, embed_features(system, features));
    if (system.model->pair_scorer() && only)
      add(encoded.cell_scores, score_cells(system, experiment, features, texts, *only));
    else if (system.model->pair_scorer())
      add(encoded.scores, score_pairs(system, experiment, features, texts, encoded.y.size(0)));
  }
  return encoded;
}

std::string scorer_text(System& system, const Experiment& experiment) {
  return system.model->scorer().describe() + (experiment.evaluate.flip_sum ? ", mirrored image added" : "");
}

std::unique_ptr<ScoreTiles> score_tiles(System& system, const EncodedSplit& encoded) {
  if (encoded.scores.defined()) return matrix_tiles(encoded.scores);
  const at::NoGradGuard no_grad;
  Scorer& scorer = system.model->scorer();
  if (!scorer.indexable()) return scorer_tiles(scorer, system.device, encoded.x, encoded.y);
  return dot_tiles(scorer.prepare(encoded.x, true), scorer.prepare(encoded.y, false));
}

std::unique_ptr<ScoreTiles> text_tiles(System& system, const EncodedSplit& encoded, const RankedTexts& texts) {
  if (texts.captions.empty()) return score_tiles(system, encoded);
  const Scorer& scorer = system.model->scorer();
  if (!scorer.indexable() || encoded.scores.defined())
    throw UsageError("",
                     concat("the scorer '", encoded.scored_by.empty() ? scorer.describe() : encoded.scored_by,
                            "' compares pairs: a class has no mean text for it"),
                     "a protocol that ranks captions, or another scorer");
  return dot_tiles(scorer.prepare(encoded.x, true), scorer.prepare(texts.y, false));
}

ProtocolResult evaluate_split(System& system, const DataBundle& data, const Experiment& experiment,
                              const Protocol& protocol, const EncodedSplit& encoded, Split split, bool bootstrap) {
  at::NoGradGuard no_grad;
  if (protocol.class_texts() &&
      (experiment.evaluate.rescore.method != Rescore::none || experiment.evaluate.text_to_text))
    throw UsageError("",
                     "this protocol ranks a text for each class, which evaluate.rescore and text_to_text do not know",
                     "set evaluate.rescore.method=none and evaluate.text_to_text=false");
  if (experiment.evaluate.text_to_text && !encoded.scored_by.empty())
    throw UsageError("",
                     concat("evaluate.text_to_text: ", encoded.scored_by, " scores images and texts, not two texts"),
                     "set evaluate.text_to_text=false");
  RankedTexts texts = ranked_texts(data.corpus, encoded, protocol.class_texts());
  const auto tiles = text_tiles(system, encoded, texts);
  RetrievalSet set;
  set.scores = tiles.get();
  set.x_label = labels_of(data.corpus, encoded);
  set.y_label = std::move(texts.label), set.y_captions = std::move(texts.captions);
  set.x_id = std::move(texts.ids.x), set.y_id = std::move(texts.ids.y), set.y_image = std::move(texts.ids.y_image);
  if (const std::vector<int64_t> partners = data.corpus.partners(); !partners.empty()) {
    std::unordered_map<int64_t, int64_t> place;  // row of x of each image row
    for (size_t i = 0; i < encoded.image_rows.size(); ++i) place[encoded.image_rows[i]] = static_cast<int64_t>(i);
    for (const int64_t row : encoded.image_rows) {
      const int64_t partner = partners[static_cast<size_t>(row)];
      set.x_partner.push_back(partner < 0 ? -1 : place.at(partner));
      set.x_relation.push_back(data.corpus.images[static_cast<size_t>(row)].relation);
    }
  }
  set.label_names = data.corpus.label_names;
  if (!encoded.source_rows.empty()) add_queries(set, data.corpus, encoded);
  set.split = enum_text(split);
  set.scorer = encoded.scored_by.empty() ? scorer_text(system, experiment) : encoded.scored_by;
  set.rescore = experiment.evaluate.rescore;
  set.seed = static_cast<uint64_t>(experiment.seed);
  set.bootstrap = bootstrap;
  set.spread = common_spread(system.model->scorer(), encoded);
  ProtocolResult result = protocol.evaluate(set);
  if (experiment.evaluate.text_to_text) {
    const Scorer& scorer = system.model->scorer();
    const auto captions = dot_tiles(scorer.prepare(encoded.y, true), scorer.prepare(encoded.y, false));
    add_text_to_text(result, *captions, set.y_image, set.seed, bootstrap);
  }
  return result;
}

}  // namespace diptych

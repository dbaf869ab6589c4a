#include "diptych/train/encode.h"

#include <torch/torch.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "diptych/core/log.h"
#include "diptych/core/signals.h"
#include "train/count_progress.h"
#include "train/split_ids.h"

namespace diptych {
namespace {

at::Tensor embed_images(System& system, const DataBundle& data, const Experiment& experiment,
                        const std::vector<int64_t>& rows, const FeatureCache* cache, bool mirror) {
  const bool cached = cache && cache->defined() && [&] {
    const auto& has = mirror ? cache->has_flipped : cache->has_plain;
    return std::ranges::all_of(rows, [&](int64_t row) { return has[static_cast<size_t>(row)]; });
  }();
  const at::Tensor features =
      cached ? (mirror ? cache->flipped : cache->plain).index_select(0, torch::tensor(rows, at::kLong))
             : encode_image_features(system, data, experiment, rows, mirror, "encode images");
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

at::Tensor embed_captions(System& system, const DataBundle& data, const Experiment& experiment,
                          const std::vector<int64_t>& rows) {
  std::vector<int64_t> order(rows.size());
  std::iota(order.begin(), order.end(), 0);
  const auto length = [&](int64_t i) {
    return data.token_ids[static_cast<size_t>(rows[static_cast<size_t>(i)])].size();
  };
  std::ranges::stable_sort(order, {}, length);
  const size_t block = static_cast<size_t>(experiment.evaluate.batch_size) * 4;
  at::Tensor out;
  for (size_t first = 0; first < order.size(); first += block) {
    signals::throw_if_pending();
    const size_t last = std::min(first + block, order.size());
    const auto longest = static_cast<int64_t>(length(order[last - 1]));
    at::Tensor tokens = at::zeros({static_cast<int64_t>(last - first), longest}, at::kLong);
    at::Tensor lengths = at::empty({static_cast<int64_t>(last - first)}, at::kLong);
    for (size_t i = first; i < last; ++i) {
      const auto& ids = data.token_ids[static_cast<size_t>(rows[static_cast<size_t>(order[i])])];
      std::ranges::copy(ids, tokens.data_ptr<int64_t>() + static_cast<int64_t>(i - first) * longest);
      lengths.data_ptr<int64_t>()[i - first] = static_cast<int64_t>(ids.size());
    }
    at::Tensor embedded;
    {
      AutocastScope autocast(experiment.precision, system.device.type());
      embedded = system.model->text_embedding(tokens.to(system.device), lengths.to(system.device)).to(at::kFloat).cpu();
    }
    if (!out.defined()) out = at::empty({static_cast<int64_t>(rows.size()), embedded.size(1)}, at::kFloat);
    out.index_copy_(0,
                    torch::tensor(std::vector<int64_t>(order.begin() + static_cast<int64_t>(first),
                                                       order.begin() + static_cast<int64_t>(last)),
                                  at::kLong),
                    embedded);
  }
  return out;
}

/// The smaller spread of the two sides; negative (not known) where a single row has none.
double common_spread(const EncodedSplit& encoded) {
  if (encoded.x.size(0) < 2 || encoded.y.size(0) < 2) return -1;
  return std::min(embedding_spread(encoded.x), embedding_spread(encoded.y));
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
                         if (!out.defined())
                           out = at::empty({static_cast<int64_t>(image_rows.size()), features.size(1)}, at::kFloat);
                         out.slice(0, first, first + features.size(0)).copy_(features);
                         progress.at(first + features.size(0));
                       });
  return out;
}

bool fill_feature_cache(FeatureCache& cache, System& system, const DataBundle& data, const Experiment& experiment,
                        const std::vector<int64_t>& image_rows, bool mirrored) {
  const auto images = static_cast<int64_t>(data.corpus.images.size());
  const int64_t width = system.model->image().features();
  const int64_t bytes = images * width * 4 * (mirrored ? 2 : 1);
  if (bytes > experiment.train.feature_cache_mb << 20) {
    log::info(concat("image features are not cached: ", bytes_text(static_cast<double>(bytes)),
                     " needed, train.feature_cache_mb = ", experiment.train.feature_cache_mb));
    return false;
  }
  const auto fill = [&](at::Tensor& table, std::vector<bool>& has, bool mirror) {
    if (!table.defined())
      table = at::zeros({images, width}, at::kFloat), has.assign(static_cast<size_t>(images), false);
    std::vector<int64_t> todo;
    for (const int64_t row : image_rows)
      if (!has[static_cast<size_t>(row)]) todo.push_back(row);
    if (todo.empty()) return;
    const at::Tensor features = encode_image_features(system, data, experiment, todo, mirror, "cache image features");
    table.index_copy_(0, torch::tensor(todo, at::kLong), features);
    for (const int64_t row : todo) has[static_cast<size_t>(row)] = true;
  };
  fill(cache.plain, cache.has_plain, false);
  if (mirrored) fill(cache.flipped, cache.has_flipped, true);
  return true;
}

EncodedSplit encode_split(System& system, const DataBundle& data, const Experiment& experiment, Split split,
                          const FeatureCache* cache) {
  EncodedSplit encoded{data.corpus.image_rows(split), data.corpus.caption_rows(split), {}, {}};
  if (encoded.image_rows.empty() || encoded.caption_rows.empty())
    throw DataError(data.corpus.name,
                    concat("the split ", enum_text(split), " has ", encoded.image_rows.size(), " images and ",
                           encoded.caption_rows.size(), " captions; nothing can be evaluated on it"));
  EvalScope scope(*system.model);
  encoded.x = embed_images(system, data, experiment, encoded.image_rows, cache, false);
  if (experiment.evaluate.flip_sum)
    encoded.x += embed_images(system, data, experiment, encoded.image_rows, cache, true);
  encoded.y = embed_captions(system, data, experiment, encoded.caption_rows);
  return encoded;
}

ProtocolResult evaluate_split(System& system, const DataBundle& data, const Experiment& experiment,
                              const Protocol& protocol, const EncodedSplit& encoded, Split split, bool bootstrap) {
  at::NoGradGuard no_grad;
  const Scorer& scorer = system.model->scorer();
  RankedTexts texts = ranked_texts(data.corpus, encoded, protocol.class_texts());
  const auto tiles = dot_tiles(scorer.prepare(encoded.x, true), scorer.prepare(texts.y, false));
  RetrievalSet set;
  set.scores = tiles.get();
  for (const int64_t row : encoded.image_rows)
    set.x_label.push_back(data.corpus.images[static_cast<size_t>(row)].label);
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
  set.split = enum_text(split);
  set.scorer = scorer.describe() + (experiment.evaluate.flip_sum ? ", mirrored image added" : "");
  set.seed = static_cast<uint64_t>(experiment.seed);
  set.bootstrap = bootstrap;
  set.spread = common_spread(encoded);
  return protocol.evaluate(set);
}

}  // namespace diptych

#include "train/encode_queries.h"

#include <torch/torch.h>

#include <algorithm>
#include <unordered_map>

#include "diptych/core/signals.h"
#include "train/caption_batch.h"
#include "train/count_progress.h"
#include "train/split_ids.h"

namespace diptych {
namespace {

/// Places of a split's images by their row in the corpus.
std::unordered_map<int64_t, int64_t> places_of(const std::vector<int64_t>& image_rows) {
  std::unordered_map<int64_t, int64_t> places;
  for (size_t i = 0; i < image_rows.size(); ++i) places[image_rows[i]] = static_cast<int64_t>(i);
  return places;
}

/// One pass over a split's images: block by block they are embedded, and so are the queries that start from them.
class QueryPass {
 public:
  QueryPass(System& system, const DataBundle& data, const Experiment& experiment, EncodedSplit& encoded)
      : system_(system),
        data_(data),
        experiment_(experiment),
        encoded_(encoded),
        progress_("compose queries", queries()) {
    const auto places = places_of(encoded.image_rows);
    queries_of_.resize(encoded.image_rows.size());
    for (size_t i = 0; i < encoded.source_rows.size(); ++i)
      queries_of_[static_cast<size_t>(places.at(encoded.source_rows[i]))].push_back(static_cast<int64_t>(i));
    encoded.x = at::empty({static_cast<int64_t>(encoded.image_rows.size()), system.model->dimension()}, at::kFloat);
    encoded.y = at::empty({queries(), system.model->query_dimension()}, at::kFloat);
  }

  /// view: pictures or features of the images first, first + 1, ... of the split.
  void block(const at::Tensor& view, int64_t first) {
    signals::throw_if_pending();
    ComposerSources sources;
    {
      const AutocastScope autocast(experiment_.precision, system_.device.type());
      sources = system_.model->sources(view.to(system_.device));
    }
    system_.model->embed_sources(sources);
    encoded_.x.slice(0, first, first + view.size(0)).copy_(sources.embedding);
    Queries queries;
    for (int64_t i = 0; i < view.size(0); ++i)
      for (const int64_t query : queries_of_[static_cast<size_t>(first + i)]) {
        queries.place.push_back(query), queries.index.push_back(i);
        queries.modification.push_back(encoded_.caption_rows[static_cast<size_t>(query)]);
        if (static_cast<int64_t>(queries.place.size()) == experiment_.evaluate.batch_size) compose(sources, queries);
      }
    if (!queries.place.empty()) compose(sources, queries);
  }

 private:
  struct Queries {
    std::vector<int64_t> place, index, modification;
  };

  void compose(const ComposerSources& sources, Queries& queries) {
    const CaptionBatch texts = caption_batch(data_.token_ids, queries.modification);
    const auto on_device = [&](const std::vector<int64_t>& rows) {
      return torch::tensor(rows, at::kLong).to(system_.device);
    };
    const AutocastScope autocast(experiment_.precision, system_.device.type());
    const at::Tensor composed = system_.model->query_embedding(
        sources, on_device(queries.index), texts.tokens.to(system_.device), texts.length.to(system_.device));
    encoded_.y.index_copy_(0, torch::tensor(queries.place, at::kLong), composed.to(at::kFloat).cpu());
    progress_.at(done_ += composed.size(0));
    queries = {};
  }

  int64_t queries() const { return static_cast<int64_t>(encoded_.caption_rows.size()); }

  System& system_;
  const DataBundle& data_;
  const Experiment& experiment_;
  EncodedSplit& encoded_;
  std::vector<std::vector<int64_t>> queries_of_;  // by place of the source
  CountProgress progress_;
  int64_t done_ = 0;
};

}  // namespace

void encode_queries(System& system, const DataBundle& data, const Experiment& experiment,
                    const std::function<at::Tensor()>& features, EncodedSplit& encoded) {
  QueryPass pass(system, data, experiment, encoded);
  if (system.model->composes_pictures()) {
    for_each_image_batch(data.source(experiment), encoded.image_rows, experiment.evaluate.batch_size,
                         [&](const at::Tensor& images, int64_t first) { pass.block(images, first); });
    return;
  }
  const at::Tensor all = features();
  constexpr int64_t kBlock = 4096;
  for (int64_t first = 0; first < all.size(0); first += kBlock)
    pass.block(all.slice(0, first, std::min(first + kBlock, all.size(0))), first);
}

EncodedSplit rows_of_split(const Corpus& corpus, Split split) {
  const bool composed = !corpus.modifications.empty();
  EncodedSplit encoded{corpus.image_rows(split), {}, {}, {}};
  if (!composed) encoded.caption_rows = corpus.caption_rows(split);
  std::unordered_map<int64_t, std::vector<int64_t>> images_of_label;
  if (composed)
    for (const int64_t row : encoded.image_rows)
      images_of_label[corpus.images[static_cast<size_t>(row)].label].push_back(row);
  for (const int64_t row : corpus.modification_rows(split)) {
    const Modification& modification = corpus.modifications[static_cast<size_t>(row)];
    std::vector<int64_t> sources{modification.source_row};
    if (modification.source_row < 0) sources = images_of_label[modification.source_label];
    encoded.source_rows.insert(encoded.source_rows.end(), sources.begin(), sources.end());
    encoded.caption_rows.insert(encoded.caption_rows.end(), sources.size(), row);
  }
  if (encoded.image_rows.empty() || encoded.caption_rows.empty())
    throw DataError(corpus.name, concat("the split ", enum_text(split), " has ", encoded.image_rows.size(),
                                        " images and ", encoded.caption_rows.size(),
                                        composed ? " queries" : " captions", "; nothing can be evaluated on it"));
  return encoded;
}

void add_queries(RetrievalSet& set, const Corpus& corpus, const EncodedSplit& encoded) {
  const auto places = places_of(encoded.image_rows);
  set.x_gallery = gallery_of(corpus, encoded);
  for (const int64_t row : encoded.caption_rows) {
    ComposedQuery& query = set.y_query.emplace_back();
    for (const int64_t image : corpus.modifications[static_cast<size_t>(row)].subset)
      query.subset.push_back(places.at(image));
  }
}

}  // namespace diptych

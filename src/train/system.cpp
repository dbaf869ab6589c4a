#include "diptych/train/system.h"

#include <torch/torch.h>

#include <algorithm>

#include "diptych/core/io/hash.h"
#include "diptych/core/log.h"
#include "train/build_model.h"

namespace diptych {

LoaderSource DataBundle::source(const Experiment& experiment) const {
  return LoaderSource{corpus,
                      token_ids,
                      experiment.data.image,
                      experiment.data.loader,
                      static_cast<uint64_t>(experiment.seed),
                      image_cache,
                      /*pinned=*/false,
                      features};
}

std::vector<int64_t> DataBundle::training_images(const std::optional<int64_t>& limit_images) const {
  std::vector<int64_t> rows = corpus.image_rows(Split::train);
  if (limit_images && *limit_images < static_cast<int64_t>(rows.size()))
    rows.resize(static_cast<size_t>(*limit_images));
  return rows;
}

std::vector<int64_t> DataBundle::training_captions(const std::optional<int64_t>& limit_images) const {
  const bool composed = !corpus.modifications.empty();
  std::vector<int64_t> rows = composed ? corpus.modification_rows(Split::train) : corpus.caption_rows(Split::train);
  const std::vector<int64_t> images = training_images(limit_images);
  const int64_t last = images.empty() ? -1 : images.back();  // rows ascend, and captions follow their image's order
  std::erase_if(rows, [&](int64_t row) {
    const auto at = static_cast<size_t>(row);
    if (!composed) return corpus.captions[at].image_row > last;
    return std::max(corpus.modifications[at].source_row, corpus.modifications[at].target_row) > last;
  });
  return rows;
}

std::shared_ptr<const FeatureFile> open_feature_file(const Experiment& experiment) {
  const FeatureFileOptions* options = experiment.model.feature_file();
  return options ? std::make_shared<FeatureFile>(*options) : nullptr;
}

std::shared_ptr<const CorpusFeatures> match_features(std::shared_ptr<const FeatureFile> file, const Corpus& corpus) {
  if (!file) return nullptr;
  auto features = std::make_shared<CorpusFeatures>(file, corpus);
  log::info(concat("image features ", file->path(), ": ", file->size(), " rows of ",
                   file->regions() ? concat(file->regions(), " x ") : "", file->features(), " numbers, found by ",
                   features->matched_by()));
  return features;
}

namespace {

std::vector<std::vector<int64_t>> token_ids_of(const Corpus& corpus, const Vocabulary& vocabulary,
                                               const TextOptions& options) {
  std::vector<std::vector<int64_t>> out;
  const auto add = [&](const auto& texts) {
    out.reserve(texts.size());
    for (const auto& text : texts) out.push_back(vocabulary.encode(text.text, text.tokens, options));
  };
  corpus.modifications.empty() ? add(corpus.captions) : add(corpus.modifications);
  return out;
}

Vocabulary vocabulary_of(const Corpus& corpus, const TextOptions& options) {
  return options.unit == TextUnit::word ? Vocabulary::build(corpus, options.min_count) : Vocabulary::alphabet();
}

/// Queries and a composer go together.
void check_composed(const Experiment& experiment, const Corpus& corpus) {
  const std::string composer = experiment.model.composer.type(), sampler = experiment.data.sampler.type();
  if (corpus.modifications.empty()) {
    if (composer == "none") return;
    throw UsageError("",
                     concat("model.composer.type: = ", composer, ": the corpus ", corpus.name,
                            " has no modifications, it matches images and captions"),
                     "model.composer.type: none, or a corpus of composed retrieval");
  }
  if (composer == "none")
    throw UsageError("",
                     concat("model.composer.type: = none: the corpus ", corpus.name,
                            " asks by an image and a text, which something has to compose"),
                     "model.composer.type: tirg_fc, for example");
  if (sampler != "modifications")
    throw UsageError("",
                     concat("data.sampler.type: = ", sampler, ": the corpus ", corpus.name,
                            " has modifications rather than pairs of an image and a caption"),
                     "data.sampler.type: modifications");
  const auto draws = [](const Modification& each) {
    return each.split == Split::train && (each.source_row < 0 || each.target_row < 0);
  };
  if (experiment.train.limit_images && std::ranges::any_of(corpus.modifications, draws))
    throw UsageError("",
                     concat("train.limit_images: the modifications of ", corpus.name,
                            " name labels, whose images are drawn from the whole training split"),
                     "leave it out");
  if (experiment.evaluate.flip_sum || experiment.evaluate.text_to_text)
    throw UsageError("", "evaluate.flip_sum and evaluate.text_to_text are for matching, not for composed queries",
                     "set both to false");
}

}  // namespace

DataBundle load_data(const Experiment& experiment, const Vocabulary* stored) {
  DataBundle data;
  data.corpus = experiment.data.corpus.make()->read();
  check_composed(experiment, data.corpus);
  for (const std::string& note : data.corpus.notes) log::info(note);
  data.features = match_features(open_feature_file(experiment), data.corpus);
  if (data.features)  // what decides results is in the fingerprint, where the file lies is not
    data.corpus.fingerprint = xxh128(data.corpus.fingerprint + data.features->file().fingerprint());
  else
    check_images_exist(data.corpus);
  data.text_unit = experiment.data.text.unit;
  data.vocabulary = stored ? *stored : vocabulary_of(data.corpus, experiment.data.text);
  data.token_ids = token_ids_of(data.corpus, data.vocabulary, experiment.data.text);
  if (const std::string& path = experiment.data.text.word_vectors; !path.empty() && !stored) {
    data.word_vectors = read_word_vectors(path, data.vocabulary);
    log::info(concat("word vectors: ", data.word_vectors.found.sum().item<int64_t>(), " of ", data.vocabulary.size(),
                     " words have a vector of ", data.word_vectors.dimension, " numbers"));
  }
  if (experiment.data.loader.cache_mb > 0)
    data.image_cache = std::make_shared<ImageCache>(static_cast<uint64_t>(experiment.data.loader.cache_mb) << 20);
  return data;
}

System::System(std::shared_ptr<JointModel> joint_model, std::shared_ptr<Objective> objective_module, at::Device where)
    : model(register_module("model", std::move(joint_model))),
      objective(register_module("objective", std::move(objective_module))),
      device(where) {}

at::Device resolve_device(const std::string& name) {
  if (name == "auto") return torch::cuda::is_available() ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  if (name == "cpu") return at::kCPU;
  if (name == "cuda" || name.starts_with("cuda:")) {
    const auto index = name == "cuda" ? std::optional<int64_t>(0) : parse_integer(std::string_view(name).substr(5));
    const auto count = static_cast<int64_t>(torch::cuda::device_count());
    if (!index || *index < 0)
      throw UsageError("", concat("device = \"", escape_for_log(name), "\": expected cuda or cuda:N"));
    if (*index >= count)
      throw UsageError("", concat("device = \"", name, "\": this machine has ", count, " CUDA devices"),
                       "use device=cpu or device=auto");
    return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(*index));
  }
  throw UsageError("", concat("device = \"", escape_for_log(name), "\": expected auto, cpu, cuda or cuda:N"));
}

namespace {

ComposerContext composer_context(const Experiment& experiment, ImageEncoder& image, TextEncoder& text,
                                 int64_t dimension) {
  const bool pictures = experiment.model.feature_file() == nullptr;
  const at::Tensor words = text.embed_words(at::ones({1, 1}, at::kLong));
  return {dimension, image.features(), pictures ? image.local_features() : 0, words.defined() ? words.size(2) : 0,
          image.block_channels()};
}

}  // namespace

std::shared_ptr<JointModel> build_model(const Experiment& experiment, const TextContext& context,
                                        bool load_pretrained) {
  auto image = experiment.model.image.make();
  auto text = experiment.model.text.make(context);
  auto image_head = experiment.model.image_head.make(HeadContext{image->features()});
  auto text_head = experiment.model.text_head.make(HeadContext{text->features()});
  if (image_head->dimension() != text_head->dimension())
    throw UsageError("", concat("model.image_head.dim = ", image_head->dimension(), " and model.text_head.dim = ",
                                text_head->dimension(), " differ: both views need one joint space"));
  if (!image->weights().empty() && load_pretrained) {
    const WeightReport report = load_weights(*image, image->weights());
    log::info(concat("weights ", image->weights(), ": ", report.brief()));
  }
  const ScorerContext scored{image_head->dimension(), image->local_features(), text->local_features()};
  auto scorer = experiment.model.scorer.make(scored);
  std::shared_ptr<Composer> composer;
  if (experiment.model.composer.type() != "none")
    composer = experiment.model.composer.make(composer_context(experiment, *image, *text, image_head->dimension()));
  return std::make_shared<JointModel>(image, text, image_head, text_head, scorer, composer);
}

std::shared_ptr<System> build_system(const Experiment& experiment, const DataBundle& data, bool load_pretrained) {
  const at::Device device = resolve_device(experiment.device);
  seed_torch(static_cast<uint64_t>(experiment.seed));
  auto model = build_model(experiment, TextContext{data.vocabulary.size(), data.word_vectors.table}, load_pretrained);
  auto objective =
      std::make_shared<Objective>(experiment.objective, LossContext{model->dimension(), data.corpus.train_classes()});
  if (model->pair_scorer() && !objective->needs_scores())
    throw UsageError("",
                     concat("model.scorer: ", experiment.model.scorer.type(),
                            " scores pairs, but no term of the objective uses scores: the scorer would never learn"),
                     "add a ranking loss, for example {type: bidirectional_triplet, mining: sum}");
  if (objective->chooser() && (model->composer() || model->pair_scorer()))
    throw UsageError("",
                     "objective: candidates of the training set are for images and captions whose embeddings are "
                     "compared, not for composed queries or a scorer of pairs",
                     "text_negative: hardest");
  if (model->query_dimension() != model->dimension() && objective->needs_embeddings())
    throw UsageError("",
                     concat("model.composer: ", experiment.model.composer.type(),
                            " makes queries that are no embeddings, but a term of the objective compares embeddings"),
                     "terms that take the scorer's scores, for example [{type: tirg_softmax}]");
  if (model->pair_scorer() && experiment.evaluate.text_to_text)
    throw UsageError("",
                     concat("evaluate.text_to_text: ", experiment.model.scorer.type(),
                            " scores pairs of an image and a text, not two texts"),
                     "set evaluate.text_to_text=false");
  auto system = std::make_shared<System>(model, objective, device);
  system->to(device);
  to_channels_last(*model);
  return system;
}

Batch to_device(const Batch& batch, at::Device device) {
  if (device.is_cpu()) return batch;
  const auto move = [&](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.to(device, /*non_blocking=*/true) : tensor;
  };
  return Batch{move(batch.image),        move(batch.image_index), move(batch.tokens),      move(batch.length),
               move(batch.label),        move(batch.image_row),   move(batch.caption_row), move(batch.unique_image_row),
               move(batch.target_index), move(batch.target_row)};
}

}  // namespace diptych

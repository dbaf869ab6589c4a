#pragma once
#include <torch/nn/module.h>

#include <memory>
#include <string>

#include "diptych/data/image/loader.h"
#include "diptych/data/vocabulary.h"
#include "diptych/data/word_vectors.h"
#include "diptych/model/joint_model.h"
#include "diptych/model/weights.h"
#include "diptych/train/experiment.h"
#include "diptych/train/objective.h"

namespace diptych {

/// The data of an experiment in memory: corpus, vocabulary, every caption as ids.
struct DataBundle {
  Corpus corpus;
  Vocabulary vocabulary;
  TextUnit text_unit = TextUnit::word;             // what its entries are
  std::vector<std::vector<int64_t>> token_ids;     // by caption row; of composed retrieval: by modification
  WordVectors word_vectors;                        // undefined table unless data.text.word_vectors is set
  std::shared_ptr<ImageCache> image_cache;         // null unless data.loader.cache_mb > 0
  std::shared_ptr<const CorpusFeatures> features;  // null unless model.image takes rows of a feature file

  LoaderSource source(const Experiment& experiment) const;
  /// Image rows of the training split, the first `limit` of them if asked; and the rows of their captions, or of the
  /// modifications between them.
  std::vector<int64_t> training_images(const std::optional<int64_t>& limit_images) const;
  std::vector<int64_t> training_captions(const std::optional<int64_t>& limit_images) const;
};
/// The file whose rows stand for pictures, if the experiment's image encoder takes such; otherwise null. throws as
/// FeatureFile does.
std::shared_ptr<const FeatureFile> open_feature_file(const Experiment& experiment);
/// Its rows for the pictures of a corpus; null without a file. throws as CorpusFeatures does.
std::shared_ptr<const CorpusFeatures> match_features(std::shared_ptr<const FeatureFile> file, const Corpus& corpus);

/// Reads the corpus, checks that its images (or their rows in the feature file) exist, builds the vocabulary from the
/// training captions (or takes the stored one of a run). throws DataError.
DataBundle load_data(const Experiment& experiment, const Vocabulary* stored = nullptr);

/// Everything with parameters: submodules "model" and "objective", whose names are those of checkpoints and patterns.
class System : public torch::nn::Module {
 public:
  System(std::shared_ptr<JointModel> joint_model, std::shared_ptr<Objective> objective_module, at::Device where);
  std::shared_ptr<JointModel> model;
  std::shared_ptr<Objective> objective;
  at::Device device;
};
/// Seeds, makes the modules, loads pretrained weights, moves to the device, channels-last. `reports` gets what the
/// weight files matched. throws UsageError for combinations that cannot work, before anything big is loaded.
std::shared_ptr<System> build_system(const Experiment& experiment, const DataBundle& data, bool load_pretrained = true);

/// "cpu", "cuda:0" ...; auto takes CUDA when there is one. throws UsageError when a device is asked for and absent.
at::Device resolve_device(const std::string& name);

/// Moves tensors of a batch to a device.
Batch to_device(const Batch& batch, at::Device device);

}  // namespace diptych

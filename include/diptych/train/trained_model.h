#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "diptych/data/vocabulary.h"
#include "diptych/model/joint_model.h"
#include "diptych/train/experiment.h"

namespace diptych {

/// A trained model alone, for use on other pictures and texts: configuration, vocabulary, and the weights of a
/// checkpoint (averaged ones if the run keeps an average). The data set that it was trained on is not needed.
struct TrainedModel {
  std::unique_ptr<Experiment> experiment;
  Vocabulary vocabulary;
  std::shared_ptr<JointModel> model;  // in evaluation mode
  at::Device device{at::kCPU};
  std::filesystem::path run;  // absolute
  std::string checkpoint;     // "step-00001234"
  /// Hash over everything that decides an embedding: weights, vocabulary, scorer, what a picture and a caption go
  /// through before the encoders. Embeddings of equal fingerprints may be compared. 32 hex digits.
  std::string fingerprint;

  /// images [B, 3, H, W] float32, normalised -> [B, D] float32 on the CPU; the mirrored image's embedding is added if
  /// the run's evaluation does so.
  at::Tensor embed_images(const at::Tensor& images) const;
  /// Word ids of every caption, none empty -> [N, D] float32 on the CPU. Encoded in order of length.
  at::Tensor embed_texts(const std::vector<std::vector<int64_t>>& token_ids) const;
  /// Composed retrieval: images [B, 3, H, W] as above and the word ids of B texts that change them -> queries
  /// [B, JointModel::query_dimension()] float32 on the CPU. throws UsageError for a model without a composer.
  at::Tensor embed_queries(const at::Tensor& images, const std::vector<std::vector<int64_t>>& token_ids) const;
  bool composes() const { return model->composer() != nullptr; }
  /// A caption as the model reads it, and the words that it does not know. throws DataError (`where`) for a text
  /// without any word and for one that is no UTF-8.
  struct Words {
    std::vector<int64_t> ids;
    std::vector<std::string> unknown;  // each once
    int64_t count = 0, unknown_count = 0;
  };
  Words read_text(std::string_view text, const std::string& where) const;
  Words read_tokens(const std::vector<std::string>& tokens) const;
};

/// RUN may be a run directory or a checkpoint folder inside one, which then counts instead of `checkpoint` ("best",
/// "latest", a name). throws CheckpointError when it is neither.
std::pair<std::filesystem::path, std::string> locate_run(const std::filesystem::path& run,
                                                         const std::string& checkpoint);

/// Also sets threads and determinism as the run does (threads > 0: that many). throws UsageError or CheckpointError.
TrainedModel load_trained_model(const Catalog& catalog, const std::filesystem::path& run, const std::string& checkpoint,
                                const std::vector<std::string>& overrides, int64_t threads);

}  // namespace diptych

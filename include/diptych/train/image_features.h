#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "diptych/data/image/pipeline.h"
#include "diptych/model/image_encoder.h"
#include "diptych/train/experiment.h"

namespace diptych {

/// An image encoder alone, in evaluation mode: that of a run, or of a configuration with its pretrained weights.
struct FeatureModel {
  std::unique_ptr<Experiment> experiment;
  std::shared_ptr<ImageEncoder> image;
  at::Device device{at::kCPU};
  std::filesystem::path run;  // absolute; of a configuration: its file
  std::string checkpoint;     // "step-00001234"; "" of a configuration
  /// Hash over the encoder's options and weights and what a picture goes through before it. 32 hex digits.
  std::string fingerprint;
};
/// SOURCE may be what locate_run takes, or a YAML file; `checkpoint` counts for runs only. Also sets threads and
/// determinism. throws UsageError or CheckpointError; warns when the encoder's weights are random.
FeatureModel load_feature_model(const Catalog& catalog, const std::filesystem::path& source,
                                const std::string& checkpoint, const std::vector<std::string>& overrides,
                                int64_t threads);

/// What becomes of a picture: one row of features, from one or more views of it.
///
///   crops 1     the test-time view of data.image
///   crops 5     the mean over four corners and the centre, each of data.image's height x width, cut from a picture
///               prepared at 8/7 of that (256 for 224)
///   crops 10    the mean over those and their mirror images (VGG features of the two-branch network)
///   flip        plus the features of the mirrored view (their sum, not their mean; not with 10 crops)
///   regions     [R, F] instead of [F]: the places of the last feature map, row by row (crops 1 only)
struct FeatureViews {
  int64_t crops = 1;
  bool flip = false, regions = false;
  /// throws UsageError for what does not go together.
  void validate() const;
  /// "10 crops, mean", for the file's metadata.
  std::string describe() const;
};

/// How pictures are prepared for these views: larger where crops are cut from them.
ImageOptions options_for(const FeatureViews& views, const ImageOptions& options);
/// images [B, 3, h, w] as options_for says (or rows of a feature file) -> [B, F] or [B, R, F] float32 on the CPU.
at::Tensor image_features(const FeatureModel& model, const FeatureViews& views, const at::Tensor& images);
/// Shape of one picture's row, [F] or [R, F].
std::vector<int64_t> feature_row(const FeatureModel& model, const FeatureViews& views);

}  // namespace diptych

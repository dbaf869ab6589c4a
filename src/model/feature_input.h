#pragma once
#include "diptych/core/tensor/feature_file.h"
#include "diptych/model/image_encoder.h"
#include "diptych/model/python_piece.h"

namespace diptych {

/// Precomputed features as an image "encoder" without parameters: what it is given are rows of the file that its
/// options name, [B, F] or [B, R, F], which the loader reads by image id (data/corpus_features.h). It knows F from the
/// file's header. Encoded.global: the row, or the mean over its R regions; Encoded.local [B, R, F] (R = 1 for one
/// vector).
class FeatureInput final : public ImageEncoder, public PythonForm {
 public:
  using Options = FeatureFileOptions;
  /// throws as FeatureFile does.
  explicit FeatureInput(const Options& options);
  /// throws UsageError for pictures, ShapeError for features of another width.
  Encoded forward(const at::Tensor& features) override;
  /// throws UsageError: there is no map that could be explained.
  at::Tensor feature_map(const at::Tensor& image) override;
  int64_t features() const override { return features_; }
  const std::string& weights() const override { return weights_; }
  PythonPiece python() const override;

 private:
  std::string file_, weights_;
  int64_t features_;
};

}  // namespace diptych

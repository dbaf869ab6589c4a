#pragma once
#include "diptych/core/tensor/feature_file.h"
#include "diptych/model/image_encoder.h"
#include "diptych/model/python_piece.h"
#include "model/pooling.h"

namespace diptych {

struct FeatureInputOptions : FeatureFileOptions {
  Pooling pool = Pooling::mean;
  PoolingOptions pooling;
  static void visit(auto& self, auto& field) {
    FeatureFileOptions::visit(self, field);
    field("pool", self.pool,
          "features of R regions -> one vector: mean, maximum, both side by side (twice the features), the generalised "
          "mean with a learned exponent (gem), learned attention, k largest and smallest values (weldon), log-sum-exp "
          "(lse), or learned weights of the sorted values (gpo)");
    field("pooling", self.pooling, "constants of the poolings that have some");
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
    if (pool == Pooling::last)
      complaints.add(origin, path + ".pool = last: regions have no order", path + ".pool: mean, max, gem, gpo, ...");
  }
};

/// Precomputed features as an image "encoder": what it is given are rows of the file that its options name, [B, F] or
/// [B, R, F], which the loader reads by image id (data/corpus_features.h). It asks the file for F (feature_file.h).
/// Encoded.global: the row, or its R regions pooled; Encoded.local [B, R, F] (R = 1 for one vector). Parameters: those
/// of the pooling, of which the mean has none.
class FeatureInput final : public ImageEncoder, public PythonForm {
 public:
  using Options = FeatureInputOptions;
  /// throws as FeatureFile does; UsageError for a pooling where the file has no regions.
  explicit FeatureInput(const Options& options);
  /// throws UsageError for pictures, ShapeError for features of another width.
  Encoded forward(const at::Tensor& features) override;
  /// throws UsageError: there is no map that could be explained.
  at::Tensor feature_map(const at::Tensor& image) override;
  /// regions [B, R, F]: a place a line.
  at::Tensor pool_lines(const at::Tensor& regions) override { return pool_->forward(regions); }
  int64_t features() const override { return pool_->features(features_); }
  int64_t local_features() const override { return features_; }
  const std::string& weights() const override { return weights_; }
  PythonPiece python() const override;

 private:
  std::string file_, weights_;
  int64_t features_;  // F
  std::shared_ptr<Pool> pool_;
};

}  // namespace diptych

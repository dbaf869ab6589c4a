#pragma once
#include "diptych/core/tensor/feature_file.h"
#include "diptych/model/image_encoder.h"
#include "diptych/model/python_piece.h"
#include "model/pooling.h"

namespace diptych {

/// Pooling over regions, which have no order: all but `last`.
enum class RegionPooling {
  mean = static_cast<int>(Pooling::mean),
  max = static_cast<int>(Pooling::max),
  mean_max = static_cast<int>(Pooling::mean_max),
  gem = static_cast<int>(Pooling::gem),
  attention = static_cast<int>(Pooling::attention),
  weldon = static_cast<int>(Pooling::weldon),
  lse = static_cast<int>(Pooling::lse),
  gpo = static_cast<int>(Pooling::gpo)
};
constexpr auto enum_names(RegionPooling) {
  return std::array{std::pair{RegionPooling::mean, "mean"},
                    std::pair{RegionPooling::max, "max"},
                    std::pair{RegionPooling::mean_max, "mean_max"},
                    std::pair{RegionPooling::gem, "gem"},
                    std::pair{RegionPooling::attention, "attention"},
                    std::pair{RegionPooling::weldon, "weldon"},
                    std::pair{RegionPooling::lse, "lse"},
                    std::pair{RegionPooling::gpo, "gpo"}};
}

struct FeatureInputOptions : FeatureFileOptions {
  RegionPooling pool = RegionPooling::mean;
  PoolingOptions pooling;
  static void visit(auto& self, auto& field) {
    FeatureFileOptions::visit(self, field);
    field("pool", self.pool,
          "features of R regions -> one vector: mean, maximum, both side by side (twice the features), the generalised "
          "mean with a learned exponent (gem), learned attention, k largest and smallest values (weldon), log-sum-exp "
          "(lse), or learned weights of the sorted values (gpo)");
    field("pooling", self.pooling, "constants of the poolings that have some");
  }
};

/// Precomputed features as an image "encoder": what it is given are rows of the file that its options name, [B, F] or
/// [B, R, F], which the loader reads by image id (data/corpus_features.h). It knows F from the file's header.
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

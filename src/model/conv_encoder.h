#pragma once
#include "diptych/model/image_encoder.h"

namespace diptych {

enum class ImagePooling { avg, max, avg_max, gem };
constexpr auto enum_names(ImagePooling) {
  return std::array{std::pair{ImagePooling::avg, "avg"}, std::pair{ImagePooling::max, "max"},
                    std::pair{ImagePooling::avg_max, "avg_max"}, std::pair{ImagePooling::gem, "gem"}};
}

/// What every convolutional encoder lets one choose.
struct ConvOptions {
  std::string weights;
  ImagePooling pool = ImagePooling::avg;
  double dropout = 0;
  static void visit(auto& self, auto& field) {
    field("weights", self.weights, "safetensors file of pretrained weights with torchvision's names; empty: random",
          {.path = true});
    field(
        "pool", self.pool,
        "feature map -> vector: mean, maximum, both side by side (twice the features), or the generalised mean with a "
        "learned exponent, initially 3 (Radenovic et al. 2018)");
    field("dropout", self.dropout, "share of the pooled features dropped in training", {.lo = 0, .hi = 0.99});
  }
};

/// [B, C, h, w] -> [B, C], or [B, 2C] for avg_max. gem: (mean of x^p)^(1/p) per channel, x floored at 1e-6, p = `p`.
/// Half-precision maps are pooled in float32.
class ImagePool : public torch::nn::Module {
 public:
  explicit ImagePool(ImagePooling pooling);
  at::Tensor forward(const at::Tensor& map) const;
  int64_t features(int64_t channels) const { return pooling_ == ImagePooling::avg_max ? 2 * channels : channels; }

 private:
  ImagePooling pooling_;
  at::Tensor p_;  // [] learned; gem only
};

/// Base of the convolutional encoders: pooling, dropout and local features over a subclass's feature_map.
class ConvEncoder : public ImageEncoder {
 public:
  explicit ConvEncoder(const ConvOptions& options);
  Encoded forward(const at::Tensor& image) override;
  int64_t features() const override { return pool_->features(channels_); }
  const std::string& weights() const override { return weights_; }

 protected:
  int64_t channels_ = 0;  // of the feature map; set by the subclass

 private:
  std::string weights_;
  double dropout_;
  std::shared_ptr<ImagePool> pool_;
};

}  // namespace diptych

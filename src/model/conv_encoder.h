#pragma once
#include <string>
#include <vector>

#include "diptych/model/image_encoder.h"
#include "diptych/model/python_piece.h"
#include "model/pooling.h"

namespace diptych {

enum class ImagePooling { avg, max, avg_max, gem, grid, attention, weldon, lse, gpo };
constexpr auto enum_names(ImagePooling) {
  return std::array{std::pair{ImagePooling::avg, "avg"},         std::pair{ImagePooling::max, "max"},
                    std::pair{ImagePooling::avg_max, "avg_max"}, std::pair{ImagePooling::gem, "gem"},
                    std::pair{ImagePooling::grid, "grid"},       std::pair{ImagePooling::attention, "attention"},
                    std::pair{ImagePooling::weldon, "weldon"},   std::pair{ImagePooling::lse, "lse"},
                    std::pair{ImagePooling::gpo, "gpo"}};
}

/// What every convolutional encoder lets one choose.
struct ConvOptions {
  std::string weights;
  ImagePooling pool = ImagePooling::avg;
  int64_t grid = 2;
  PoolingOptions pooling;
  double dropout = 0;
  static void visit(auto& self, auto& field) {
    field("weights", self.weights, "safetensors file of pretrained weights with torchvision's names; empty: random",
          {.path = true});
    field(
        "pool", self.pool,
        "feature map -> vector: mean, maximum, both side by side (twice the features), the generalised mean with a "
        "learned exponent, initially 3 (Radenovic et al. 2018), grid, which keeps where things are, learned attention, "
        "k largest and smallest places (weldon), log-sum-exp (lse), or learned weights of the sorted values (gpo)");
    field("grid", self.grid,
          "pool: grid: means over n x n equal parts of the map, side by side (n^2 times the features); 1 is avg",
          {.lo = 1, .hi = 16});
    field("pooling", self.pooling, "constants of the poolings that have some");
    field("dropout", self.dropout, "share of the pooled features dropped in training", {.lo = 0, .hi = 0.99});
  }
};

/// Pool over the places of a map: [B, C, h, w] -> [B, C]; [B, 2C] for avg_max; [B, C g g] for grid, means over g x g
/// equal parts, channel by channel (a map smaller than the grid is a ShapeError).
class ImagePool : public Pool {
 public:
  explicit ImagePool(ImagePooling pooling, int64_t grid = 2, const PoolingOptions& options = {});
  at::Tensor forward(const at::Tensor& map) const;
  int64_t features(int64_t channels) const { return Pool::features(channels) * grid_ * grid_; }
  /// [parts, h*w]: forward(map)[b, c * parts + i] = sum_p weights[i, p] map[b, c, p]; undefined if not linear.
  at::Tensor place_weights(int64_t height, int64_t width) const;
  PythonPiece python() const;

 private:
  ImagePooling image_pooling_;
  int64_t grid_;  // 1 unless pooling is grid
};

/// throws ShapeError unless there are as many modulations as blocks.
void check_modulation(const char* encoder, size_t modulations, size_t blocks);

/// Base of the convolutional encoders: pooling, dropout and local features over a subclass's feature_map.
class ConvEncoder : public ImageEncoder {
 public:
  explicit ConvEncoder(const ConvOptions& options);
  Encoded forward(const at::Tensor& image) override;
  at::Tensor pool(const at::Tensor& map) override { return pool_->forward(map); }
  at::Tensor place_weights(int64_t height, int64_t width) const override { return pool_->place_weights(height, width); }
  /// Odd kernels, padded evenly: place p looks at pixel p * stride, not at the middle of its cell.
  double first_centre(double) const override { return 0.5; }
  int64_t features() const override { return pool_->features(channels_); }
  int64_t local_features() const override { return channels_; }
  const std::string& weights() const override { return weights_; }

 protected:
  /// The shared definitions, then those of the subclass; "NAME(arguments, pool=ImagePool(...))".
  PythonPiece python_with(const std::vector<std::string>& definitions, const std::string& name,
                          const std::string& arguments) const;
  /// To be called at the end of the subclass's constructor: the channels of its feature map.
  void built(int64_t channels);
  int64_t channels_ = 0;  // of the feature map

 private:
  std::string weights_;
  double dropout_;
  std::shared_ptr<ImagePool> pool_;
};

}  // namespace diptych

#pragma once
#include <vector>

#include "diptych/core/text.h"
#include "model/conv.h"
#include "model/conv_encoder.h"

namespace diptych {

/// MobileNetV1 (Howard et al. 2017): a 3x3 convolution, then 13 times [depthwise 3x3, 1x1], each with BN and
/// activation. Names: model.0.{0,1}; model.i.{0,1} depthwise, model.i.{3,4} pointwise, i = 1..13.
class MobileNetV1 : public ConvEncoder, public PythonForm {
 public:
  struct Options : ConvOptions {
    double width = 1;
    Activation activation = Activation::relu6;
    static void visit(auto& self, auto& field) {
      ConvOptions::visit(self, field);
      field("width", self.width, "multiplies every layer's channels, rounded to multiples of 8", {.lo = 0.1, .hi = 2});
      field("activation", self.activation, "after every BatchNorm; the published weights need relu6");
    }
  };
  explicit MobileNetV1(const Options& options);
  at::Tensor feature_map(const at::Tensor& image) override;
  PythonPiece python() const override;

 private:
  class Block;
  torch::nn::Conv2d conv_{nullptr};
  torch::nn::BatchNorm2d bn_{nullptr};
  std::vector<std::shared_ptr<Block>> blocks_;
  Activation activation_;
  double width_;
};

/// MobileNetV2 (Sandler et al. 2018): inverted residuals with linear bottlenecks. Names: torchvision's features.0 ...
/// .18.
class MobileNetV2 : public ConvEncoder, public PythonForm {
 public:
  static constexpr int64_t kBlocks = 17;
  struct Options : ConvOptions {
    double width = 1;
    int64_t stride = 32, blocks = kBlocks;
    static void visit(auto& self, auto& field) {
      ConvOptions::visit(self, field);
      field("width", self.width,
            "multiplies every layer's channels, rounded to multiples of 8; the last layer never has fewer than 1280",
            {.lo = 0.1, .hi = 2});
      field("stride", self.stride,
            "pixels from one place of the feature map to the next: 32, 16, 8 or 4. Below 32 the last layers that would "
            "halve the map no longer do: a finer map, more arithmetic; pretrained weights expect 32",
            {.lo = 4, .hi = 32});
      field("blocks", self.blocks,
            "inverted residuals kept, from the first: with few of them a place of the map sees only its surroundings "
            "(5: 43 "
            "x 43 pixels); pretrained weights expect 17",
            {.lo = 1, .hi = static_cast<double>(kBlocks)});
    }
    void validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
      if (stride & (stride - 1))
        complaints.add(origin, concat(path, ".stride = ", stride, ": expected 32, 16, 8 or 4"));
    }
  };
  explicit MobileNetV2(const Options& options);
  at::Tensor feature_map(const at::Tensor& image) override { return map_of(image, nullptr); }
  std::vector<int64_t> block_channels() const override;
  at::Tensor modulated_map(const at::Tensor& image, const std::vector<BlockModulation>& modulation) override;
  PythonPiece python() const override;

 private:
  class Block;
  at::Tensor map_of(const at::Tensor& image, const BlockModulation* of_block);
  class ConvBn;
  std::shared_ptr<ConvBn> first_, last_;
  std::vector<std::shared_ptr<Block>> blocks_;
  double width_;
  int64_t stride_;
};

}  // namespace diptych

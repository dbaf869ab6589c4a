#pragma once
#include <vector>

#include "model/conv.h"
#include "model/conv_encoder.h"

namespace diptych {

/// MobileNetV1 (Howard et al. 2017): a 3x3 convolution, then 13 times [depthwise 3x3, 1x1], each with BN and
/// activation. Names: model.0.{0,1}; model.i.{0,1} depthwise, model.i.{3,4} pointwise, i = 1..13.
class MobileNetV1 : public ConvEncoder {
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

 private:
  class Block;
  torch::nn::Conv2d conv_{nullptr};
  torch::nn::BatchNorm2d bn_{nullptr};
  std::vector<std::shared_ptr<Block>> blocks_;
  Activation activation_;
};

/// MobileNetV2 (Sandler et al. 2018): inverted residuals with linear bottlenecks. Names: torchvision's features.0 ...
/// .18.
class MobileNetV2 : public ConvEncoder {
 public:
  struct Options : ConvOptions {
    double width = 1;
    static void visit(auto& self, auto& field) {
      ConvOptions::visit(self, field);
      field("width", self.width,
            "multiplies every layer's channels, rounded to multiples of 8; the last layer never has fewer than 1280",
            {.lo = 0.1, .hi = 2});
    }
  };
  explicit MobileNetV2(const Options& options);
  at::Tensor feature_map(const at::Tensor& image) override;

 private:
  class Block;
  class ConvBn;
  std::shared_ptr<ConvBn> first_, last_;
  std::vector<std::shared_ptr<Block>> blocks_;
};

}  // namespace diptych

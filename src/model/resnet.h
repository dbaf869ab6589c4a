#pragma once
#include <array>
#include <vector>

#include "model/conv.h"
#include "model/conv_encoder.h"

namespace diptych {

/// ResNet (He et al. 2016) as in torchvision: a block's stride stands in its (first, for bottlenecks second) 3x3
/// convolution. Names: conv1, bn1, layer1.0.conv1 ... layer4.N.downsample.{0,1}.
class ResNet : public ConvEncoder, public PythonForm {
 public:
  struct Options : ConvOptions {
    double width = 1;
    int64_t stride = 32;
    bool zero_init_residual = false;
    static void visit(auto& self, auto& field) {
      ConvOptions::visit(self, field);
      field("zero_init_residual", self.zero_init_residual,
            "without pretrained weights: the last BatchNorm of each block starts at 0, each block as the identity");
      field("width", self.width,
            "multiplies every layer's channels, rounded to multiples of 8; pretrained weights expect 1",
            {.lo = 0.125, .hi = 4});
      field("stride", self.stride,
            "pixels from one place of the feature map to the next: 32, 16, 8 or 4. Below 32 the last layers do not "
            "halve the map: a finer map, more arithmetic; pretrained weights expect 32",
            {.lo = 4, .hi = 32});
    }
    void validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
      if (stride & (stride - 1))
        complaints.add(origin, concat(path, ".stride = ", stride, ": expected 32, 16, 8 or 4"));
    }
  };
  /// blocks: how many in each of the four layers. Bottleneck blocks have 4 times the layer's channels at their end.
  ResNet(const Options& options, bool bottleneck, const std::array<int, 4>& blocks);
  at::Tensor feature_map(const at::Tensor& image) override { return map_of(image, nullptr); }
  std::vector<int64_t> block_channels() const override;
  at::Tensor modulated_map(const at::Tensor& image, const std::vector<BlockModulation>& modulation) override;
  PythonPiece python() const override;

 private:
  class Block;
  at::Tensor map_of(const at::Tensor& image, const BlockModulation* of_block);
  torch::nn::Conv2d conv1_;
  torch::nn::BatchNorm2d bn1_;
  std::vector<std::shared_ptr<Block>> blocks_;
  bool bottleneck_;
  std::array<int, 4> depths_;
  int64_t base_, stride_;  // channels of the first layer; pixels between places
};

/// One registered type a depth.
template <bool bottleneck, int... blocks>
struct ResNetOf : ResNet {
  explicit ResNetOf(const Options& options) : ResNet(options, bottleneck, {blocks...}) {}
};
using ResNet18 = ResNetOf<false, 2, 2, 2, 2>;
using ResNet34 = ResNetOf<false, 3, 4, 6, 3>;
using ResNet50 = ResNetOf<true, 3, 4, 6, 3>;
using ResNet101 = ResNetOf<true, 3, 4, 23, 3>;
using ResNet152 = ResNetOf<true, 3, 8, 36, 3>;

}  // namespace diptych

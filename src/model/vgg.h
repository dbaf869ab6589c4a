#pragma once
#include <torch/nn/modules/linear.h>

#include <vector>

#include "model/conv.h"
#include "model/conv_encoder.h"

namespace diptych {

/// VGG (Simonyan and Zisserman 2015) as in torchvision: five groups of 3x3 convolutions with ReLU, each ended by a
/// halving maximum. The feature map is what the last maximum reads: 14 x 14 places of 512 channels at 224 pixels.
/// Names: features.N (numbered as torchvision's, ReLU and maximum included), classifier.0 (fc6), classifier.3 (fc7).
class Vgg : public ConvEncoder, public PythonForm {
 public:
  struct Options : ConvOptions {
    bool fc7 = true, batch_norm = false;
    double width = 1;
    static void visit(auto& self, auto& field) {
      ConvOptions::visit(self, field);
      field(
          "fc7", self.fc7,
          "features: the 4096 numbers behind the second fully connected layer and its ReLU; false: the pooled feature "
          "map. model.image.dropout then also acts behind the first fully connected layer (as published: 0.5)");
      field("batch_norm", self.batch_norm, "BatchNorm behind every convolution: torchvision's vgg16_bn and vgg19_bn");
      field("width", self.width,
            "multiplies every layer's channels and units, rounded to multiples of 8; pretrained weights expect 1",
            {.lo = 0.1, .hi = 2});
    }
    void validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
      if (fc7 && pool != ImagePooling::avg)
        complaints.add(origin, concat(path, ".pool has no effect: the fully connected layers read the whole map"),
                       concat(path, ".fc7: false pools the map instead"));
    }
  };
  /// convolutions: how many in each of the five groups.
  Vgg(const Options& options, const std::vector<int64_t>& convolutions);
  at::Tensor feature_map(const at::Tensor& image) override;
  at::Tensor pool(const at::Tensor& map) override;
  at::Tensor place_weights(int64_t height, int64_t width) const override;
  double first_centre(double stride) const override { return stride / 2; }  // even kernels halve the map, unpadded
  int64_t features() const override;
  PythonPiece python() const override;

 private:
  struct Convolution {
    torch::nn::Conv2d conv;
    torch::nn::BatchNorm2d bn;
    bool halve_before;
  };
  std::vector<Convolution> convolutions_;
  torch::nn::Linear fc6_{nullptr}, fc7_{nullptr};
  std::vector<int64_t> depths_;
  double width_, dropout_;
  bool batch_norm_;
};

/// One registered type a depth.
template <int... convolutions>
struct VggOf : Vgg {
  explicit VggOf(const Options& options) : Vgg(options, {convolutions...}) {}
};
using Vgg16 = VggOf<2, 2, 3, 3, 3>;
using Vgg19 = VggOf<2, 2, 4, 4, 4>;

}  // namespace diptych

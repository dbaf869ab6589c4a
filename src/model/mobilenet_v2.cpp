#include <torch/torch.h>

#include "model/mobilenet.h"

namespace diptych {

/// Convolution "0" - BN "1" - ReLU6.
class MobileNetV2::ConvBn : public torch::nn::Module {
 public:
  ConvBn(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t groups = 1)
      : conv_(register_module("0", conv2d(in, out, kernel, stride, groups))),
        bn_(register_module("1", batch_norm(out))),
        depthwise_(groups > 1) {}
  at::Tensor forward(const at::Tensor& x) {
    return activate_(bn_->forward(depthwise_ ? depthwise(conv_, x) : conv_->forward(x)), Activation::relu6);
  }

 private:
  torch::nn::Conv2d conv_;
  torch::nn::BatchNorm2d bn_;
  bool depthwise_;
};

/// Inverted residual: [expand 1x1 - BN - ReLU6,] depthwise 3x3 - BN - ReLU6, project 1x1 - BN; plus x where shapes
/// agree.
class MobileNetV2::Block : public torch::nn::Module {
 public:
  Block(int64_t in, int64_t out, int64_t stride, int64_t expansion) : residual_(stride == 1 && in == out) {
    const int64_t hidden = in * expansion;
    const auto conv = register_module("conv", std::make_shared<torch::nn::Module>());
    int at = 0;
    const auto next = [&at] { return std::to_string(at++); };
    if (expansion != 1) expand_ = conv->register_module(next(), std::make_shared<ConvBn>(in, hidden, 1));
    spatial_ = conv->register_module(next(), std::make_shared<ConvBn>(hidden, hidden, 3, stride, hidden));
    project_ = conv->register_module(next(), conv2d(hidden, out, 1));
    project_bn_ = conv->register_module(next(), batch_norm(out));
  }
  at::Tensor forward(const at::Tensor& x) {
    const at::Tensor hidden = spatial_->forward(expand_ ? expand_->forward(x) : x);
    at::Tensor out = project_bn_->forward(project_->forward(hidden));
    return residual_ ? out.add_(x) : out;
  }

 private:
  std::shared_ptr<ConvBn> expand_, spatial_;
  torch::nn::Conv2d project_{nullptr};
  torch::nn::BatchNorm2d project_bn_{nullptr};
  bool residual_;
};

MobileNetV2::MobileNetV2(const Options& options) : ConvEncoder(options) {
  struct Group {
    int64_t expansion, channels, repeats, stride;
  };
  static constexpr Group kGroups[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                                      {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  const auto features = register_module("features", std::make_shared<torch::nn::Module>());
  int64_t in = scaled_channels(32, options.width);
  first_ = features->register_module("0", std::make_shared<ConvBn>(3, in, 3, 2));
  for (const auto& group : kGroups) {
    const int64_t out = scaled_channels(static_cast<double>(group.channels), options.width);
    for (int64_t i = 0; i < group.repeats; ++i, in = out)
      blocks_.push_back(features->register_module(
          std::to_string(blocks_.size() + 1), std::make_shared<Block>(in, out, i ? 1 : group.stride, group.expansion)));
  }
  channels_ = scaled_channels(1280, std::max(1.0, options.width));
  last_ = features->register_module(std::to_string(blocks_.size() + 1), std::make_shared<ConvBn>(in, channels_, 1));
}

at::Tensor MobileNetV2::feature_map(const at::Tensor& image) {
  check_image(image, "mobilenet_v2");
  at::Tensor x = first_->forward(image);
  for (const auto& block : blocks_) x = block->forward(x);
  return last_->forward(x);
}

}  // namespace diptych

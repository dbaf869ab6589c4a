#include "model/resnet.h"

#include <torch/torch.h>

namespace diptych {

/// Basic: 3x3, 3x3. Bottleneck: 1x1, 3x3, 1x1. The shortcut is projected where shapes change.
class ResNet::Block : public torch::nn::Module {
 public:
  Block(int64_t in, int64_t planes, int64_t stride, bool bottleneck) {
    const int64_t out = bottleneck ? 4 * planes : planes;
    if (bottleneck) {
      add(in, planes, 1, 1);
      add(planes, planes, 3, stride);
      add(planes, out, 1, 1);
    } else {
      add(in, planes, 3, stride);
      add(planes, out, 3, 1);
    }
    if (stride == 1 && in == out) return;
    const auto downsample = register_module("downsample", std::make_shared<torch::nn::Module>());
    shortcut_ = downsample->register_module("0", conv2d(in, out, 1, stride));
    shortcut_bn_ = downsample->register_module("1", batch_norm(out));
  }
  at::Tensor forward(const at::Tensor& input) {
    at::Tensor x = input;
    for (size_t i = 0; i < convs_.size(); ++i) {
      x = bns_[i]->forward(convs_[i]->forward(x));
      if (i + 1 < convs_.size()) x = x.relu_();
    }
    return x.add_(shortcut_ ? shortcut_bn_->forward(shortcut_->forward(input)) : input).relu_();
  }
  void zero_last_scale() { torch::nn::init::zeros_(bns_.back()->weight); }

 private:
  void add(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
    const std::string number = std::to_string(convs_.size() + 1);
    convs_.push_back(register_module("conv" + number, conv2d(in, out, kernel, stride)));
    bns_.push_back(register_module("bn" + number, batch_norm(out)));
  }
  std::vector<torch::nn::Conv2d> convs_;
  std::vector<torch::nn::BatchNorm2d> bns_;
  torch::nn::Conv2d shortcut_{nullptr};
  torch::nn::BatchNorm2d shortcut_bn_{nullptr};
};

ResNet::ResNet(const Options& options, bool bottleneck, const std::array<int, 4>& blocks)
    : ConvEncoder(options),
      conv1_(register_module("conv1", conv2d(3, 64, 7, 2))),
      bn1_(register_module("bn1", batch_norm(64))) {
  channels_ = 64;
  for (int layer = 0; layer < 4; ++layer) {
    const int64_t planes = int64_t{64} << layer;
    const auto group = register_module("layer" + std::to_string(layer + 1), std::make_shared<torch::nn::Module>());
    for (int i = 0; i < blocks[layer]; ++i) {
      const int64_t stride = layer > 0 && i == 0 ? 2 : 1;
      blocks_.push_back(
          group->register_module(std::to_string(i), std::make_shared<Block>(channels_, planes, stride, bottleneck)));
      channels_ = bottleneck ? 4 * planes : planes;
    }
  }
  if (options.zero_init_residual)
    for (const auto& block : blocks_) block->zero_last_scale();
}

at::Tensor ResNet::feature_map(const at::Tensor& image) {
  check_image(image, "resnet");
  at::Tensor x = bn1_->forward(conv1_->forward(image)).relu_();
  x = at::max_pool2d(x, 3, 2, 1);
  for (const auto& block : blocks_) x = block->forward(x);
  return x;
}

}  // namespace diptych

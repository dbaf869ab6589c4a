#include <torch/torch.h>

#include <iterator>

#include "diptych/core/text.h"
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
  at::Tensor forward(const at::Tensor& x, const BlockModulation* modulation) {
    const at::Tensor hidden = spatial_->forward(expand_ ? expand_->forward(x) : x);
    at::Tensor out = project_bn_->forward(project_->forward(hidden));
    if (modulation) out = modulate(out, *modulation);
    return residual_ ? out.add_(x) : out;
  }
  int64_t channels() const { return project_->options.out_channels(); }

 private:
  std::shared_ptr<ConvBn> expand_, spatial_;
  torch::nn::Conv2d project_{nullptr};
  torch::nn::BatchNorm2d project_bn_{nullptr};
  bool residual_;
};

MobileNetV2::MobileNetV2(const Options& options)
    : ConvEncoder(options), width_(options.width), stride_(options.stride) {
  struct Group {
    int64_t expansion, channels, repeats, stride;
  };
  static constexpr Group kGroups[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                                      {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  const auto features = register_module("features", std::make_shared<torch::nn::Module>());
  int64_t in = scaled_channels(32, options.width);
  first_ = features->register_module("0", std::make_shared<ConvBn>(3, in, 3, 2));
  int64_t reached = 2;
  for (const auto& group : kGroups) {
    const int64_t stride = reached * group.stride > options.stride ? 1 : group.stride;
    reached *= stride;
    const int64_t out = scaled_channels(static_cast<double>(group.channels), options.width);
    for (int64_t i = 0; i < group.repeats && std::ssize(blocks_) < options.blocks; ++i, in = out)
      blocks_.push_back(features->register_module(std::to_string(blocks_.size() + 1),
                                                  std::make_shared<Block>(in, out, i ? 1 : stride, group.expansion)));
  }
  built(scaled_channels(1280, std::max(1.0, options.width)));
  last_ = features->register_module(std::to_string(blocks_.size() + 1), std::make_shared<ConvBn>(in, channels_, 1));
}

PythonPiece MobileNetV2::python() const {
  const std::string block = R"py(def conv_bn(channels_in, channels_out, kernel, stride=1, groups=1):
    return nn.Sequential(
        conv(channels_in, channels_out, kernel, stride, groups), nn.BatchNorm2d(channels_out), nn.ReLU6()
    )


class InvertedResidual(nn.Module):
    def __init__(self, channels_in, channels_out, stride, expansion):
        super().__init__()
        hidden = channels_in * expansion
        layers = [] if expansion == 1 else [conv_bn(channels_in, hidden, 1)]
        layers += [conv_bn(hidden, hidden, 3, stride, hidden), conv(hidden, channels_out, 1)]
        self.conv = nn.Sequential(*layers, nn.BatchNorm2d(channels_out))
        self.residual = stride == 1 and channels_in == channels_out

    def forward(self, x):
        return x + self.conv(x) if self.residual else self.conv(x)
)py";
  const std::string definition = R"py(class MobileNetV2(nn.Module):
    def __init__(self, width, stride, blocks, pool):
        super().__init__()
        channels, coarsest, reached = scaled_channels(32, width), stride, 2
        layers = [conv_bn(3, channels, 3, 2)]
        for expansion, wanted, repeats, stride in [
            (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
        ]:
            out = scaled_channels(wanted, width)
            stride = 1 if reached * stride > coarsest else stride
            reached *= stride
            for i in range(repeats):
                if len(layers) <= blocks:
                    layers.append(InvertedResidual(channels, out, 1 if i else stride, expansion))
                    channels = out
        self.features = nn.Sequential(*layers, conv_bn(channels, scaled_channels(1280, max(1.0, width)), 1))
        self.pool = pool

    def forward(self, image):
        return self.pool(self.features(image))
)py";
  return python_with({kPythonScaledChannels, block, definition}, "MobileNetV2",
                     concat("width=", width_, ", stride=", stride_, ", blocks=", blocks_.size()));
}

std::vector<int64_t> MobileNetV2::block_channels() const {
  std::vector<int64_t> out;
  for (const auto& block : blocks_) out.push_back(block->channels());
  return out;
}

at::Tensor MobileNetV2::modulated_map(const at::Tensor& image, const std::vector<BlockModulation>& modulation) {
  check_modulation("mobilenet_v2", modulation.size(), blocks_.size());
  return map_of(image, modulation.data());
}

at::Tensor MobileNetV2::map_of(const at::Tensor& image, const BlockModulation* of_block) {
  check_image(image, "mobilenet_v2");
  at::Tensor x = first_->forward(image);
  for (size_t i = 0; i < blocks_.size(); ++i) x = blocks_[i]->forward(x, of_block ? of_block + i : nullptr);
  return last_->forward(x);
}

}  // namespace diptych

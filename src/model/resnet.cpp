#include "model/resnet.h"

#include <torch/torch.h>

#include <cmath>

namespace diptych {
namespace {

constexpr int64_t kStemStride = 4;  // conv1 and the pooling behind it

int64_t base_channels(double width) { return std::max<int64_t>(8, std::llround(64 * width / 8) * 8); }

}  // namespace

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
  at::Tensor forward(const at::Tensor& input, const BlockModulation* modulation) {
    at::Tensor x = input;
    for (size_t i = 0; i < convs_.size(); ++i) {
      x = bns_[i]->forward(convs_[i]->forward(x));
      if (i + 1 < convs_.size()) x = x.relu_();
    }
    if (modulation) x = modulate(x, *modulation);
    return x.add_(shortcut_ ? shortcut_bn_->forward(shortcut_->forward(input)) : input).relu_();
  }
  int64_t channels() const { return convs_.back()->options.out_channels(); }
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
      conv1_(register_module("conv1", conv2d(3, base_channels(options.width), 7, 2))),
      bn1_(register_module("bn1", batch_norm(base_channels(options.width)))),
      bottleneck_(bottleneck),
      depths_(blocks),
      base_(base_channels(options.width)),
      stride_(options.stride) {
  channels_ = base_;
  int64_t reached = kStemStride;
  for (int layer = 0; layer < 4; ++layer) {
    const int64_t planes = base_ << layer;
    const bool halves = layer > 0 && reached < stride_;
    if (halves) reached *= 2;
    const auto group = register_module("layer" + std::to_string(layer + 1), std::make_shared<torch::nn::Module>());
    for (int i = 0; i < blocks[layer]; ++i) {
      const int64_t stride = halves && i == 0 ? 2 : 1;
      blocks_.push_back(
          group->register_module(std::to_string(i), std::make_shared<Block>(channels_, planes, stride, bottleneck)));
      channels_ = bottleneck ? 4 * planes : planes;
    }
  }
  built(channels_);
  if (options.zero_init_residual)
    for (const auto& block : blocks_) block->zero_last_scale();
}

PythonPiece ResNet::python() const {
  const std::string block = R"py(class ResidualBlock(nn.Module):
    def __init__(self, channels_in, planes, stride, bottleneck):
        super().__init__()
        out = 4 * planes if bottleneck else planes
        if bottleneck:
            convs = [conv(channels_in, planes, 1), conv(planes, planes, 3, stride), conv(planes, out, 1)]
        else:
            convs = [conv(channels_in, planes, 3, stride), conv(planes, planes, 3)]
        self.count = len(convs)
        for i, each in enumerate(convs, 1):
            setattr(self, f"conv{i}", each)
            setattr(self, f"bn{i}", nn.BatchNorm2d(each.out_channels))
        self.downsample = None
        if stride != 1 or channels_in != out:
            self.downsample = nn.Sequential(conv(channels_in, out, 1, stride), nn.BatchNorm2d(out))

    def forward(self, image):
        x = image
        for i in range(1, self.count + 1):
            x = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x))
            if i < self.count:
                x = x.relu()
        return (x + (self.downsample(image) if self.downsample else image)).relu()
)py";
  const std::string definition = R"py(class ResNet(nn.Module):
    def __init__(self, blocks, bottleneck, base, strides, pool):
        super().__init__()
        self.conv1, self.bn1 = conv(3, base, 7, 2), nn.BatchNorm2d(base)
        channels = base
        for layer, count in enumerate(blocks):
            planes, group = base << layer, []
            for i in range(count):
                group.append(ResidualBlock(channels, planes, strides[layer] if i == 0 else 1, bottleneck))
                channels = 4 * planes if bottleneck else planes
            setattr(self, f"layer{layer + 1}", nn.Sequential(*group))
        self.pool = pool

    def forward(self, image):
        x = F.max_pool2d(self.bn1(self.conv1(image)).relu(), 3, 2, 1)
        return self.pool(self.layer4(self.layer3(self.layer2(self.layer1(x)))))
)py";
  return python_with({block, definition}, "ResNet",
                     concat("blocks=(", depths_[0], ", ", depths_[1], ", ", depths_[2], ", ", depths_[3],
                            "), bottleneck=", bottleneck_ ? "True" : "False", ", base=", base_, ", strides=(1, ",
                            stride_ > 4 ? 2 : 1, ", ", stride_ > 8 ? 2 : 1, ", ", stride_ > 16 ? 2 : 1, ")"));
}

std::vector<int64_t> ResNet::block_channels() const {
  std::vector<int64_t> out;
  for (const auto& block : blocks_) out.push_back(block->channels());
  return out;
}

at::Tensor ResNet::modulated_map(const at::Tensor& image, const std::vector<BlockModulation>& modulation) {
  check_modulation("resnet", modulation.size(), blocks_.size());
  return map_of(image, modulation.data());
}

at::Tensor ResNet::map_of(const at::Tensor& image, const BlockModulation* of_block) {
  check_image(image, "resnet");
  at::Tensor x = bn1_->forward(conv1_->forward(image)).relu_();
  x = at::max_pool2d(x, 3, 2, 1);
  for (size_t i = 0; i < blocks_.size(); ++i) x = blocks_[i]->forward(x, of_block ? of_block + i : nullptr);
  return x;
}

}  // namespace diptych

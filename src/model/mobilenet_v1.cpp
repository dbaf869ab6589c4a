#include <torch/torch.h>

#include "diptych/core/text.h"
#include "model/mobilenet.h"

namespace diptych {

/// Depthwise 3x3 - BN - activation - pointwise 1x1 - BN - activation.
class MobileNetV1::Block : public torch::nn::Module {
 public:
  Block(int64_t in, int64_t out, int64_t stride, Activation activation)
      : depthwise_(register_module("0", conv2d(in, in, 3, stride, in))),
        depthwise_bn_(register_module("1", batch_norm(in))),
        pointwise_(register_module("3", conv2d(in, out, 1))),
        pointwise_bn_(register_module("4", batch_norm(out))),
        activation_(activation) {}
  at::Tensor forward(at::Tensor x) {
    x = activate_(depthwise_bn_->forward(depthwise(depthwise_, x)), activation_);
    return activate_(pointwise_bn_->forward(pointwise_->forward(x)), activation_);
  }

 private:
  torch::nn::Conv2d depthwise_;
  torch::nn::BatchNorm2d depthwise_bn_;
  torch::nn::Conv2d pointwise_;
  torch::nn::BatchNorm2d pointwise_bn_;
  Activation activation_;
};

MobileNetV1::MobileNetV1(const Options& options)
    : ConvEncoder(options), activation_(options.activation), width_(options.width) {
  struct Layer {
    int64_t channels, stride;
  };
  static constexpr Layer kLayers[] = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2}, {512, 1},
                                      {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};
  const auto model = register_module("model", std::make_shared<torch::nn::Module>());
  const auto first = model->register_module("0", std::make_shared<torch::nn::Module>());
  channels_ = scaled_channels(32, options.width);
  conv_ = first->register_module("0", conv2d(3, channels_, 3, 2));
  bn_ = first->register_module("1", batch_norm(channels_));
  for (const auto& [channels, stride] : kLayers) {
    const int64_t out = scaled_channels(static_cast<double>(channels), options.width);
    blocks_.push_back(model->register_module(std::to_string(blocks_.size() + 1),
                                             std::make_shared<Block>(channels_, out, stride, activation_)));
    channels_ = out;
  }
  built(channels_);
}

PythonPiece MobileNetV1::python() const {
  const std::string definition = R"py(class MobileNetV1(nn.Module):
    def __init__(self, width, activation, pool):
        super().__init__()
        act = {"relu6": nn.ReLU6, "relu": nn.ReLU}[activation]
        channels = scaled_channels(32, width)
        layers = [nn.Sequential(conv(3, channels, 3, 2), nn.BatchNorm2d(channels), act())]
        for wanted, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + 5 * [(512, 1)] + [
            (1024, 2),
            (1024, 1),
        ]:
            out = scaled_channels(wanted, width)
            layers.append(
                nn.Sequential(
                    conv(channels, channels, 3, stride, channels), nn.BatchNorm2d(channels), act(),
                    conv(channels, out, 1), nn.BatchNorm2d(out), act(),
                )
            )
            channels = out
        self.model = nn.Sequential(*layers)
        self.pool = pool

    def forward(self, image):
        return self.pool(self.model(image))
)py";
  return python_with({kPythonScaledChannels, definition}, "MobileNetV1",
                     concat("width=", width_, ", activation=\"", enum_text(activation_), "\""));
}

at::Tensor MobileNetV1::feature_map(const at::Tensor& image) {
  check_image(image, "mobilenet_v1");
  at::Tensor x = activate_(bn_->forward(conv_->forward(image)), activation_);
  for (const auto& block : blocks_) x = block->forward(x);
  return x;
}

}  // namespace diptych

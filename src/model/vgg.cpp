#include "model/vgg.h"

#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr int64_t kGroupChannels[] = {64, 128, 256, 512, 512};
constexpr int64_t kPlaces = 7;  // on a side: what fc6 reads
constexpr int64_t kUnits = 4096;

torch::nn::Conv2d conv3x3(int64_t in, int64_t out) {
  torch::nn::Conv2d conv(torch::nn::Conv2dOptions(in, out, 3).padding(1));
  torch::nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
  torch::nn::init::zeros_(conv->bias);
  return conv;
}

torch::nn::Linear fully_connected(int64_t in, int64_t out) {
  torch::nn::Linear layer(in, out);
  torch::nn::init::normal_(layer->weight, 0, 0.01);
  torch::nn::init::zeros_(layer->bias);
  return layer;
}

}  // namespace

Vgg::Vgg(const Options& options, const std::vector<int64_t>& convolutions)
    : ConvEncoder(options),
      depths_(convolutions),
      width_(options.width),
      dropout_(options.dropout),
      batch_norm_(options.batch_norm) {
  const auto layers = register_module("features", std::make_shared<torch::nn::Module>());
  int64_t number = 0, in = 3;
  for (size_t group = 0; group < depths_.size(); ++group) {
    const int64_t out = scaled_channels(static_cast<double>(kGroupChannels[group]), width_);
    for (int64_t i = 0; i < depths_[group]; ++i) {
      Convolution each{layers->register_module(std::to_string(number++), conv3x3(in, out)), nullptr,
                       i == 0 && group > 0};
      if (batch_norm_) each.bn = layers->register_module(std::to_string(number++), diptych::batch_norm(out));
      ++number;  // ReLU
      convolutions_.push_back(std::move(each));
      in = out;
    }
    ++number;  // maximum
  }
  built(in);
  if (!options.fc7) return;
  const int64_t units = scaled_channels(kUnits, width_);
  const auto classifier = register_module("classifier", std::make_shared<torch::nn::Module>());
  fc6_ = classifier->register_module("0", fully_connected(in * kPlaces * kPlaces, units));
  fc7_ = classifier->register_module("3", fully_connected(units, units));
}

int64_t Vgg::features() const { return fc7_ ? fc7_->options.out_features() : ConvEncoder::features(); }

at::Tensor Vgg::feature_map(const at::Tensor& image) {
  check_image(image, "vgg");
  at::Tensor x = image;
  for (auto& [conv, bn, halve_before] : convolutions_) {
    if (halve_before) x = at::max_pool2d(x, 2, 2);
    x = conv->forward(x);
    x = (bn ? bn->forward(x) : x).relu_();
  }
  return x;
}

at::Tensor Vgg::pool(const at::Tensor& map) {
  if (!fc7_) return ConvEncoder::pool(map);
  if (map.size(2) < 2 || map.size(3) < 2)
    throw ShapeError(concat("vgg: a feature map of ", map.size(2), " x ", map.size(3),
                            " is too small for the last maximum: images of at least 32 x 32 pixels are needed"));
  // torchvision's rule for pictures of other sizes: means over 7 x 7 parts. flatten() reads channel by channel.
  at::Tensor x = at::adaptive_avg_pool2d(at::max_pool2d(map, 2, 2), {kPlaces, kPlaces}).contiguous().flatten(1);
  x = at::dropout(fc6_->forward(x).relu_(), dropout_, is_training());
  x = fc7_->forward(x).relu_();
  return x.to(at::promote_types(x.scalar_type(), at::kFloat));
}

at::Tensor Vgg::place_weights(int64_t height, int64_t width) const {
  return fc7_ ? at::Tensor() : ConvEncoder::place_weights(height, width);
}

PythonPiece Vgg::python() const {
  const std::string definition = R"py(class VGG(nn.Module):
    def __init__(self, depths, width, batch_norm, fc7, pool):
        super().__init__()
        layers, channels = [], 3
        for group, depth in zip([64, 128, 256, 512, 512], depths):
            for _ in range(depth):
                out = scaled_channels(group, width)
                layers.append(nn.Conv2d(channels, out, 3, padding=1))
                layers += [nn.BatchNorm2d(out)] if batch_norm else []
                layers.append(nn.ReLU())
                channels = out
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers[:-1])
        self.classifier, self.pool = None, pool
        if fc7:
            units = scaled_channels(4096, width)
            self.classifier = nn.Sequential(
                nn.Linear(49 * channels, units), nn.ReLU(), nn.Identity(), nn.Linear(units, units), nn.ReLU()
            )

    def forward(self, image):
        x = self.features(image)
        if self.classifier is None:
            return self.pool(x)
        return self.classifier(F.adaptive_avg_pool2d(F.max_pool2d(x, 2), 7).flatten(1))
)py";
  std::vector<std::string> depths;
  for (const int64_t depth : depths_) depths.push_back(std::to_string(depth));
  return python_with({kPythonScaledChannels, definition}, "VGG",
                     concat("depths=(", join(depths, ", "), "), width=", width_,
                            ", batch_norm=", batch_norm_ ? "True" : "False", ", fc7=", fc7_ ? "True" : "False"));
}

}  // namespace diptych

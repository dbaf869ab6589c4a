#include "model/conv_encoder.h"

#include <torch/torch.h>

#include "diptych/core/text.h"

namespace diptych {

ImagePool::ImagePool(ImagePooling pooling, int64_t grid) : pooling_(pooling), grid_(grid) {
  if (pooling == ImagePooling::gem) p_ = register_parameter("p", torch::tensor(3.0f));
}

at::Tensor ImagePool::forward(const at::Tensor& map) const {
  const at::Tensor x = map.to(at::promote_types(map.scalar_type(), at::kFloat));  // [B, C, h, w]
  switch (pooling_) {
    case ImagePooling::avg:
      return x.mean({2, 3});
    case ImagePooling::max:
      return x.amax({2, 3});
    case ImagePooling::avg_max:
      return at::cat({x.mean({2, 3}), x.amax({2, 3})}, 1);
    case ImagePooling::grid:
      if (x.size(2) < grid_ || x.size(3) < grid_)
        throw ShapeError(concat("pool: grid of ", grid_, " x ", grid_, " over a feature map of ", x.size(2), " x ",
                                x.size(3), ": larger images or a smaller model.image.grid are needed"));
      return at::adaptive_avg_pool2d(x, {grid_, grid_}).flatten(1);
    case ImagePooling::gem:
      break;
  }
  return x.clamp_min(1e-6).pow(p_).mean({2, 3}).pow(1 / p_);
}

int64_t ImagePool::features(int64_t channels) const {
  if (pooling_ == ImagePooling::grid) return channels * grid_ * grid_;
  return pooling_ == ImagePooling::avg_max ? 2 * channels : channels;
}

at::Tensor ImagePool::place_weights(int64_t height, int64_t width) const {
  if (pooling_ != ImagePooling::avg && pooling_ != ImagePooling::grid) return {};
  const int64_t places = height * width;
  return forward(at::eye(places).view({places, 1, height, width})).t().contiguous();  // what each place alone becomes
}

ConvEncoder::ConvEncoder(const ConvOptions& options)
    : weights_(options.weights),
      pooling_(options.pool),
      dropout_(options.dropout),
      pool_(register_module("pool", std::make_shared<ImagePool>(options.pool, options.grid))) {}

PythonPiece ConvEncoder::python_with(const std::vector<std::string>& definitions, const std::string& name,
                                     const std::string& arguments) const {
  PythonPiece piece{{R"py(class ImagePool(nn.Module):
    """Feature map [B, C, h, w] -> [B, C]; avg_max gives both side by side, [B, 2C]."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        if kind == "gem":
            self.p = nn.Parameter(torch.tensor(3.0))

    def forward(self, x):
        if self.kind == "avg":
            return x.mean((2, 3))
        if self.kind == "max":
            return x.amax((2, 3))
        if self.kind == "avg_max":
            return torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        return x.clamp_min(1e-6).pow(self.p).mean((2, 3)).pow(1 / self.p)
)py",
                     R"py(def conv(channels_in, channels_out, kernel, stride=1, groups=1):
    return nn.Conv2d(channels_in, channels_out, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
)py"},
                    concat(name, "(", arguments, ", pool=\"", enum_text(pooling_), "\")")};
  piece.definitions.insert(piece.definitions.end(), definitions.begin(), definitions.end());
  return piece;
}

Encoded ConvEncoder::forward(const at::Tensor& image) {
  const at::Tensor map = feature_map(image);
  Encoded out;
  out.global = at::dropout(pool_->forward(map), dropout_, is_training());
  if (local_) {
    out.local = map.flatten(2).transpose(1, 2);  // [B, h*w, C]
    out.mask = at::ones({out.local.size(0), out.local.size(1)}, map.options().dtype(at::kBool));
  }
  return out;
}

}  // namespace diptych

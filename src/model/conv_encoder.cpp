#include "model/conv_encoder.h"

#include <torch/torch.h>

#include "diptych/core/text.h"

namespace diptych {

namespace {

Pooling pooling_of(ImagePooling pooling) {
  switch (pooling) {
    case ImagePooling::max:
      return Pooling::max;
    case ImagePooling::avg_max:
      return Pooling::mean_max;
    case ImagePooling::gem:
      return Pooling::gem;
    case ImagePooling::attention:
      return Pooling::attention;
    case ImagePooling::weldon:
      return Pooling::weldon;
    case ImagePooling::lse:
      return Pooling::lse;
    case ImagePooling::gpo:
      return Pooling::gpo;
    case ImagePooling::avg:
    case ImagePooling::grid:
      break;
  }
  return Pooling::mean;
}

}  // namespace

ImagePool::ImagePool(ImagePooling pooling, int64_t grid, const PoolingOptions& options)
    : Pool(pooling_of(pooling), options), image_pooling_(pooling), grid_(pooling == ImagePooling::grid ? grid : 1) {}

at::Tensor ImagePool::forward(const at::Tensor& map) const {
  if (image_pooling_ != ImagePooling::grid) return Pool::forward(map.flatten(2).transpose(1, 2));
  if (map.size(2) < grid_ || map.size(3) < grid_)
    throw ShapeError(concat("pool: grid of ", grid_, " x ", grid_, " over a feature map of ", map.size(2), " x ",
                            map.size(3), ": larger images or a smaller model.image.grid are needed"));
  const at::Tensor x = map.to(at::promote_types(map.scalar_type(), at::kFloat));
  return at::adaptive_avg_pool2d(x, {grid_, grid_}).flatten(1);
}

at::Tensor ImagePool::place_weights(int64_t height, int64_t width) const {
  if (pooling() != Pooling::mean) return {};
  const int64_t places = height * width;
  return forward(at::eye(places).view({places, 1, height, width})).t().contiguous();  // what each place alone becomes
}

PythonPiece ImagePool::python() const {
  PythonPiece piece = Pool::python();
  piece.definitions.push_back(R"py(class ImagePool(Pool):
    """Feature map [B, C, h, w] -> [B, F]; with a grid, the means of grid x grid parts, channel by channel."""

    def __init__(self, *arguments, grid=1, **options):
        super().__init__(*arguments, **options)
        self.grid = grid

    def forward(self, x):
        if self.grid > 1:
            return F.adaptive_avg_pool2d(x, self.grid).flatten(1)
        return super().forward(x.flatten(2).transpose(1, 2))
)py");
  piece.expression = concat("ImagePool(", python_arguments(), ", grid=", grid_, ")");
  return piece;
}

void check_modulation(const char* encoder, size_t modulations, size_t blocks) {
  if (modulations != blocks)
    throw ShapeError(concat(encoder, ": ", modulations, " modulations for ", blocks, " blocks"));
}

ConvEncoder::ConvEncoder(const ConvOptions& options)
    : weights_(options.weights),
      dropout_(options.dropout),
      pool_(register_module("pool", std::make_shared<ImagePool>(options.pool, options.grid, options.pooling))) {}

void ConvEncoder::built(int64_t channels) {
  channels_ = channels;
  pool_->expect(channels);
}

PythonPiece ConvEncoder::python_with(const std::vector<std::string>& definitions, const std::string& name,
                                     const std::string& arguments) const {
  PythonPiece piece = pool_->python();
  piece.definitions.push_back(R"py(def conv(channels_in, channels_out, kernel, stride=1, groups=1):
    return nn.Conv2d(channels_in, channels_out, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
)py");
  piece.definitions.insert(piece.definitions.end(), definitions.begin(), definitions.end());
  piece.expression = concat(name, "(", arguments, ", pool=", piece.expression, ")");
  return piece;
}

Encoded ConvEncoder::forward(const at::Tensor& image) {
  const at::Tensor map = feature_map(image);
  Encoded out;
  out.global = at::dropout(pool(map), dropout_, is_training());
  if (local_) {
    out.local = map.flatten(2).transpose(1, 2);  // [B, h*w, C]
    out.mask = at::ones({out.local.size(0), out.local.size(1)}, map.options().dtype(at::kBool));
    out.lines = map.size(2);
  }
  return out;
}

}  // namespace diptych

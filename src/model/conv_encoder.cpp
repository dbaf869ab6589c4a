#include "model/conv_encoder.h"

#include <torch/torch.h>

namespace diptych {

ImagePool::ImagePool(ImagePooling pooling) : pooling_(pooling) {
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
    case ImagePooling::gem:
      break;
  }
  return x.clamp_min(1e-6).pow(p_).mean({2, 3}).pow(1 / p_);
}

ConvEncoder::ConvEncoder(const ConvOptions& options)
    : weights_(options.weights),
      dropout_(options.dropout),
      pool_(register_module("pool", std::make_shared<ImagePool>(options.pool))) {}

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

#pragma once
#include <torch/nn/module.h>

#include <any>

#include "diptych/core/registry.h"
#include "diptych/model/composer.h"
#include "diptych/model/encoded.h"

namespace diptych {

struct FeatureFileOptions;

/// Images -> features. Registry "image_encoder": mobilenet_v1, mobilenet_v2, resnet18 ... resnet152, vgg16, vgg19;
/// and features, whose "images" are rows of a feature file.
/// Module and parameter names equal torchvision's, so weights travel both ways; there is no classifier.
class ImageEncoder : public torch::nn::Module {
 public:
  /// image [B, 3, H, W] float32, channels-last. Encoded.global [B, features()], at least float32 also under autocast.
  /// With want_local(true): Encoded.local [B, h*w, C] = the feature map's places in row order, Encoded.mask all true,
  /// Encoded.lines = h.
  virtual Encoded forward(const at::Tensor& image) = 0;
  /// The last feature map [B, C, h, w], channels-last: what pooling reads. throws ShapeError unless image is [B, 3, H,
  /// W].
  virtual at::Tensor feature_map(const at::Tensor& image) = 0;
  /// From the feature map to features: forward(image).global = pool(feature_map(image)), dropout aside. The mean over
  /// places unless an encoder says otherwise. Explanations look at the map between the two.
  virtual at::Tensor pool(const at::Tensor& map) { return map.mean({2, 3}); }
  /// The same from the lines of the map, [B, h, w*C], C = local_features(), each with the channels of its first place,
  /// then of its second, ...: what a cache of places leads back to.
  virtual at::Tensor pool_lines(const at::Tensor& lines) {
    return pool(lines.unflatten(2, {-1, local_features()}).permute({0, 3, 1, 2}));
  }
  /// [G, h*w] if pooling is linear and treats channels alike: pool(map)[b, c * G + i] = sum_p weights[i, p] map[b, c,
  /// p]. Otherwise undefined.
  virtual at::Tensor place_weights(int64_t, int64_t) const { return {}; }
  /// Where the first place of a map looks, in pixels from the picture's edge: the middle of what it sees. The next
  /// place looks `stride` pixels further on. Explanations draw maps accordingly.
  virtual double first_centre(double stride) const { return stride / 2; }
  /// Channels behind each block that modulated_map reaches; empty: this encoder cannot be modulated.
  virtual std::vector<int64_t> block_channels() const { return {}; }
  /// The feature map with x -> scale x + shift behind each block's last normalisation, before its sum and ReLU (FiLM,
  /// Perez et al. 2018); `modulation` is one entry a block. throws UsageError where block_channels() is empty.
  virtual at::Tensor modulated_map(const at::Tensor&, const std::vector<BlockModulation>&) {
    throw UsageError("", "this image encoder cannot be modulated by a text", "model.image: a resnet or mobilenet_v2");
  }
  virtual int64_t features() const = 0;
  /// C of Encoded.local.
  virtual int64_t local_features() const { return features(); }
  /// Path of pretrained weights given in the options ("" = none). Loaded by the caller (weights.h).
  virtual const std::string& weights() const = 0;

  void want_local(bool on) { local_ = on; }

 protected:
  bool local_ = false;
};
using ImageEncoderRegistry = Registry<ImageEncoder>;
void register_image_encoders(ImageEncoderRegistry& encoders);
/// Of an encoder's options: where the features lie that stand for pictures; null if it takes pictures.
const FeatureFileOptions* feature_file_of(const std::any& options);

}  // namespace diptych

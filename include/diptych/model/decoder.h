#pragma once
#include <torch/nn/modules/container/sequential.h>

namespace diptych {

/// A picture from an embedding: what a retrieval model still knows of an image (Vo et al., CVPR 2019, show composed
/// features so; the paper does not give its decoder, this one is ours).
///
/// The embedding is brought to unit length, then Linear - BatchNorm - ReLU gives a map of 4 x 4; every stage doubles it
/// (nearest neighbour), convolves 3 x 3 and halves the channels (16 at least) with BatchNorm and ReLU; the last
/// convolution gives three colours through a sigmoid.
class PictureDecoder final : public torch::nn::Module {
 public:
  /// dimension  of the embeddings
  /// size       height and width of the pictures: 4 times a power of two, 8 to 256
  /// channels   of the 4 x 4 map
  /// throws     UsageError for another size, a dimension or channels below 1
  PictureDecoder(int64_t dimension, int64_t size, int64_t channels = 128);
  /// embeddings [B, D], of any length -> RGB [B, 3, size, size] in (0, 1). throws ShapeError.
  at::Tensor forward(const at::Tensor& embeddings);
  int64_t size() const { return size_; }

 private:
  int64_t dimension_, size_, channels_;
  torch::nn::Sequential start_{nullptr}, stages_{nullptr};
};

}  // namespace diptych

#pragma once
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

namespace diptych {

enum class Activation { relu6, relu };
constexpr auto enum_names(Activation) {
  return std::array{std::pair{Activation::relu6, "relu6"}, std::pair{Activation::relu, "relu"}};
}

/// A convolution without bias, padded by (kernel - 1) / 2, initialised as torchvision does: Kaiming normal by fan-out.
torch::nn::Conv2d conv2d(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t groups = 1);
/// BatchNorm with eps 1e-5: the pretrained files need this value.
torch::nn::BatchNorm2d batch_norm(int64_t channels);

/// Applies the activation in place. ReLU6 is hardtanh_, not clamp: clamp's backward costs a quarter of a MobileNet
/// step.
at::Tensor activate_(at::Tensor x, Activation activation);
/// A convolution whose groups are its channels. Under bf16 autocast on the CPU it runs in fp32 and gives bf16 back,
/// because the bf16 depthwise backward is four times slower there.
at::Tensor depthwise(torch::nn::Conv2d& conv, const at::Tensor& x);

/// The nearest multiple of 8 to channels * width that is not below 0.9 of it, at least 8 (torchvision's rule).
int64_t scaled_channels(double channels, double width);
/// The same in Python: scaled_channels(channels, width).
extern const char* const kPythonScaledChannels;

/// throws ShapeError unless image is [B, 3, H, W] of a floating type.
void check_image(const at::Tensor& image, const char* encoder);

}  // namespace diptych

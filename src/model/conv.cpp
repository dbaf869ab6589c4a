#include "model/conv.h"

#include <ATen/autocast_mode.h>
#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"

namespace diptych {

torch::nn::Conv2d conv2d(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t groups) {
  torch::nn::Conv2d conv(
      torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding((kernel - 1) / 2).groups(groups).bias(false));
  torch::nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
  return conv;
}

torch::nn::BatchNorm2d batch_norm(int64_t channels) {
  return torch::nn::BatchNorm2d(torch::nn::BatchNorm2dOptions(channels).eps(1e-5).momentum(0.1));
}

at::Tensor activate_(at::Tensor x, Activation activation) {
  return activation == Activation::relu ? x.relu_() : at::hardtanh_(x, 0, 6);
}

at::Tensor depthwise(torch::nn::Conv2d& conv, const at::Tensor& x) {
  if (!x.is_cpu() || !at::autocast::is_autocast_enabled(at::kCPU)) return conv->forward(x);
  const auto type = at::autocast::get_autocast_dtype(at::kCPU);
  const Fp32Scope fp32(at::kCPU);
  return conv->forward(x.to(at::kFloat)).to(type);
}

int64_t scaled_channels(double channels, double width) {
  const double wanted = channels * width;
  const int64_t rounded = std::max<int64_t>(8, static_cast<int64_t>(wanted + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * wanted ? rounded + 8 : rounded;
}

const char* const kPythonScaledChannels = R"py(def scaled_channels(channels, width):
    """The nearest multiple of 8 that is not below 0.9 of channels * width."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded
)py";

void check_image(const at::Tensor& image, const char* encoder) {
  if (image.dim() != 4 || image.size(1) != 3 || !image.is_floating_point())
    throw ShapeError(concat(encoder, ": image ", image.sizes(), " of type ", image.scalar_type(),
                            ", needed is [B, 3, H, W] of a floating type"));
}

}  // namespace diptych

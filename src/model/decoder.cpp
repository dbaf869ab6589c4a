#include "diptych/model/decoder.h"

#include <torch/torch.h>

#include <algorithm>
#include <bit>

#include "diptych/core/error.h"
#include "diptych/core/tensor/rows.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr int64_t kFirstSide = 4, kFewestChannels = 16;

torch::nn::Conv2d decoder_conv(int64_t from, int64_t to, bool bias) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(from, to, 3).padding(1).bias(bias));
}

void require_decoder_sizes(int64_t dimension, int64_t size, int64_t channels) {
  if (size < 8 || size > 256 || !std::has_single_bit(static_cast<uint64_t>(size)))
    throw UsageError("", concat("a decoded picture of ", size, " pixels: expected 8, 16, 32, 64, 128 or 256"));
  if (dimension < 1 || channels < 1)
    throw UsageError("",
                     concat("a decoder of ", dimension, " numbers and ", channels, " channels: expected 1 or more"));
}

}  // namespace

PictureDecoder::PictureDecoder(int64_t dimension, int64_t size, int64_t channels)
    : dimension_(dimension), size_(size), channels_(channels) {
  require_decoder_sizes(dimension, size, channels);
  const int64_t units = channels * kFirstSide * kFirstSide;
  start_ = register_module("start", torch::nn::Sequential(torch::nn::Linear(dimension, units),
                                                          torch::nn::BatchNorm1d(units), torch::nn::ReLU()));
  torch::nn::Sequential stages;
  int64_t width = channels;
  for (int64_t side = kFirstSide; side < size; side *= 2) {
    const int64_t next = std::max(kFewestChannels, width / 2);
    stages->push_back(torch::nn::Upsample(
        torch::nn::UpsampleOptions().scale_factor(std::vector<double>{2, 2}).mode(torch::kNearest)));
    stages->push_back(decoder_conv(width, next, /*bias=*/false));
    stages->push_back(torch::nn::BatchNorm2d(next));
    stages->push_back(torch::nn::ReLU());
    width = next;
  }
  stages->push_back(decoder_conv(width, 3, /*bias=*/true));
  stages->push_back(torch::nn::Sigmoid());
  stages_ = register_module("stages", stages);
}

at::Tensor PictureDecoder::forward(const at::Tensor& embeddings) {
  if (embeddings.dim() != 2 || embeddings.size(1) != dimension_)
    throw ShapeError(concat("decoder: expected embeddings [B, ", dimension_, "], got ", embeddings.sizes()));
  return stages_->forward(start_->forward(unit_rows(embeddings)).view({-1, channels_, kFirstSide, kFirstSide}));
}

}  // namespace diptych

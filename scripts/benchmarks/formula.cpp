#include "formula.h"

#include <torch/torch.h>

#include <cmath>

namespace diptych::benchmark {
namespace {

// 31-bit hashes of (index, name). Every product stays below 2^63.
at::Tensor hashes(const std::string& name, at::IntArrayRef sizes) {
  int64_t key = 0;
  for (const unsigned char letter : name) key = (key * 131 + letter) % 1000003;
  constexpr int64_t kMask = 0x7fffffff;
  at::Tensor h = (at::arange(c10::multiply_integers(sizes), at::kLong) * 0x9E3779B1 + key * 7919) & kMask;
  for (const int64_t factor : {0x2C1B3C6D, 0x297A2D39}) h = ((h ^ h.bitwise_right_shift(15)) * factor) & kMask;
  return (h ^ h.bitwise_right_shift(15)).reshape(sizes);
}

at::Tensor unit(const at::Tensor& rows) { return (rows / rows.norm(2, 1, true)).to(at::kFloat); }

}  // namespace

at::Tensor noise(const std::string& name, at::IntArrayRef sizes) {
  return hashes(name, sizes).to(at::kDouble) / 1073741824.0 - 1;
}

at::Tensor integers(const std::string& name, at::IntArrayRef sizes, int64_t below) {
  return hashes(name, sizes).remainder(below);
}

void fill_parameter(const std::string& name, at::Tensor& parameter) {
  const at::NoGradGuard no_grad;
  at::Tensor values = noise(name, parameter.sizes());
  if (parameter.dim() > 1)
    values = values * std::sqrt(3.0 * static_cast<double>(parameter.size(0)) / static_cast<double>(parameter.numel()));
  else if (name.ends_with("weight"))
    values = 1 + 0.1 * values;
  else
    values = 0.1 * values;
  parameter.copy_(values);
}

void fill(std::vector<std::pair<std::string, at::Tensor>>& parameters) {
  for (auto& [name, value] : parameters) fill_parameter(name, value);
}

Gallery gallery() {
  const at::Tensor images = noise("gallery.images", {Gallery::kImages, Gallery::kDimension});
  const int64_t captions = Gallery::kImages * Gallery::kPerImage;
  const at::Tensor owner = images.repeat_interleave(Gallery::kPerImage, 0);
  return {unit(images), unit(owner + 4.5 * noise("gallery.captions", {captions, Gallery::kDimension}))};
}

at::Tensor caption_lengths(int64_t count) {
  const at::Tensor u = (noise("lengths", {count}) + 1) / 2;
  return 8 + (u * u * 52).floor().to(at::kLong);
}

at::Tensor caption_tokens(const at::Tensor& lengths, int64_t vocabulary) {
  const at::Tensor words = 2 + integers("words", {lengths.size(0), 60}, vocabulary - 2);
  const int64_t longest = lengths.max().item<int64_t>();
  return words.narrow(1, 0, longest).masked_fill(at::arange(longest) >= lengths.unsqueeze(1), 0).contiguous();
}

}  // namespace diptych::benchmark

#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

// Inputs and parameters that C++ and Python make alike (peer/formula.py), so that losses can be compared. The values
// are integers hashed in int64 and scaled in float64: equal to the bit.
namespace diptych::benchmark {

/// [sizes] float64, uniform in [-1, 1), a pure function of (index, name).
at::Tensor noise(const std::string& name, at::IntArrayRef sizes);
/// [sizes] int64 in [0, below).
at::Tensor integers(const std::string& name, at::IntArrayRef sizes, int64_t below);
/// A parameter by its name and shape: matrices and filters uniform with variance 1/fan_in, other weights about 1,
/// biases about 0. In place.
void fill_parameter(const std::string& name, at::Tensor& parameter);
void fill(std::vector<std::pair<std::string, at::Tensor>>& parameters);

/// 5000 images, 25000 captions (5 each, in order), [., 512] float32 unit rows; a caption is near its image.
struct Gallery {
  at::Tensor images, captions;
  static constexpr int64_t kImages = 5000, kPerImage = 5, kDimension = 512;
};
Gallery gallery();

/// Lengths between 8 and 60, mean 25. [count] int64.
at::Tensor caption_lengths(int64_t count);
/// Words 2 .. vocabulary-1, padding 0; [count, longest].
at::Tensor caption_tokens(const at::Tensor& lengths, int64_t vocabulary);

}  // namespace diptych::benchmark

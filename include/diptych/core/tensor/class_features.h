#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <vector>

namespace diptych {

/// Any width: the file's own (1024 in the release of Reed et al., CVPR 2016).
constexpr int64_t kAnyWidth = -1;

/// The image features of one class in that release, `images/CLASS.t7`: V views (crops) of each of N images.
///
/// width    features of a view, the middle dimension of the file; kAnyWidth takes what is there
/// returns  [N, width, V] float32, finite. Row n is taken for the n-th image of the class in order of name, which the
///          release does not state; the code of the paper tests with view 0
/// throws   DataError: no .t7 file (torch7.h), not three dimensions of those sizes, no float or double numbers, a value
///          that is not finite
at::Tensor read_class_features(const std::filesystem::path& file, int64_t width = kAnyWidth);
/// [N, width, V] of the same file without reading its numbers. throws as above, except for a value that is not finite.
std::vector<int64_t> class_features_sizes(const std::filesystem::path& file, int64_t width = kAnyWidth);

}  // namespace diptych

#include "diptych/core/tensor/class_features.h"

#include <ATen/ops/isfinite.h>
#include <c10/core/ScalarType.h>

#include "diptych/core/tensor/torch7.h"
#include "diptych/core/text.h"

namespace diptych {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& file, const std::string& message) {
  throw DataError(escape_for_log(file.string(), 200), message,
                  "get images/CLASS.t7 of the release anew: [images, features, views] of Float or Double");
}

void require_features(const fs::path& file, const at::Tensor& stored, int64_t width) {
  if (!stored.is_floating_point())
    fail(file, concat("holds numbers of type ", c10::toString(stored.scalar_type()),
                      ", needed are Float or Double features"));
  if (stored.dim() != 3 || stored.numel() == 0 || (width != kAnyWidth && stored.size(1) != width))
    fail(file, concat("is a tensor ", stored.sizes(), ", needed are features [N, ",
                      width == kAnyWidth ? "F" : std::to_string(width), ", V]"));
}

}  // namespace

at::Tensor read_class_features(const fs::path& file, int64_t width) {
  const at::Tensor stored = read_torch7_tensor(file);
  require_features(file, stored, width);
  const at::Tensor features = stored.to(at::kFloat);
  if (!at::isfinite(features).all().item<bool>()) fail(file, "holds a feature that is not finite");
  return features;
}

std::vector<int64_t> class_features_sizes(const fs::path& file, int64_t width) {
  const at::Tensor stored = read_torch7_tensor_header(file);
  require_features(file, stored, width);
  return stored.sizes().vec();
}

}  // namespace diptych

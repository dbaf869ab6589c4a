#include "core/tensor/view_fault.h"

#include <algorithm>

#include "diptych/core/text.h"

namespace diptych {
namespace viewing {

constexpr size_t kMaxDimensions = 64;

/// sum += a * b, unless it overflows.
bool add_product(int64_t a, int64_t b, int64_t& sum) {
  int64_t product = 0;
  return !__builtin_mul_overflow(a, b, &product) && !__builtin_add_overflow(sum, product, &sum);
}

}  // namespace viewing

std::string view_fault(int64_t count, int64_t offset, c10::IntArrayRef sizes, c10::IntArrayRef strides) {
  if (sizes.size() != strides.size() || sizes.size() > viewing::kMaxDimensions)
    return concat(sizes.size(), " sizes and ", strides.size(), " strides");
  if (count < 0 || offset < 0) return concat("storage of ", count, " elements, offset ", offset);
  int64_t last = offset, numel = 1, extent = 1;  // extent: numel with empty dimensions taken for one
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] < 0 || strides[i] < 0) return concat("size ", sizes[i], ", stride ", strides[i]);
    if (__builtin_mul_overflow(extent, std::max<int64_t>(sizes[i], 1), &extent)) return "its size overflows";
    numel *= sizes[i];
    if (sizes[i] > 0 && !viewing::add_product(sizes[i] - 1, strides[i], last)) return "its strides overflow";
  }
  if (numel == 0) return "";
  if (last >= count) return concat("it reaches to element ", last, " of a storage of ", count);
  if (numel > count) return concat("it has ", numel, " elements, its storage ", count, " (an expanded view)");
  return "";
}

}  // namespace diptych

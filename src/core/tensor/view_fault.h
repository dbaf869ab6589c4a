#pragma once
#include <c10/util/ArrayRef.h>

#include <string>

namespace diptych {

/// Why sizes and strides do not describe a view that lies inside a storage of `count` elements from element `offset`
/// on; empty if they do. Views with more elements than the storage (expanded ones) are refused: who copies them would
/// allocate on trust.
std::string view_fault(int64_t count, int64_t offset, c10::IntArrayRef sizes, c10::IntArrayRef strides);

}  // namespace diptych

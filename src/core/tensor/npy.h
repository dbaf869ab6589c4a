#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace diptych {

/// The header of an .npy file (NEP 1, versions 1.0 and 2.0, C order).
struct NpyHeader {
  std::string descr;  // "<f4", "|S12", ...
  std::vector<int64_t> shape;
  int64_t count = 1;       // product of the shape
  uint64_t bytes = 0;      // of the data: count x item
  uint64_t data_at = 0;    // where the data begins
  size_t item_bytes = 0;   // of one element
  std::string shape_text;  // as written, for messages
};

/// Bytes of one element; 0 for a dtype that is not read (other byte orders, objects, records).
size_t npy_item_bytes(std::string_view descr);
/// The version-1 or version-2 header at the beginning of `start`, which holds the file or at least its first
/// kMaxNpyHeader bytes. `complain` throws; its argument goes on from the name of the array: "is no .npy".
NpyHeader parse_npy_header(std::string_view start, const std::function<void(const std::string&)>& complain);
constexpr size_t kMaxNpyHeader = 12 + (1 << 16);

}  // namespace diptych

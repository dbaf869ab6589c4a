#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace diptych::testing {

/// What Lua Torch's torch.save makes of a contiguous FloatTensor (the layout: src/core/tensor/torch7.cpp).
inline std::string torch7_bytes(const std::vector<int64_t>& sizes, const std::vector<float>& numbers) {
  std::string out;
  const auto put = [&](auto value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); };
  const auto begin = [&](int32_t index, const std::string& name) {
    put(int32_t{4}), put(index);
    for (const std::string& text : {std::string("V 1"), name}) put(static_cast<int32_t>(text.size())), out += text;
  };
  begin(1, "torch.FloatTensor");
  put(static_cast<int32_t>(sizes.size()));
  for (const int64_t size : sizes) put(size);
  for (size_t i = 0; i < sizes.size(); ++i) {
    int64_t stride = 1;
    for (size_t j = i + 1; j < sizes.size(); ++j) stride *= sizes[j];
    put(stride);
  }
  put(int64_t{1});  // the offset counts from 1
  begin(2, "torch.FloatStorage");
  put(static_cast<int64_t>(numbers.size()));
  for (const float number : numbers) put(number);
  return out;
}

}  // namespace diptych::testing

#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace diptych {

/// CRC-32 of zip (ISO 3309, reflected polynomial EDB88320).
inline uint32_t crc32_of(std::string_view bytes) {
  static constexpr auto kTable = [] {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t remainder = i;
      for (int bit = 0; bit < 8; ++bit) remainder = remainder >> 1 ^ (remainder & 1 ? 0xEDB88320u : 0u);
      table[i] = remainder;
    }
    return table;
  }();
  uint32_t crc = ~0u;
  for (const char c : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<uint8_t>(c)) & 255];
  return ~crc;
}

}  // namespace diptych

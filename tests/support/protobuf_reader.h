#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace diptych::testing {

/// Fields of a protocol buffer message, in the order of its bytes; independent of the writer under test.
struct Field {
  uint64_t number, kind;
  uint64_t integer = 0;  // varint, or the bits of a fixed value
  std::string bytes;     // kind 2
  double number64() const { return std::bit_cast<double>(integer); }
  float number32() const { return std::bit_cast<float>(static_cast<uint32_t>(integer)); }
};

inline std::vector<Field> fields_of(std::string_view bytes) {
  size_t at = 0;
  const auto varint = [&] {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      if (at >= bytes.size()) throw std::runtime_error("cut varint");
      const auto byte = static_cast<uint8_t>(bytes[at++]);
      value |= uint64_t{byte & 127u} << shift;
      if (byte < 128) return value;
    }
  };
  std::vector<Field> out;
  while (at < bytes.size()) {
    const uint64_t key = varint();
    Field field{key >> 3, key & 7, 0, {}};
    const size_t fixed = field.kind == 1 ? 8 : 4;
    switch (field.kind) {
      case 0:
        field.integer = varint();
        break;
      case 1:
      case 5:
        if (bytes.size() - at < fixed) throw std::runtime_error("cut number");
        std::memcpy(&field.integer, bytes.data() + at, fixed), at += fixed;
        break;
      case 2: {
        const uint64_t size = varint();
        if (size > bytes.size() - at) throw std::runtime_error("cut bytes");
        field.bytes = bytes.substr(at, size), at += size;
        break;
      }
      default:
        throw std::runtime_error("unknown kind of field");
    }
    out.push_back(field);
  }
  return out;
}

/// The only field of a number.
inline Field field_of(std::string_view bytes, uint64_t number) {
  std::vector<Field> found;
  for (const Field& each : fields_of(bytes))
    if (each.number == number) found.push_back(each);
  if (found.size() != 1) throw std::runtime_error("field " + std::to_string(number) + " is not there exactly once");
  return found.front();
}

/// The events of an event file; checks lengths, not checksums.
inline std::vector<std::string> events_of(std::string_view file) {
  std::vector<std::string> out;
  for (size_t at = 0; at < file.size();) {
    uint64_t size = 0;
    if (file.size() - at < 16) throw std::runtime_error("cut record");
    std::memcpy(&size, file.data() + at, 8);
    if (size > file.size() - at - 16) throw std::runtime_error("cut event");
    out.emplace_back(file.substr(at + 12, size));
    at += 16 + size;
  }
  return out;
}

}  // namespace diptych::testing

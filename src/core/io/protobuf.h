#pragma once
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// The wire format of protocol buffers, as far as a writer of small messages needs it: a message is the concatenation of
// its fields, a field its key (number * 8 + kind) and its value.

namespace diptych::protobuf {

inline void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

template <class Unsigned>
void append_little_endian(std::string& out, Unsigned value) {
  for (size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> (8 * i) & 255);
}

class Message {
 public:
  Message& integer(uint32_t field, int64_t value) {
    key(field, 0);
    append_varint(bytes_, static_cast<uint64_t>(value));
    return *this;
  }
  Message& number(uint32_t field, double value) {
    key(field, 1);
    append_little_endian(bytes_, std::bit_cast<uint64_t>(value));
    return *this;
  }
  Message& single(uint32_t field, float value) {
    key(field, 5);
    append_little_endian(bytes_, std::bit_cast<uint32_t>(value));
    return *this;
  }
  Message& text(uint32_t field, std::string_view value) {
    key(field, 2);
    append_varint(bytes_, value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(uint32_t field, const Message& value) { return text(field, value.bytes_); }
  Message& numbers(uint32_t field, const std::vector<double>& values) {
    std::string packed;
    for (const double value : values) append_little_endian(packed, std::bit_cast<uint64_t>(value));
    return text(field, packed);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void key(uint32_t field, uint32_t kind) { append_varint(bytes_, uint64_t{field} << 3 | kind); }
  std::string bytes_;
};

}  // namespace diptych::protobuf

#include "diptych/core/tensor/npz.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "diptych/core/error.h"
#include "diptych/core/io/hash.h"
#include "diptych/core/text.h"

// Zip as in PKWARE's APPNOTE 6.3 (stored members, no zip64), npy as in NEP 1, version 1.0.

namespace diptych {

namespace {

template <class... Integers>
void append_little_endian(std::string& out, Integers... values) {
  const auto one = [&](auto value) {
    for (size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> (8 * i) & 255);
  };
  (one(values), ...);
}

std::string npy_header(const std::string& descr, const std::vector<int64_t>& shape) {
  std::string tuple;
  for (const int64_t size : shape) tuple += concat(size, ",");  // (3,) for one dimension, (3,4,) is legal too
  std::string text = concat("{'descr': '", descr, "', 'fortran_order': False, 'shape': (", tuple, "), }");
  text.append((64 - (10 + text.size() + 1) % 64) % 64, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  append_little_endian(header, static_cast<uint16_t>(text.size()));
  return header + text;
}

// What the local and the central header share: version 2.0, UTF-8 name, stored, 1 January 1980.
void append_member_fields(std::string& out, uint32_t crc, uint32_t size, size_t name_size) {
  append_little_endian(out, uint16_t{20}, uint16_t{0x0800}, uint16_t{0}, uint16_t{0}, uint16_t{0x21}, crc, size, size,
                       static_cast<uint16_t>(name_size), uint16_t{0});
}

}  // namespace

void NpzWriter::add(const std::string& name, const std::vector<int64_t>& values) {
  add_member(name, "<i8", {static_cast<int64_t>(values.size())}, values.data(), values.size() * sizeof(int64_t));
}
void NpzWriter::add(const std::string& name, const std::vector<int32_t>& values) {
  add_member(name, "<i4", {static_cast<int64_t>(values.size())}, values.data(), values.size() * sizeof(int32_t));
}
void NpzWriter::add(const std::string& name, const std::vector<float>& values, const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  if (count != static_cast<int64_t>(values.size()))
    throw ShapeError(concat("NpzWriter: ", name, " has ", values.size(), " values, its shape needs ", count));
  add_member(name, "<f4", shape, values.data(), values.size() * sizeof(float));
}
void NpzWriter::add(const std::string& name, const std::vector<std::string>& values) {
  size_t width = 1;  // numpy has no |S0
  for (const auto& value : values) width = std::max(width, value.size());
  std::string bytes(width * values.size(), '\0');
  for (size_t i = 0; i < values.size(); ++i) values[i].copy(&bytes[i * width], width);
  add_member(name, concat("|S", width), {static_cast<int64_t>(values.size())}, bytes.data(), bytes.size());
}

void NpzWriter::add_member(const std::string& name, const std::string& descr, const std::vector<int64_t>& shape,
                           const void* data, size_t bytes) {
  const auto taken = [&](const Member& member) { return member.name == name + ".npy"; };
  if (name.empty() || name.size() > 1000 || std::any_of(members_.begin(), members_.end(), taken))
    throw ShapeError("NpzWriter: '" + escape_for_log(name) + "' is empty, too long, or there already");
  constexpr size_t kMaxArchive = 0xF0000000;  // offsets have 32 bits
  if (members_.size() >= 0xFFFF || bytes > kMaxArchive || archive_.size() + bytes > kMaxArchive)
    throw ShapeError(concat("NpzWriter: ", name, " would make the archive larger than 4 GB"));
  std::string content = npy_header(descr, shape);
  if (bytes > 0) content.append(static_cast<const char*>(data), bytes);
  const Member member{name + ".npy", crc32_of(content), static_cast<uint32_t>(content.size()),
                      static_cast<uint32_t>(archive_.size())};
  append_little_endian(archive_, uint32_t{0x04034b50});
  append_member_fields(archive_, member.crc, member.size, member.name.size());
  archive_ += member.name;
  archive_ += content;
  members_.push_back(member);
}

std::string NpzWriter::finish() {
  const auto directory_at = static_cast<uint32_t>(archive_.size());
  for (const Member& member : members_) {
    append_little_endian(archive_, uint32_t{0x02014b50}, uint16_t{20});
    append_member_fields(archive_, member.crc, member.size, member.name.size());
    append_little_endian(archive_, uint16_t{0}, uint16_t{0}, uint16_t{0}, uint32_t{0}, member.offset);
    archive_ += member.name;
  }
  const auto count = static_cast<uint16_t>(members_.size());
  const auto directory_size = static_cast<uint32_t>(archive_.size() - directory_at);
  append_little_endian(archive_, uint32_t{0x06054b50}, uint16_t{0}, uint16_t{0}, count, count, directory_size,
                       directory_at, uint16_t{0});
  members_.clear();
  return std::exchange(archive_, "");
}

}  // namespace diptych

#include <algorithm>
#include <cstring>

#include "diptych/core/io/fs.h"
#include "diptych/core/io/hash.h"
#include "diptych/core/tensor/npz.h"
#include "diptych/core/text.h"

// What is read: zip with stored members (numpy.savez), npy versions 1.0 and 2.0 in C order. The directory at the end of
// the archive is believed for sizes (numpy leaves those of the local headers to zip64 fields), nothing for places.

namespace diptych {
namespace {

constexpr uint64_t kMaxNpzBytes = uint64_t{1} << 32;
constexpr uint32_t kEndRecord = 0x06054b50, kDirectoryEntry = 0x02014b50, kLocalHeader = 0x04034b50;
constexpr size_t kEndRecordBytes = 22, kDirectoryEntryBytes = 46, kLocalHeaderBytes = 30;

/// What follows `'key': ` in an npy header, up to `end`; empty if it is not there.
std::string_view after_key(std::string_view header, std::string_view key, std::string_view end) {
  const std::string quoted = concat("'", key, "':");
  const size_t at = header.find(quoted);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = header.substr(at + quoted.size());
  return trim(rest.substr(0, std::min(rest.find(end) + end.size(), rest.size())));
}

size_t item_bytes(std::string_view descr) {
  if (descr == "<i4" || descr == "<f4") return 4;
  if (descr == "<i8" || descr == "<f8") return 8;
  if (descr == "|u1" || descr == "|i1" || descr == "|b1") return 1;
  if (descr.starts_with("|S")) return static_cast<size_t>(parse_integer(descr.substr(2)).value_or(0));
  return 0;
}

}  // namespace

void NpzReader::fail(const std::string& message) const {
  throw Error(error_class_, escape_for_log(path_.string(), 200), message);
}

template <class T>
T NpzReader::number_at(size_t offset) const {
  if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) fail("is cut, or no .npz file");
  T value;
  std::memcpy(&value, bytes_.data() + offset, sizeof value);
  return value;
}

NpzReader::NpzReader(std::filesystem::path path, ErrorClass error_class)
    : path_(std::move(path)), error_class_(error_class), bytes_(read_file(path_, kMaxNpzBytes, error_class)) {
  read_directory();
}

void NpzReader::read_directory() {
  if (bytes_.size() < kEndRecordBytes) fail(concat("holds ", bytes_.size(), " bytes: cut, or no .npz file"));
  const size_t end = bytes_.size() - kEndRecordBytes;
  if (number_at<uint32_t>(end) != kEndRecord) fail("does not end as a .npz file does: cut, or another format");
  const auto count = number_at<uint16_t>(end + 10);
  size_t entry = number_at<uint32_t>(end + 16);
  for (uint16_t i = 0; i < count; ++i) {
    if (number_at<uint32_t>(entry) != kDirectoryEntry) fail("its directory is damaged");
    const auto name_size = number_at<uint16_t>(entry + 28);
    const size_t after =
        entry + kDirectoryEntryBytes + name_size + number_at<uint16_t>(entry + 30) + number_at<uint16_t>(entry + 32);
    if (after > end) fail("its directory is damaged");
    read_member(entry, bytes_.substr(entry + kDirectoryEntryBytes, name_size), number_at<uint32_t>(entry + 24));
    entry = after;
  }
}

void NpzReader::read_member(size_t entry, const std::string& name, uint64_t size) {
  const std::string shown = concat("member '", escape_for_log(name), "' ");
  if (number_at<uint16_t>(entry + 10) != 0) fail(shown + "is compressed; only numpy.savez's stored members are read");
  const size_t local = number_at<uint32_t>(entry + 42);
  if (number_at<uint32_t>(local) != kLocalHeader) fail(shown + "is not where the directory says");
  const size_t begin = local + kLocalHeaderBytes + number_at<uint16_t>(local + 26) + number_at<uint16_t>(local + 28);
  if (begin > bytes_.size() || size > bytes_.size() - begin) fail(shown + "leaves the file (cut file?)");
  if (crc32_of(std::string_view(bytes_).substr(begin, size)) != number_at<uint32_t>(entry + 16))
    fail(shown + "has a wrong checksum: the file is damaged");
  if (!name.ends_with(".npy")) fail(shown + "is no array");
  const std::string array_name = name.substr(0, name.size() - 4);
  if (!members_.emplace(array_name, read_header(array_name, begin, begin + size)).second)
    fail(shown + "is there twice");
}

NpzReader::Array NpzReader::read_header(const std::string& name, size_t begin, size_t end) const {
  const auto fail_array = [&](const std::string& message) {
    fail(concat("array '", escape_for_log(name), "' ", message));
  };
  if (end - begin < 12 || bytes_.compare(begin, 6, "\x93NUMPY") != 0) fail_array("is no .npy");
  const char version = bytes_[begin + 6];
  if (version != 1 && version != 2) fail_array(concat("has .npy version ", static_cast<int>(version)));
  const size_t text_at = begin + (version == 1 ? 10 : 12);
  const size_t length = version == 1 ? number_at<uint16_t>(begin + 8) : number_at<uint32_t>(begin + 8);
  if (length > end - text_at) fail_array("has a header longer than itself");
  const auto header = std::string_view(bytes_).substr(text_at, length);
  Array out;
  out.begin = text_at + length, out.bytes = end - out.begin;
  const std::string_view descr = after_key(header, "descr", ","), shape = after_key(header, "shape", ")");
  if (descr.size() < 4 || shape.size() < 2 || shape.front() != '(' || shape.back() != ')' ||
      after_key(header, "fortran_order", ",") != "False,")
    fail_array(concat("has a header that is not understood: ", escape_for_log(header)));
  out.descr = descr.substr(1, descr.size() - 3);
  for (const std::string& part : split(shape.substr(1, shape.size() - 2), ',')) {
    if (trim(part).empty()) continue;
    const auto size = parse_integer(trim(part));
    if (!size || *size < 0 || __builtin_mul_overflow(out.count, *size, &out.count))
      fail_array(concat("has the shape ", escape_for_log(shape)));
    out.shape.push_back(*size);
  }
  uint64_t needed = 0;
  if (item_bytes(out.descr) == 0) fail_array(concat("has dtype ", escape_for_log(out.descr), ", which is not read"));
  if (__builtin_mul_overflow(static_cast<uint64_t>(out.count), item_bytes(out.descr), &needed) || needed != out.bytes)
    fail_array(concat("of shape ", escape_for_log(shape), " and dtype ", out.descr, " has ", out.bytes, " bytes"));
  return out;
}

std::vector<std::string> NpzReader::names() const {
  std::vector<std::string> out;
  for (const auto& [name, array] : members_) out.push_back(name);
  return out;
}

const NpzReader::Array& NpzReader::array(const std::string& name, const std::string& descr) const {
  const auto found = members_.find(name);
  if (found == members_.end()) fail(concat("has no array '", name, "'"));
  const std::string& actual = found->second.descr;
  if (descr == "|S" ? !actual.starts_with(descr) : actual != descr)
    fail(concat("array '", name, "' has dtype ", escape_for_log(actual), ", needed is ", descr));
  return found->second;
}

const NpzReader::Array& NpzReader::list(const std::string& name, const std::string& descr) const {
  const Array& found = array(name, descr);
  if (found.shape.size() != 1) fail(concat("array '", name, "' has ", found.shape.size(), " dimensions, needed is 1"));
  return found;
}

template <class T>
std::vector<T> NpzReader::values(const Array& array) const {
  std::vector<T> out(static_cast<size_t>(array.count));
  if (array.bytes > 0) std::memcpy(out.data(), bytes_.data() + array.begin, array.bytes);
  return out;
}

std::vector<int32_t> NpzReader::int32s(const std::string& name) const { return values<int32_t>(list(name, "<i4")); }
std::vector<int64_t> NpzReader::int64s(const std::string& name) const { return values<int64_t>(list(name, "<i8")); }
std::vector<float> NpzReader::floats(const std::string& name, std::vector<int64_t>& shape) const {
  const Array& found = array(name, "<f4");
  shape = found.shape;
  return values<float>(found);
}
std::vector<std::string> NpzReader::strings(const std::string& name) const {
  const Array& found = list(name, "|S");
  const size_t width = item_bytes(found.descr);
  std::vector<std::string> out;
  for (int64_t i = 0; i < found.count; ++i) {
    std::string text = bytes_.substr(found.begin + static_cast<size_t>(i) * width, width);
    text.resize(text.find_last_not_of('\0') + 1);
    out.push_back(std::move(text));
  }
  return out;
}

}  // namespace diptych

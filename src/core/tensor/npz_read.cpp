#include <algorithm>
#include <cstring>

#include "core/tensor/npy.h"
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
  const NpyHeader header = parse_npy_header(std::string_view(bytes_).substr(begin, end - begin), fail_array);
  Array out{header.descr, header.shape, begin + header.data_at, end - begin - header.data_at, header.count};
  if (header.bytes != out.bytes)
    fail_array(concat("of shape ", header.shape_text, " and dtype ", out.descr, " has ", out.bytes, " bytes"));
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
  const size_t width = npy_item_bytes(found.descr);
  std::vector<std::string> out;
  for (int64_t i = 0; i < found.count; ++i) {
    std::string text = bytes_.substr(found.begin + static_cast<size_t>(i) * width, width);
    text.resize(text.find_last_not_of('\0') + 1);
    out.push_back(std::move(text));
  }
  return out;
}

}  // namespace diptych

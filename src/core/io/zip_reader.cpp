#include "core/io/zip_reader.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "diptych/core/text.h"

namespace diptych {

namespace zip {

constexpr uint32_t kEnd = 0x06054b50, kEnd64 = 0x06064b50, kLocator64 = 0x07064b50, kEntry = 0x02014b50,
                   kLocal = 0x04034b50;
constexpr uint64_t kEndBytes = 22, kLocatorBytes = 20, kEnd64Bytes = 56, kEntryBytes = 46, kLocalBytes = 30;
constexpr uint64_t kMaxComment = 0xFFFF, kMaxDirectory = 256 << 20;
constexpr uint64_t kMaxInflation = 1100;  // of deflate: 1032
const char* const kAnew = "the file is damaged or cut: get it anew";

/// Little-endian numbers one after the other.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}
  uint16_t u16() { return static_cast<uint16_t>(take(2)); }
  uint32_t u32() { return static_cast<uint32_t>(take(4)); }
  uint64_t u64() { return take(8); }
  bool has(size_t bytes) const { return bytes_.size() - at_ >= bytes; }
  std::string_view text(size_t bytes) {
    const std::string_view out = bytes_.substr(at_, bytes);
    at_ += out.size();
    return out;
  }

 private:
  uint64_t take(size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes && at_ < bytes_.size(); ++i)
      value |= uint64_t{static_cast<uint8_t>(bytes_[at_++])} << (8 * i);
    return value;
  }
  std::string_view bytes_;
  size_t at_ = 0;
};

/// The sizes of a zip64 extra field take the place of those that did not fit.
void read_extra(std::string_view extra, ZipReader::Member& member) {
  Fields fields(extra);
  while (fields.has(4)) {
    const uint16_t id = fields.u16(), size = fields.u16();
    Fields inner(fields.text(size));
    if (id != 1) continue;
    for (uint64_t* each : {&member.size, &member.packed_size, &member.header_at})
      if (*each == 0xFFFFFFFF && inner.has(8)) *each = inner.u64();
  }
}

uint32_t crc_of(const void* data, uint64_t size, uint32_t crc = 0) {
  const auto* bytes = static_cast<const Bytef*>(data);
  for (uint64_t done = 0; done < size;) {
    const auto piece = static_cast<uInt>(std::min<uint64_t>(size - done, 1 << 30));
    crc = static_cast<uint32_t>(crc32(crc, bytes + done, piece));
    done += piece;
  }
  return crc;
}

/// Raw deflate; true if it gives exactly `size` bytes.
bool inflate_into(const std::string& packed, void* data, uint64_t size) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return false;
  uint64_t in = 0, out = 0;
  int state = Z_OK;
  while (state == Z_OK) {
    stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data() + in));
    stream.avail_in = static_cast<uInt>(std::min<uint64_t>(packed.size() - in, 1 << 30));
    stream.next_out = static_cast<Bytef*>(data) + out;
    stream.avail_out = static_cast<uInt>(std::min<uint64_t>(size - out, 1 << 30));
    const uInt before_in = stream.avail_in, before_out = stream.avail_out;
    state = inflate(&stream, Z_NO_FLUSH);
    in += before_in - stream.avail_in, out += before_out - stream.avail_out;
    if (state == Z_OK && before_in == stream.avail_in && before_out == stream.avail_out) state = Z_BUF_ERROR;
  }
  inflateEnd(&stream);
  return state == Z_STREAM_END && out == size;
}

}  // namespace zip

void ZipReader::fail(const std::string& message) const {
  posix::raise(error_class_, posix::shown(path_), message, zip::kAnew);
}

std::string ZipReader::bytes_at(uint64_t at, uint64_t size) const {
  if (at > file_bytes_ || size > file_bytes_ - at)
    fail(concat("bytes ", at, " to ", at + size, " are named, the file has ", file_bytes_));
  std::string bytes(size, '\0');
  posix::read_exactly(file_, at, bytes.data(), bytes.size(), path_, error_class_);
  return bytes;
}

ZipReader::ZipReader(const std::filesystem::path& path, ErrorClass error_class)
    : path_(path), error_class_(error_class), file_(posix::open_regular(path, error_class, &file_bytes_)) {
  if (file_bytes_ < zip::kEndBytes) fail(concat("holds ", file_bytes_, " bytes: no zip archive"));
  const uint64_t tail_at = file_bytes_ - std::min(file_bytes_, zip::kEndBytes + zip::kMaxComment);
  const std::string tail = bytes_at(tail_at, file_bytes_ - tail_at);
  const size_t end = tail.rfind(std::string_view("PK\x05\x06", 4));
  if (end == std::string::npos || tail.size() - end < zip::kEndBytes)
    fail("is a zip archive without its directory of members (cut file?)");
  zip::Fields fields(std::string_view(tail).substr(end + 4));
  const uint16_t disk = fields.u16(), start_disk = fields.u16();
  fields.u16();  // entries on this disk
  uint64_t count = fields.u16(), size = fields.u32(), at = fields.u32();
  const uint64_t end_at = tail_at + end;
  if (end_at >= zip::kLocatorBytes) {
    const std::string before = bytes_at(end_at - zip::kLocatorBytes, zip::kLocatorBytes);
    zip::Fields locator(before);
    if (locator.u32() == zip::kLocator64) {
      locator.u32();
      const std::string record = bytes_at(locator.u64(), zip::kEnd64Bytes);
      zip::Fields end64(record);
      if (end64.u32() != zip::kEnd64) fail("the zip64 directory is not where the archive says");
      end64.u64(), end64.u16(), end64.u16(), end64.u32(), end64.u32(), end64.u64();
      count = end64.u64(), size = end64.u64(), at = end64.u64();
    }
  }
  if (disk != 0 || start_disk != 0) fail("is one part of a zip archive in several parts");
  read_directory(at, size, count);
}

void ZipReader::read_directory(uint64_t at, uint64_t size, uint64_t count) {
  if (size > zip::kMaxDirectory || count > size / zip::kEntryBytes)
    fail(concat("its directory has ", count, " members in ", size, " bytes"));
  const std::string directory = bytes_at(at, size);
  zip::Fields fields(directory);
  for (uint64_t i = 0; i < count; ++i) {
    if (!fields.has(zip::kEntryBytes) || fields.u32() != zip::kEntry)
      fail(concat("member ", i, " of its directory is damaged"));
    Member member;
    fields.u16(), fields.u16();
    const uint16_t flags = fields.u16(), method = fields.u16();
    fields.u32();  // time
    member.crc = fields.u32(), member.packed_size = fields.u32(), member.size = fields.u32();
    const uint16_t name_size = fields.u16(), extra_size = fields.u16(), comment_size = fields.u16();
    fields.u16(), fields.u16(), fields.u32();
    member.header_at = fields.u32();
    const std::string name(fields.text(name_size));
    zip::read_extra(fields.text(extra_size), member);
    fields.text(comment_size);
    const std::string shown = escape_for_log(name);
    if (flags & 1) fail(concat("member '", shown, "' is encrypted"));
    if (method != 0 && method != 8) fail(concat("member '", shown, "' is packed by method ", method));
    member.deflated = method == 8;
    if (member.packed_size > file_bytes_ || (!member.deflated && member.size != member.packed_size) ||
        (member.deflated && member.size / zip::kMaxInflation > member.packed_size))
      fail(concat("member '", shown, "' would have ", member.size, " bytes, packed ", member.packed_size));
    if (!members_.emplace(name, member).second) fail(concat("member '", shown, "' occurs twice"));
  }
}

uint64_t ZipReader::packed_at(const std::string& name, const Member& member) const {
  const std::string shown = escape_for_log(name), header = bytes_at(member.header_at, zip::kLocalBytes);
  zip::Fields fields(header);
  if (fields.u32() != zip::kLocal) fail(concat("member '", shown, "' is not where the directory says"));
  fields.text(22);
  const uint64_t name_size = fields.u16(), extra_size = fields.u16();
  const uint64_t at = member.header_at + zip::kLocalBytes + name_size + extra_size;
  if (at > file_bytes_ || member.packed_size > file_bytes_ - at)
    fail(concat("member '", shown, "' goes beyond the end of the file"));
  return at;
}

uint64_t ZipReader::stored_at(const std::string& name) const {
  const auto found = members_.find(name);
  if (found == members_.end()) fail(concat("has no member '", escape_for_log(name), "'"));
  if (found->second.deflated) fail(concat("member '", escape_for_log(name), "' is compressed"));
  return packed_at(name, found->second);
}

void ZipReader::read_into(const std::string& name, void* data, uint64_t size) const {
  const auto found = members_.find(name);
  const std::string shown = escape_for_log(name);
  if (found == members_.end()) fail(concat("has no member '", shown, "'"));
  const Member& member = found->second;
  if (member.size != size) fail(concat("member '", shown, "' has ", member.size, " bytes, needed are ", size));
  const uint64_t at = packed_at(name, member);
  if (member.deflated) {
    if (!zip::inflate_into(bytes_at(at, member.packed_size), data, size))
      fail(concat("member '", shown, "' cannot be unpacked"));
  } else {
    posix::read_exactly(file_, at, data, size, path_, error_class_);
  }
  if (zip::crc_of(data, size) != member.crc)
    fail(concat("member '", shown, "' has another checksum (CRC-32) than its directory says"));
}

std::string ZipReader::read(const std::string& name, uint64_t max_bytes) const {
  const auto found = members_.find(name);
  if (found == members_.end()) fail(concat("has no member '", escape_for_log(name), "'"));
  if (found->second.size > max_bytes)
    fail(concat("member '", escape_for_log(name), "' has ", found->second.size, " bytes, allowed are ", max_bytes));
  std::string bytes(found->second.size, '\0');
  read_into(name, bytes.data(), bytes.size());
  return bytes;
}

}  // namespace diptych

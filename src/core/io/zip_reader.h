#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "core/io/posix.h"

namespace diptych {

/// Reads zip archives (PKWARE's APPNOTE 6.3) that others made: members stored or deflated, zip64. Sizes and places are
/// checked against the file before memory is taken, and every member's CRC-32 after it was read. Encrypted members,
/// archives in several parts and names that occur twice are refused. throws Error of the class given.
class ZipReader {
 public:
  struct Member {
    uint64_t size = 0, packed_size = 0, header_at = 0;
    uint32_t crc = 0;
    bool deflated = false;
  };

  ZipReader(const std::filesystem::path& path, ErrorClass error_class);
  const std::map<std::string, Member>& members() const { return members_; }
  bool holds(const std::string& name) const { return members_.contains(name); }
  /// The member's bytes. throws if there is none, it is larger than `max_bytes`, or damaged.
  std::string read(const std::string& name, uint64_t max_bytes) const;
  /// The same into memory of exactly the member's size.
  void read_into(const std::string& name, void* data, uint64_t size) const;
  /// Where in the file a stored member's bytes lie; their checksum is not looked at. throws if it is deflated.
  uint64_t stored_at(const std::string& name) const;
  uint64_t file_bytes() const { return file_bytes_; }

 private:
  [[noreturn]] void fail(const std::string& message) const;
  /// Where a member's packed bytes begin: behind its local header.
  uint64_t packed_at(const std::string& name, const Member& member) const;
  std::string bytes_at(uint64_t at, uint64_t size) const;
  void read_directory(uint64_t at, uint64_t size, uint64_t count);
  std::filesystem::path path_;
  ErrorClass error_class_;
  uint64_t file_bytes_ = 0;
  posix::Descriptor file_;
  std::map<std::string, Member> members_;
};

}  // namespace diptych

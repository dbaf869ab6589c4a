#pragma once
#include <filesystem>
#include <string>

#include "diptych/core/io/fs.h"
#include "diptych/core/io/hash.h"

// The steps of which an atomic write is made. All go through file_system().

namespace diptych::durable {

/// `.tmp-<name>-<host>-<pid>` beside `path`.
std::filesystem::path staging_path(const std::filesystem::path& path);

/// While it lives, a temporary name belongs to this process; at its end the file or (flat) folder is removed, unless it
/// was released.
class Staging {
 public:
  explicit Staging(std::filesystem::path path);
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  const std::filesystem::path& path() const { return path_; }
  void release() { released_ = true; }

 private:
  std::filesystem::path path_;
  bool released_ = false;
};
/// True if some Staging of this process has the path.
bool is_active(const std::filesystem::path& path);
/// Removes a file, or a folder with the files in it, as far as possible.
void remove_tree(const std::filesystem::path& path);

/// One new file: created exclusively, every call checked, hashed on the way.
class NewFile {
 public:
  /// `final_path` is for messages.
  NewFile(std::filesystem::path path, std::filesystem::path final_path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  void write(const void* data, size_t size);
  /// fsync and close.
  void finish();
  uint64_t size() const { return size_; }
  /// Once, after finish().
  std::string sha256() { return hash_.hex(); }
  /// Total size, if it is known beforehand: for the message of a full disk.
  void expect(uint64_t bytes) { expected_ = bytes; }

 private:
  [[noreturn]] void fail(const char* step, int error_number) const;
  std::filesystem::path path_, final_path_;
  int fd_;
  uint64_t size_ = 0, expected_ = 0;
  Sha256 hash_;
};

/// throws OutputError "verification failed" unless the file has this size and hash.
void verify(const std::filesystem::path& path, uint64_t size, const std::string& sha256,
            const std::filesystem::path& final_path);
/// throws OutputError naming path, step and cause.
[[noreturn]] void fail(const std::filesystem::path& path, const char* step, int error_number,
                       const std::string& more = "");
/// fsync of the folder `path`; `final_path` is for messages.
void sync_folder(const std::filesystem::path& path, const std::filesystem::path& final_path);

}  // namespace diptych::durable

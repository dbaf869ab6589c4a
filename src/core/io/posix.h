#pragma once
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "diptych/core/error.h"

// What every reader and writer of files here shares: descriptors with a scope, errno as text, errors of a chosen class.

namespace diptych::posix {

/// An open descriptor, closed at the end of its scope.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// Calls `f` again for as long as it is interrupted by a signal.
template <class F>
auto retry(F f) -> decltype(f()) {
  auto result = f();
  while (result < 0 && errno == EINTR) result = f();
  return result;
}

/// "No space left on device".
std::string cause(int error_number);
/// A path for the `where` of a message.
std::string shown(const std::filesystem::path& path);
/// The folder that holds `path`; "." for a bare name.
std::filesystem::path parent_of(const std::filesystem::path& path);
/// "1 MiB", "100 MB", "17 bytes": a limit as it is written in the documents.
std::string limit_text(uint64_t bytes);
/// This machine's name in characters that are safe in a file name.
std::string host_name();

/// Throws the type that belongs to the class: DataError for dat, img and sec, CheckpointError for ckp, ...
[[noreturn]] void raise(ErrorClass error_class, std::string where, std::string message, std::string hint = "");

/// Opens a regular file for reading, never waiting on a pipe. throws Error of class `error_class`.
Descriptor open_regular(const std::filesystem::path& path, ErrorClass error_class, uint64_t* size = nullptr);
/// Fills `data` from `offset`. throws if the file ends before: it changed while it was read.
void read_exactly(const Descriptor& file, uint64_t offset, void* data, size_t size, const std::filesystem::path& path,
                  ErrorClass error_class);
/// At most `size` bytes from the current place; 0 at the end.
size_t read_some(const Descriptor& file, void* data, size_t size, const std::filesystem::path& path,
                 ErrorClass error_class);

}  // namespace diptych::posix

#include "core/io/posix.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "diptych/core/text.h"

namespace diptych::posix {

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

std::string cause(int error_number) { return std::generic_category().message(error_number); }

std::string shown(const std::filesystem::path& path) { return escape_for_log(path.native(), 400); }

std::filesystem::path parent_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

std::string limit_text(uint64_t bytes) {
  if (bytes >= 1000000 && bytes % 1000000 == 0) return concat(bytes / 1000000, " MB");
  if (bytes >= (1u << 20) && bytes % (1u << 20) == 0) return concat(bytes >> 20, " MiB");
  if (bytes >= 1024 && bytes % 1024 == 0) return concat(bytes >> 10, " KiB");
  return concat(bytes, " bytes");
}

std::string host_name() {
  char name[256] = "";
  if (::gethostname(name, sizeof name - 1) != 0 || !*name) return "unknown";
  std::string text = name;
  for (char& c : text)
    if (!isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-') c = '_';
  return text;
}

void raise(ErrorClass error_class, std::string where, std::string message, std::string hint) {
  std::vector<Issue> issues{{error_class, std::move(where), std::move(message), std::move(hint)}};
  switch (error_class) {
    case ErrorClass::cli:
    case ErrorClass::cfg:
      throw UsageError(std::move(issues));
    case ErrorClass::dat:
    case ErrorClass::img:
    case ErrorClass::sec:
      throw DataError(std::move(issues));
    case ErrorClass::ckp:
      throw CheckpointError(std::move(issues));
    case ErrorClass::out:
      throw OutputError(std::move(issues));
    case ErrorClass::num:
      throw NumericError(std::move(issues));
    case ErrorClass::chk:
      throw CheckFailed(std::move(issues));
    default:
      throw Error(std::move(issues));
  }
}

Descriptor open_regular(const std::filesystem::path& path, ErrorClass error_class, uint64_t* size) {
  if (path.native().find('\0') != std::string::npos) raise(error_class, shown(path), "a path cannot hold a NUL byte");
  Descriptor file(retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); }));
  // A socket cannot be opened at all (ENXIO).
  if (file.get() < 0)
    raise(error_class, shown(path), errno == ENXIO ? "is not a regular file" : "cannot be read: " + cause(errno));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) raise(error_class, shown(path), "cannot be read: " + cause(errno));
  if (S_ISDIR(info.st_mode)) raise(error_class, shown(path), "is a directory; a file is needed");
  if (!S_ISREG(info.st_mode)) raise(error_class, shown(path), "is not a regular file");
  if (size) *size = static_cast<uint64_t>(info.st_size);
  return file;
}

size_t read_some(const Descriptor& file, void* data, size_t size, const std::filesystem::path& path,
                 ErrorClass error_class) {
  const auto count = retry([&] { return ::read(file.get(), data, size); });
  if (count < 0) raise(error_class, shown(path), "cannot be read: " + cause(errno));
  return static_cast<size_t>(count);
}

void read_exactly(const Descriptor& file, uint64_t offset, void* data, size_t size, const std::filesystem::path& path,
                  ErrorClass error_class) {
  auto* out = static_cast<char*>(data);
  while (size > 0) {
    const auto count = retry([&] { return ::pread(file.get(), out, size, static_cast<off_t>(offset)); });
    if (count < 0) raise(error_class, shown(path), "cannot be read: " + cause(errno));
    if (count == 0) raise(error_class, shown(path), concat("ended at byte ", offset, ": it changed while it was read"));
    out += count, offset += static_cast<uint64_t>(count), size -= static_cast<size_t>(count);
  }
}

}  // namespace diptych::posix

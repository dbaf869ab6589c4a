#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/io/durable.h"
#include "core/io/posix.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/text.h"

namespace diptych {

namespace {

int open_for_append(const std::filesystem::path& path) {
  const int fd =
      posix::retry([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666); });
  if (fd < 0) durable::fail(path, "open", errno);
  return fd;
}

int64_t size_of(int fd, const std::filesystem::path& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) durable::fail(path, "stat", errno);
  if (!S_ISREG(info.st_mode)) throw OutputError(posix::shown(path), "is not a regular file");
  return info.st_size;
}

std::string bytes_between(int fd, int64_t from, int64_t to, const std::filesystem::path& path) {
  std::string bytes(static_cast<size_t>(to - from), '\0');
  for (size_t done = 0; done < bytes.size();) {
    const auto count =
        posix::retry([&] { return ::pread(fd, &bytes[done], bytes.size() - done, from + static_cast<int64_t>(done)); });
    if (count <= 0) durable::fail(path, "read", count < 0 ? errno : EIO);
    done += static_cast<size_t>(count);
  }
  return bytes;
}

void write_all(int fd, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const int64_t count = posix::retry([&] { return file_system().write(fd, bytes.data(), bytes.size()); });
    if (count <= 0) durable::fail(path, "write", count < 0 ? errno : EIO);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
}

void sync_file(int fd, const std::filesystem::path& path) {
  if (posix::retry([&] { return file_system().sync(fd); }) != 0) durable::fail(path, "fsync", errno);
}

/// Length of the whole lines at the start of the file.
int64_t end_of_last_line(int fd, int64_t size, const std::filesystem::path& path) {
  constexpr int64_t kPiece = 4096;
  for (int64_t to = size; to > 0; to -= std::min(to, kPiece)) {
    const int64_t from = to - std::min(to, kPiece);
    const size_t at = bytes_between(fd, from, to, path).rfind('\n');
    if (at != std::string::npos) return from + static_cast<int64_t>(at) + 1;
  }
  return 0;
}

void move_tail(int fd, int64_t from, int64_t to, const std::filesystem::path& path) {
  auto name = path.stem();
  name += ".discarded";
  name += path.extension();
  const auto aside = path.parent_path() / name;
  const posix::Descriptor file(open_for_append(aside));
  constexpr int64_t kPiece = 1 << 20;
  for (int64_t at = from; at < to; at += kPiece)
    write_all(file.get(), bytes_between(fd, at, std::min(to, at + kPiece), path), aside);
  sync_file(file.get(), aside);
  if (posix::retry([&] { return ::ftruncate(fd, from); }) != 0) durable::fail(path, "truncate", errno);
  sync_file(fd, path);
}

}  // namespace

LineWriter::LineWriter(std::filesystem::path path, int64_t keep_bytes) : path_(std::move(path)) {
  posix::Descriptor file(open_for_append(path_));
  const int64_t size = size_of(file.get(), path_);
  bytes_ = keep_bytes >= 0 ? keep_bytes : end_of_last_line(file.get(), size, path_);
  if (bytes_ > size)
    throw OutputError(posix::shown(path_), concat("holds ", size, " bytes, but ", bytes_, " are recorded for it"),
                      "lines are missing: bring the whole file back, or continue in a new run directory");
  if (bytes_ < size) move_tail(file.get(), bytes_, size, path_);
  fd_ = file.release();
}
LineWriter::~LineWriter() { ::close(fd_); }

void LineWriter::write(std::string_view line) {
  const std::string whole = concat(line, '\n');
  try {
    write_all(fd_, whole, path_);
  } catch (...) {
    // The beginning of a line may have got through. Should this fail too, the next start cuts it off.
    if (::ftruncate(fd_, bytes_) != 0) errno = 0;
    throw;
  }
  bytes_ += static_cast<int64_t>(whole.size());
}

void LineWriter::sync() { sync_file(fd_, path_); }

}  // namespace diptych

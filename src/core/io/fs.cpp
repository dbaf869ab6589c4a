#include "diptych/core/io/fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "core/io/durable.h"
#include "core/io/posix.h"
#include "diptych/core/text.h"

namespace diptych {

namespace fs = std::filesystem;

int FileSystem::create(const fs::path& path) {
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}
int64_t FileSystem::write(int fd, const void* data, size_t size) { return ::write(fd, data, size); }
int FileSystem::sync(int fd) { return ::fsync(fd); }
int FileSystem::close(int fd) { return ::close(fd); }
int FileSystem::rename(const fs::path& from, const fs::path& to) { return ::rename(from.c_str(), to.c_str()); }
int FileSystem::remove(const fs::path& path) { return ::remove(path.c_str()); }
int FileSystem::make_directory(const fs::path& path) { return ::mkdir(path.c_str(), 0777); }
int FileSystem::exchange(const fs::path& a, const fs::path& b) {
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
}
int FileSystem::sync_directory(const fs::path& path) {
  const posix::Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return -1;
  if (::fsync(folder.get()) == 0) return 0;
  return errno == EINVAL || errno == ENOTSUP ? 0 : -1;  // file systems without folder fsync have nothing to order
}

FileSystem& FileSystem::real() {
  static FileSystem system;
  return system;
}

namespace {
std::atomic<FileSystem*>& file_system_in_use() {
  static std::atomic<FileSystem*> current{&FileSystem::real()};
  return current;
}
}  // namespace

FileSystem& file_system() { return *file_system_in_use(); }
FileSystemScope::FileSystemScope(FileSystem& replacement) : former_(file_system_in_use().exchange(&replacement)) {}
FileSystemScope::~FileSystemScope() { file_system_in_use() = former_; }

std::string read_file(const fs::path& path, uint64_t max_bytes, ErrorClass error_class) {
  uint64_t size = 0;
  const auto file = posix::open_regular(path, error_class, &size);
  const auto refuse_size = [&] {
    posix::raise(error_class, posix::shown(path), "is larger than " + posix::limit_text(max_bytes));
  };
  if (size > max_bytes) refuse_size();
  // The size may be a lie (files of the kernel) or change: read to the end, but never more than the limit.
  std::string bytes(size + 1, '\0');
  size_t used = 0;
  while (const size_t count = posix::read_some(file, bytes.data() + used, bytes.size() - used, path, error_class)) {
    used += count;
    if (used > max_bytes) refuse_size();
    if (used == bytes.size()) bytes.resize(std::min<uint64_t>(2 * used + 4096, max_bytes + 1));
  }
  bytes.resize(used);
  return bytes;
}

namespace {

/// The file that a new one takes the place of: behind links, and never a device, pipe or folder.
fs::path replaceable(const fs::path& path) {
  std::error_code absent;
  const fs::file_status status = fs::status(path, absent);
  if (!fs::exists(status)) return path;
  if (fs::is_directory(status)) throw OutputError(posix::shown(path), "Is a directory", "give the name of a file");
  if (!fs::is_regular_file(status))
    throw OutputError(posix::shown(path), "is not a regular file", "give the name of a file");
  const fs::path real = fs::is_symlink(path, absent) ? fs::canonical(path, absent) : path;
  return absent ? path : real;
}

}  // namespace

void write_file_atomically(const fs::path& given, const std::function<void(const ByteSink&)>& fill) {
  const fs::path path = replaceable(given);
  durable::Staging staging(durable::staging_path(path));
  durable::NewFile file(staging.path(), path);
  fill([&](const void* data, size_t size) { file.write(data, size); });
  file.finish();
  durable::verify(staging.path(), file.size(), file.sha256(), path);
  if (posix::retry([&] { return file_system().rename(staging.path(), path); }) != 0)
    durable::fail(path, "rename", errno);
  staging.release();
  durable::sync_folder(posix::parent_of(path), path);
}

void write_file_atomically(const fs::path& path, std::string_view bytes) {
  write_file_atomically(path, [&](const ByteSink& sink) { sink(bytes.data(), bytes.size()); });
}

void make_directories(const fs::path& path) {
  if (!path.has_filename() && path.has_relative_path()) return make_directories(path.parent_path());  // "a/b/"
  std::error_code unknown;
  if (path.empty() || fs::is_directory(path, unknown)) return;
  const fs::path parent = posix::parent_of(path);
  if (parent != path) make_directories(parent);
  if (posix::retry([&] { return file_system().make_directory(path); }) != 0) {
    const int error_number = errno;
    if (error_number == EEXIST && fs::is_directory(path, unknown)) return;  // another process was faster
    if (error_number == EEXIST) throw OutputError(posix::shown(path), "exists and is not a directory");
    durable::fail(path, "mkdir", error_number);
  }
  durable::sync_folder(parent, path);
}

}  // namespace diptych

#include "core/io/durable.h"

#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <set>

#include "core/io/posix.h"
#include "diptych/core/text.h"

namespace diptych::durable {

namespace fs = std::filesystem;

namespace {
std::mutex& active_mutex() {
  static std::mutex mutex;
  return mutex;
}
std::set<fs::path>& active_paths() {
  static std::set<fs::path> paths;
  return paths;
}
fs::path absolute_of(const fs::path& path) {
  std::error_code failed;
  const fs::path absolute = fs::absolute(path, failed).lexically_normal();
  return failed ? path : absolute;
}
}  // namespace

fs::path staging_path(const fs::path& path) {
  return posix::parent_of(path) /
         concat(".tmp-", path.filename().native(), "-", posix::host_name(), "-", static_cast<int64_t>(::getpid()));
}

Staging::Staging(fs::path path) : path_(std::move(path)) {
  const std::lock_guard lock(active_mutex());
  active_paths().insert(absolute_of(path_));
}
Staging::~Staging() {
  if (!released_) remove_tree(path_);
  const std::lock_guard lock(active_mutex());
  active_paths().erase(absolute_of(path_));
}
bool is_active(const fs::path& path) {
  const std::lock_guard lock(active_mutex());
  return active_paths().count(absolute_of(path)) > 0;
}

void remove_tree(const fs::path& path) {
  std::error_code failed;
  if (fs::is_directory(fs::symlink_status(path, failed)))
    for (const auto& entry : fs::directory_iterator(path, failed)) remove_tree(entry.path());
  file_system().remove(path);
}

void fail(const fs::path& path, const char* step, int error_number, const std::string& more) {
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  std::string message = concat("cannot be written (", step, "): ", posix::cause(error_number), more);
  std::error_code unknown;
  if (const auto space = fs::space(posix::parent_of(path), unknown); full && !unknown)
    message += concat(", ", bytes_text(static_cast<double>(space.available)), " free");
  throw OutputError(posix::shown(path), message,
                    full ? "make room there or choose another folder, then run the same command again" : "");
}

void sync_folder(const fs::path& path, const fs::path& final_path) {
  if (posix::retry([&] { return file_system().sync_directory(path); }) != 0)
    fail(final_path, "fsync of the folder", errno);
}

NewFile::NewFile(fs::path path, fs::path final_path) : path_(std::move(path)), final_path_(std::move(final_path)) {
  const auto create = [&] { return posix::retry([&] { return file_system().create(path_); }); };
  fd_ = create();
  if (fd_ < 0 && errno == EEXIST) {  // left by a dead process that had our number
    remove_tree(path_);
    fd_ = create();
  }
  if (fd_ < 0) fail("create", errno);
}
NewFile::~NewFile() {
  if (fd_ >= 0) file_system().close(fd_);
}

void NewFile::fail(const char* step, int error_number) const {
  durable::fail(final_path_, step, error_number,
                expected_ ? concat("; ", bytes_text(static_cast<double>(expected_)), " needed")
                          : concat(" after ", bytes_text(static_cast<double>(size_))));
}

void NewFile::write(const void* data, size_t size) {
  hash_.update(data, size);
  const auto* from = static_cast<const char*>(data);
  while (size > 0) {
    const int64_t count = posix::retry([&] { return file_system().write(fd_, from, size); });
    if (count <= 0) fail("write", count < 0 ? errno : EIO);
    from += count, size -= static_cast<size_t>(count), size_ += static_cast<uint64_t>(count);
  }
}

void NewFile::finish() {
  if (posix::retry([&] { return file_system().sync(fd_); }) != 0) fail("fsync", errno);
  const int fd = std::exchange(fd_, -1);
  // After EINTR Linux has closed the descriptor; a second close could hit somebody else's.
  if (file_system().close(fd) != 0 && errno != EINTR) fail("close", errno);
}

void verify(const fs::path& path, uint64_t size, const std::string& sha256, const fs::path& final_path) {
  uint64_t found_size = 0;
  { posix::open_regular(path, ErrorClass::out, &found_size); }
  if (found_size != size)
    throw OutputError(posix::shown(final_path),
                      concat("verification failed: wrote ", size, " bytes, the disk holds ", found_size),
                      "the device lies about what it wrote: check it, or choose another folder");
  const std::string found = sha256_of_file(path, ErrorClass::out);
  if (found != sha256)
    throw OutputError(posix::shown(final_path),
                      concat("verification failed: wrote sha256 ", sha256, ", read back ", found),
                      "the device does not keep what it is given: check it, or choose another folder");
}

}  // namespace diptych::durable

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <thread>

#include "core/io/posix.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/text.h"

namespace diptych {

namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

/// "pid 12 on host since 2026-01-01T00:00:00Z" as the holder wrote it; it may be about to.
std::string holder_of(int fd) {
  for (int tries = 0; tries < 20; ++tries) {
    char text[400];
    if (const auto count = ::pread(fd, text, sizeof text, 0); count > 0 && text[count - 1] == '\n')
      return escape_for_log(std::string_view(text, static_cast<size_t>(count - 1)), 400);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return "pid unknown";
}

}  // namespace

RunLock::RunLock(const std::filesystem::path& directory) {
  const auto path = directory / "run.lock";
  posix::Descriptor file(
      posix::retry([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666); }));
  if (file.get() < 0) throw OutputError(posix::shown(path), "cannot be opened: " + posix::cause(errno));
  if (posix::retry([&] { return ::flock(file.get(), LOCK_EX | LOCK_NB); }) != 0) {
    if (errno != EWOULDBLOCK) throw OutputError(posix::shown(path), "cannot be locked: " + posix::cause(errno));
    throw OutputError(posix::shown(directory), "in use by " + holder_of(file.get()),
                      "wait for it, stop it, or give another --run-dir");
  }
  const std::string text = concat("pid ", int64_t{::getpid()}, " on ", posix::host_name(), " since ", utc_now(), "\n");
  // Information only: the lock holds without it, so a full disk does not matter here.
  if (::ftruncate(file.get(), 0) != 0 || ::pwrite(file.get(), text.data(), text.size(), 0) < 0) errno = 0;
  fd_ = file.release();
}
RunLock::~RunLock() { ::close(fd_); }

bool RunLock::is_held(const std::filesystem::path& directory) {
  const auto path = directory / "run.lock";
  const posix::Descriptor file(
      posix::retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); }));
  if (file.get() < 0) return false;
  char text[400];
  const auto count = ::pread(file.get(), text, sizeof text, 0);
  const auto words = split(trim(std::string_view(text, count > 0 ? static_cast<size_t>(count) : 0)), ' ');
  if (words.size() >= 4 && words[0] == "pid" && words[3] == posix::host_name())
    if (const auto pid = parse_integer(words[1]); pid && *pid > 0)
      if (::kill(static_cast<pid_t>(*pid), 0) != 0 && errno == ESRCH) return false;
  return posix::retry([&] { return ::flock(file.get(), LOCK_SH | LOCK_NB); }) != 0 && errno == EWOULDBLOCK;
}

}  // namespace diptych

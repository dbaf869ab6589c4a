#include "core/io/resolve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#if __has_include(<linux/openat2.h>)
#include <linux/openat2.h>
#endif

#include <algorithm>
#include <cerrno>

#include "core/io/posix.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/text.h"

namespace diptych {

namespace fs = std::filesystem;

namespace resolving {

#if defined(SYS_openat2) && defined(RESOLVE_BENEATH)
Resolved by_kernel(const fs::path& root, const std::string& relative) {
  const posix::Descriptor folder(posix::retry([&] { return ::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC); }));
  if (folder.get() < 0) return {Outcome::failed, {}, errno};
  struct open_how how {};
  how.flags = O_PATH | O_CLOEXEC;  // neither waits on a pipe nor wakes a device
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const posix::Descriptor file(static_cast<int>(posix::retry([&] {
    long fd = -1;
    for (int tries = 0; tries < 100 && (fd < 0 && (tries == 0 || errno == EAGAIN)); ++tries)  // a rename raced with us
      fd = ::syscall(SYS_openat2, folder.get(), relative.c_str(), &how, sizeof how);
    return fd;
  })));
  if (file.get() < 0) {
    const int cause = errno;
    if (cause == ENOSYS || cause == EPERM || cause == E2BIG || cause == EAGAIN)
      return {Outcome::unsupported, {}, cause};
    if (cause == EXDEV || cause == ELOOP) return {Outcome::outside, {}, cause};
    return {cause == ENOENT || cause == ENOTDIR ? Outcome::missing : Outcome::failed, {}, cause};
  }
  std::error_code failed;
  const fs::path path = fs::read_symlink(concat("/proc/self/fd/", int64_t{file.get()}), failed);
  if (failed) return {Outcome::unsupported, {}, failed.value()};
  return {Outcome::found, path};
}
#else
Resolved by_kernel(const fs::path&, const std::string&) { return {Outcome::unsupported, {}, ENOSYS}; }
#endif

Resolved by_real_path(const fs::path& root, const std::string& relative) {
  std::error_code failed;
  const fs::path top = fs::canonical(root, failed);
  if (failed) return {Outcome::failed, {}, failed.value()};
  const fs::path path = fs::canonical(top / relative, failed);
  if (failed.value() == ELOOP) return {Outcome::outside, {}, ELOOP};
  if (failed.value() == ENOENT || failed.value() == ENOTDIR) return {Outcome::missing, {}, failed.value()};
  if (failed) return {Outcome::failed, {}, failed.value()};
  const auto [end, ignored] = std::mismatch(top.begin(), top.end(), path.begin(), path.end());
  return {end == top.end() ? Outcome::found : Outcome::outside, path, EXDEV};
}

}  // namespace resolving

namespace {

/// True if `..` or a leading / leaves the root whatever the links are.
bool leaves_root(const std::string& relative) {
  if (fs::path(relative).is_absolute()) return true;
  int64_t depth = 0;
  for (const auto& part : fs::path(relative)) {
    if (part == "..")
      --depth;
    else if (!part.empty() && part != ".")
      ++depth;
    if (depth < 0) return true;
  }
  return false;
}

resolving::Resolved resolve_either_way(const fs::path& root, const std::string& relative) {
  const auto by_kernel = resolving::by_kernel(root, relative);
  return by_kernel.outcome == resolving::Outcome::unsupported ? resolving::by_real_path(root, relative) : by_kernel;
}

/// A name like the one asked for that does exist: other case, blanks at the ends, backslashes.
std::string similar_name(const fs::path& root, const std::string& relative) {
  std::string slashes = relative;
  std::replace(slashes.begin(), slashes.end(), '\\', '/');
  const auto with_extension = [&](auto&& change) {
    fs::path path = relative;
    std::string extension = path.extension().native();
    for (char& c : extension) c = static_cast<char>(change(static_cast<unsigned char>(c)));
    return path.replace_extension(extension).native();
  };
  const fs::path path = relative;
  for (const std::string& name :
       {slashes, std::string(trim(relative)), with_extension([](int c) { return tolower(c); }),
        with_extension([](int c) { return toupper(c); }), lower_ascii(relative),
        (path.parent_path() / lower_ascii(path.filename().native())).native()})
    if (name != relative && !name.empty() && resolve_either_way(root, name).outcome == resolving::Outcome::found)
      return name;
  return "";
}

}  // namespace

fs::path resolve_inside(const fs::path& root, const std::string& relative) {
  using resolving::Outcome;
  const std::string where = escape_for_log(relative, 200), top = posix::shown(root);
  if (relative.empty()) throw DataError(top, "the path of a file below it is empty");
  if (relative.find('\0') != std::string::npos) throw DataError(where, "a path cannot hold a NUL byte");
  const auto refuse = [&](const std::string& why) {
    throw DataError(ErrorClass::sec, where, concat("outside the data root ", top, why),
                    "paths must be relative to the root and stay below it; links may not lead out");
  };
  if (leaves_root(relative)) refuse("");
  const auto resolved = resolve_either_way(root, relative);
  if (resolved.outcome == Outcome::outside)
    refuse(resolved.error_number == ELOOP ? " (a loop of links)" : " (by a link)");
  if (resolved.outcome == Outcome::missing) {
    const std::string near = similar_name(root, relative);
    throw DataError(where, concat("No such file below ", top),
                    near.empty() ? "" : concat("did you mean '", escape_for_log(near, 200), "'?"));
  }
  if (resolved.outcome != Outcome::found)
    throw DataError(where, concat("cannot be found below ", top, ": ", posix::cause(resolved.error_number)));
  if (struct stat info{}; ::lstat(resolved.path.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
    throw DataError(where, concat("is not a regular file (below ", top, ")"));
  return resolved.path;
}

}  // namespace diptych

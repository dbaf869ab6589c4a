#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "diptych/core/error.h"

namespace diptych {

/// Reads a regular file of at most `max_bytes`. throws Error of class `error_class` naming the path and the cause
/// ("No such file", "is a directory", "not a regular file", "Permission denied", "larger than 1 MiB").
std::string read_file(const std::filesystem::path& path, uint64_t max_bytes, ErrorClass error_class = ErrorClass::dat);

/// Takes consecutive pieces of a file that is being written.
using ByteSink = std::function<void(const void* data, size_t size)>;

/// Writes to `.tmp-<name>-<host>-<pid>` beside, fsync, reads it back and compares hashes, rename, fsync of the folder:
/// the file appears whole or not at all, and no temporary file stays. A link stays, the file behind it is replaced;
/// devices, pipes and folders are refused. One writer per path at a time. throws OutputError with path and cause; for a
/// full disk also the bytes needed (or written) and free.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);
/// The same for a file made piece by piece: `fill` calls the sink it is given.
void write_file_atomically(const std::filesystem::path& path, const std::function<void(const ByteSink& sink)>& fill);

/// Creates a folder and its parents. throws OutputError.
void make_directories(const std::filesystem::path& path);

/// The few calls through which everything durable goes, so that tests can make any of them fail. Each behaves like the
/// system call of its name: -1 and errno on failure.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual int create(const std::filesystem::path& path);         // O_CREAT | O_EXCL; the descriptor, or -1 and errno
  virtual int64_t write(int fd, const void* data, size_t size);  // short writes allowed
  virtual int sync(int fd);
  virtual int close(int fd);
  virtual int rename(const std::filesystem::path& from, const std::filesystem::path& to);
  virtual int sync_directory(const std::filesystem::path& path);
  virtual int remove(const std::filesystem::path& path);  // file or empty folder
  virtual int make_directory(const std::filesystem::path& path);
  virtual int exchange(const std::filesystem::path& a, const std::filesystem::path& b);  // swaps two names atomically
  static FileSystem& real();
};
/// The file system in use; tests replace it for a scope.
FileSystem& file_system();
class FileSystemScope {
 public:
  explicit FileSystemScope(FileSystem& replacement);
  ~FileSystemScope();

 private:
  FileSystem* former_;
};

/// A folder that appears whole or not at all: files are added to `.tmp-<name>-<host>-<pid>` beside it; commit() syncs,
/// verifies what was written, renames and syncs the parent. Destroyed without commit, it removes the temporary folder.
/// A folder of the final name that is already there is swapped for the new one, then removed. throws OutputError.
class StagedDirectory {
 public:
  explicit StagedDirectory(std::filesystem::path final_path);
  ~StagedDirectory();
  /// Writes one file; `fill` calls the sink it is given with consecutive pieces. Size and hashes are kept for
  /// MANIFEST.json.
  void add(const std::string& name, const std::function<void(const ByteSink& sink)>& fill);
  void add(const std::string& name, std::string_view bytes);
  /// Writes MANIFEST.json (name, size, sha256 of each file; format version), re-reads every file and compares, renames.
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Checks a folder made by StagedDirectory against its MANIFEST.json: format version, the same set of files, sizes,
/// hashes. throws CheckpointError naming file, expected, found.
void verify_manifest(const std::filesystem::path& directory);

/// What remove_stale_staging found: `.tmp-*` removed, and those of other hosts, whose processes nobody here can ask
/// after.
struct StaleStaging {
  std::vector<std::filesystem::path> removed, foreign;
};
/// Removes the `.tmp-*` files and folders in `directory` that dead processes of this host left behind. Those of live
/// processes and of other hosts stay. Call it under the run's lock. A missing directory holds nothing.
StaleStaging remove_stale_staging(const std::filesystem::path& directory);

/// Exclusive lock of a run directory (flock on `run.lock`); released by the kernel when the process dies.
/// throws OutputError "in use by pid P on H since T".
class RunLock {
 public:
  explicit RunLock(const std::filesystem::path& directory);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;
  /// True if a live process holds the lock of `directory`. Only looks: a dead process's pid in the file answers without
  /// touching the lock, so that a run which is just starting is not disturbed.
  static bool is_held(const std::filesystem::path& directory);

 private:
  int fd_;
};

/// Append-only record of lines (metrics.jsonl): every line is written whole, or not at all when the disk is full.
/// throws OutputError.
class LineWriter {
 public:
  /// Keeps the first `keep_bytes` of an existing file; what follows moves to `<stem>.discarded<ext>`. -1 keeps all but
  /// an unfinished last line. A file shorter than `keep_bytes` is an error.
  explicit LineWriter(std::filesystem::path path, int64_t keep_bytes = -1);
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;
  /// `line` without its newline.
  void write(std::string_view line);
  /// fsync: call it before a checkpoint records bytes().
  void sync();
  int64_t bytes() const { return bytes_; }

 private:
  std::filesystem::path path_;
  int fd_ = -1;
  int64_t bytes_ = 0;
};

/// Resolves `relative` below `root` to a regular file; neither `..` nor links may lead out of root. The result is the
/// resolved path, without links. throws DataError of class SEC ("outside the data root") or DAT (missing, not a regular
/// file).
std::filesystem::path resolve_inside(const std::filesystem::path& root, const std::string& relative);

}  // namespace diptych

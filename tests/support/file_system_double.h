#pragma once
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>

#include "diptych/core/io/fs.h"
#include "support/slurp.h"

namespace diptych::testing {

/// Works on the real folder `root`, counts its operations, and fails or crashes at a chosen one. Beside it keeps a
/// model of what a disk may hold after a power cut: contents as of the last fsync of a file, names as of the last fsync
/// of a folder.
class FileSystemDouble : public FileSystem {
 public:
  enum class Fault { none, fail_once, fail_from, crash, half_write, lying_write };
  enum class Loss { nothing, contents, names, both };  // what a power cut takes of the unsynced
  static constexpr Loss kLosses[] = {Loss::nothing, Loss::contents, Loss::names, Loss::both};

  FileSystemDouble(std::filesystem::path root, Fault fault, int at, int error_number = EIO)
      : root_path_(std::move(root)), fault_(fault), at_(at), error_(error_number) {
    load(root_path_, *root_);
  }
  bool fired() const { return fired_; }
  int operations() const { return count_; }
  bool exchange_supported = true;

  /// Puts into `out` what a power cut at this moment leaves.
  void restore_into(const std::filesystem::path& out, Loss loss) const { store(*root_, out, loss); }

  int create(const std::filesystem::path& path) override {
    if (!step()) return -1;
    const int fd = FileSystem::create(path);
    if (fd >= 0) open_[fd] = add(path, false);
    return fd;
  }
  int64_t write(int fd, const void* data, size_t size) override {
    const bool now = count_ + 1 == at_;
    if (now && fault_ == Fault::half_write && size > 1) size /= 2, fired_ = true;
    if (!step()) {
      if (fault_ != Fault::crash && error_ != EINTR) put(fd, data, size / 2);  // the disk took some of it
      return errno = error_, -1;
    }
    if (now && fault_ == Fault::lying_write) {
      fired_ = true;
      put(fd, data, size / 2);
      return static_cast<int64_t>(size);
    }
    return put(fd, data, size);
  }
  int sync(int fd) override {
    if (!step()) return -1;
    if (open_.count(fd)) open_[fd]->synced = open_[fd]->data;
    return FileSystem::sync(fd);
  }
  int close(int fd) override {
    const bool alive = step();
    FileSystem::close(fd);  // also of a "dead" process, or the test runs out of descriptors
    open_.erase(fd);
    return alive ? 0 : -1;
  }
  int rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    if (!step()) return -1;
    const int result = FileSystem::rename(from, to);
    if (result == 0) {
      auto node = find(from);
      folder_of(from).names.erase(from.filename());
      folder_of(to).names[to.filename()] = node;
    }
    return result;
  }
  int exchange(const std::filesystem::path& a, const std::filesystem::path& b) override {
    if (!step()) return -1;
    if (!exchange_supported) return errno = EINVAL, -1;
    const int result = FileSystem::exchange(a, b);
    if (result == 0) std::swap(folder_of(a).names[a.filename()], folder_of(b).names[b.filename()]);
    return result;
  }
  int sync_directory(const std::filesystem::path& path) override {
    if (!step()) return -1;
    const auto node = path == root_path_ ? root_ : find(path);
    node->durable_names = node->names;
    return FileSystem::sync_directory(path);
  }
  int remove(const std::filesystem::path& path) override {
    if (!step()) return -1;
    const int result = FileSystem::remove(path);
    if (result == 0) folder_of(path).names.erase(path.filename());
    return result;
  }
  int make_directory(const std::filesystem::path& path) override {
    if (!step()) return -1;
    const int result = FileSystem::make_directory(path);
    if (result == 0) add(path, true);
    return result;
  }

 private:
  struct Node {
    bool is_folder = false;
    std::string data, synced;
    std::map<std::string, std::shared_ptr<Node>> names, durable_names;
  };

  /// False (with errno) if this operation fails.
  bool step() {
    ++count_;
    const bool fails = (fault_ == Fault::fail_once && count_ == at_) ||
                       ((fault_ == Fault::fail_from || fault_ == Fault::crash) && count_ >= at_);
    if (fails) fired_ = true, errno = error_;
    return !fails;
  }
  int64_t put(int fd, const void* data, size_t size) {
    const int64_t written = FileSystem::write(fd, data, size);
    if (written > 0 && open_.count(fd))
      open_[fd]->data.append(static_cast<const char*>(data), static_cast<size_t>(written));
    return written;
  }
  std::shared_ptr<Node> find(const std::filesystem::path& path) {
    auto node = root_;
    for (const auto& part : path.lexically_relative(root_path_)) node = node->names.at(part);
    return node;
  }
  Node& folder_of(const std::filesystem::path& path) {
    return path.parent_path() == root_path_ ? *root_ : *find(path.parent_path());
  }
  std::shared_ptr<Node> add(const std::filesystem::path& path, bool is_folder) {
    auto node = std::make_shared<Node>();
    node->is_folder = is_folder;
    return folder_of(path).names[path.filename()] = node;
  }
  static void load(const std::filesystem::path& path, Node& folder) {
    folder.is_folder = true;
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      auto node = std::make_shared<Node>();
      if (entry.is_directory())
        load(entry.path(), *node);
      else
        node->data = node->synced = slurp(entry.path());
      folder.names[entry.path().filename()] = node;
    }
    folder.durable_names = folder.names;
  }
  static void store(const Node& folder, const std::filesystem::path& out, Loss loss) {
    std::filesystem::create_directories(out);
    for (const auto& [name, node] : loss == Loss::names || loss == Loss::both ? folder.durable_names : folder.names) {
      if (node->is_folder)
        store(*node, out / name, loss);
      else
        std::ofstream(out / name, std::ios::binary)
            << (loss == Loss::contents || loss == Loss::both ? node->synced : node->data);
    }
  }

  std::filesystem::path root_path_;
  std::shared_ptr<Node> root_ = std::make_shared<Node>();
  std::map<int, std::shared_ptr<Node>> open_;
  Fault fault_;
  int at_, error_, count_ = 0;
  bool fired_ = false;
};

}  // namespace diptych::testing

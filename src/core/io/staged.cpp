#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "core/io/durable.h"
#include "core/io/posix.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/io/json.h"
#include "diptych/core/text.h"

namespace diptych {

namespace fs = std::filesystem;

namespace staged {
struct StagedFile {
  std::string name;
  uint64_t size;
  std::string sha256;
};
}  // namespace staged

namespace {

using staged::StagedFile;

constexpr const char* kManifest = "MANIFEST.json";
constexpr int64_t kManifestFormat = 1;
constexpr const char* kManifestNeeds = "0.1";  // the first version of Diptych that reads this format
constexpr uint64_t kMaxManifestBytes = 1 << 20;

bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string("/\0", 2)) == std::string::npos;
}

Json manifest_of(const std::vector<StagedFile>& files) {
  Json list = Json::array();
  for (const auto& file : files) list.push_back({{"name", file.name}, {"size", file.size}, {"sha256", file.sha256}});
  return {{"format", kManifestFormat}, {"needs", kManifestNeeds}, {"files", std::move(list)}};
}

std::vector<StagedFile> files_of(const Json& manifest, const std::string& where) try {
  if (const auto format = manifest.at("format").get<int64_t>(); format != kManifestFormat)
    throw CheckpointError(where,
                          concat("is of format ", format, ", this program reads format ", kManifestFormat,
                                 ": needs diptych >= ", escape_for_log(manifest.at("needs").get<std::string>(), 20)));
  std::vector<StagedFile> files;
  for (const auto& entry : manifest.at("files")) {
    files.push_back(
        {entry.at("name").get<std::string>(), entry.at("size").get<uint64_t>(), entry.at("sha256").get<std::string>()});
    if (!is_plain_name(files.back().name))
      throw CheckpointError(where,
                            concat("MANIFEST lists '", escape_for_log(files.back().name), "', which is no file name"));
  }
  return files;
} catch (const nlohmann::json::exception&) {
  throw CheckpointError(where, "MANIFEST lacks format, needs, or files with name, size and sha256 each");
}

void check_listed_file(const fs::path& directory, const StagedFile& file) {
  const fs::path path = directory / file.name;
  uint64_t size = 0;
  { posix::open_regular(path, ErrorClass::ckp, &size); }
  if (size != file.size)
    throw CheckpointError(posix::shown(path), concat("size: MANIFEST.json says ", file.size, " bytes, found ", size),
                          "the file is cut or was changed: use another checkpoint");
  if (const std::string found = sha256_of_file(path, ErrorClass::ckp); found != file.sha256)
    throw CheckpointError(posix::shown(path),
                          concat("sha256: MANIFEST.json says ", escape_for_log(file.sha256), ", found ", found),
                          "the file is damaged: use another checkpoint");
}

}  // namespace

struct StagedDirectory::State {
  explicit State(fs::path path) : final_path(std::move(path)), staging(durable::staging_path(final_path)) {}

  void create() {
    const auto make = [&] { return posix::retry([&] { return file_system().make_directory(staging.path()); }); };
    if (make() == 0) return;
    if (errno == EEXIST) {  // left by a dead process that had our number
      durable::remove_tree(staging.path());
      if (make() == 0) return;
    }
    durable::fail(final_path, "mkdir", errno);
  }
  void write(const std::string& name, const std::function<void(const ByteSink&)>& fill, uint64_t expected) {
    durable::NewFile file(staging.path() / name, final_path / name);
    file.expect(expected);
    fill([&](const void* data, size_t size) { file.write(data, size); });
    file.finish();
    const uint64_t size = file.size();
    files.push_back({name, size, file.sha256()});
  }
  void verify() const {
    for (const auto& file : files)
      durable::verify(staging.path() / file.name, file.size, file.sha256, final_path / file.name);
  }
  void publish() {
    if (posix::retry([&] { return file_system().rename(staging.path(), final_path); }) != 0) {
      if (errno != ENOTEMPTY && errno != EEXIST) durable::fail(final_path, "rename", errno);
      return replace();
    }
    staging.release();
    durable::sync_folder(posix::parent_of(final_path), final_path);
  }
  /// The final name is taken: swap the two folders in one call, then remove the old one, now under the temporary name.
  void replace() {
    if (posix::retry([&] { return file_system().exchange(staging.path(), final_path); }) != 0) {
      if (errno == EINVAL || errno == ENOSYS || errno == ENOTSUP) return replace_in_two_steps();
      durable::fail(final_path, "exchange", errno);
    }
    if (posix::retry([&] { return file_system().sync_directory(posix::parent_of(final_path)); }) == 0) return;
    // Until the swap is durable, a power cut may bring the old folder back: it must not be removed.
    const int error_number = errno;
    if (posix::retry([&] { return file_system().exchange(staging.path(), final_path); }) != 0) staging.release();
    durable::fail(final_path, "fsync of the folder", error_number);
  }
  /// For file systems that cannot swap. Between the renames the old folder is only there as `<name>.replaced`.
  void replace_in_two_steps() {
    const fs::path aside = final_path.native() + ".replaced";
    durable::remove_tree(aside);
    if (file_system().rename(final_path, aside) != 0) durable::fail(final_path, "rename", errno);
    if (file_system().rename(staging.path(), final_path) != 0) {
      const int error_number = errno;
      file_system().rename(aside, final_path);
      durable::fail(final_path, "rename", error_number);
    }
    staging.release();
    durable::sync_folder(posix::parent_of(final_path), final_path);
    durable::remove_tree(aside);
  }

  fs::path final_path;
  durable::Staging staging;
  std::vector<staged::StagedFile> files;
};

StagedDirectory::StagedDirectory(fs::path final_path) {
  if (!final_path.has_filename()) final_path = final_path.parent_path();
  make_directories(posix::parent_of(final_path));
  state_ = std::make_unique<State>(std::move(final_path));
  state_->create();
}
StagedDirectory::~StagedDirectory() = default;

void StagedDirectory::add(const std::string& name, const std::function<void(const ByteSink& sink)>& fill) {
  const bool again =
      std::any_of(state_->files.begin(), state_->files.end(), [&](const auto& f) { return f.name == name; });
  if (!is_plain_name(name) || name == kManifest || again)
    throw std::logic_error(concat("StagedDirectory::add: '", name, "' is no file name, reserved, or there already"));
  state_->write(name, fill, 0);
}
void StagedDirectory::add(const std::string& name, std::string_view bytes) {
  add(name, [&](const ByteSink& sink) { sink(bytes.data(), bytes.size()); });
}

void StagedDirectory::commit() {
  const std::string manifest = manifest_of(state_->files).dump(1) + "\n";
  state_->write(
      kManifest, [&](const ByteSink& sink) { sink(manifest.data(), manifest.size()); }, manifest.size());
  durable::sync_folder(state_->staging.path(), state_->final_path);
  state_->verify();
  state_->publish();
  state_.reset();
}

void verify_manifest(const fs::path& directory) {
  const fs::path manifest_path = directory / kManifest;
  const std::string where = posix::shown(manifest_path);
  const auto files = files_of(load_json(manifest_path, kMaxManifestBytes, ErrorClass::ckp), where);
  std::set<std::string> listed{kManifest};
  for (const auto& file : files)
    if (!listed.insert(file.name).second)
      throw CheckpointError(where, concat("MANIFEST lists '", escape_for_log(file.name), "' twice"));
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(directory, failed))
    if (!listed.count(entry.path().filename().native()))
      throw CheckpointError(posix::shown(entry.path()), "is not in MANIFEST.json",
                            "move it away if you put it there; a checkpoint holds only the files of its manifest");
  if (failed) throw CheckpointError(posix::shown(directory), "cannot be read: " + failed.message());
  for (const auto& file : files) check_listed_file(directory, file);
}

namespace {

enum class StagingOwner { alive, dead, foreign };

/// Whose `.tmp-<name>-<host>-<pid>` this is.
StagingOwner owner_of(const fs::path& path) {
  const std::string name = path.filename().native(), host = "-" + posix::host_name();
  const size_t dash = name.rfind('-');
  const auto pid = parse_integer(std::string_view(name).substr(dash + 1));
  const auto before = std::string_view(name).substr(0, dash);
  const bool ours = pid && *pid > 0 && *pid <= INT32_MAX && before.size() > host.size() &&
                    before.substr(before.size() - host.size()) == host;
  if (!ours) return StagingOwner::foreign;
  if (*pid == ::getpid()) return durable::is_active(path) ? StagingOwner::alive : StagingOwner::dead;
  return ::kill(static_cast<pid_t>(*pid), 0) == 0 || errno == EPERM ? StagingOwner::alive : StagingOwner::dead;
}

}  // namespace

StaleStaging remove_stale_staging(const fs::path& directory) {
  std::vector<fs::path> staged;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(directory, failed))
    if (entry.path().filename().native().rfind(".tmp-", 0) == 0) staged.push_back(entry.path());
  std::sort(staged.begin(), staged.end());
  StaleStaging found;
  for (const auto& path : staged) {
    const StagingOwner owner = owner_of(path);
    if (owner == StagingOwner::foreign) found.foreign.push_back(path);
    if (owner != StagingOwner::dead) continue;
    durable::remove_tree(path);
    found.removed.push_back(path);
  }
  return found;
}

}  // namespace diptych

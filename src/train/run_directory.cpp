#include "diptych/train/run_directory.h"

#include <torch/torch.h>
#include <unistd.h>

#include <ctime>
#include <set>

#include "core/io/posix.h"
#include "diptych/core/io/hash.h"
#include "diptych/core/text.h"
#include "diptych/train/environment.h"
#include "diptych/train/version.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMaxText = 16 << 20;

std::string now_text(const char* format) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[64];
  return {text, std::strftime(text, sizeof text, format, &local)};
}

std::string current_directory() {
  std::error_code ignored;
  return fs::current_path(ignored).string();
}

std::string absolute_text(const std::string& value) {
  const ConfigNode node = parse_config("path: " + value, "path");
  const std::string& text = node.find("path")->text;
  return text.empty() ? value : detail::scalar_text(fs::absolute(text).lexically_normal().string());
}

}  // namespace

std::vector<Row> with_absolute_paths(std::vector<Row> rows) {
  for (Row& row : rows)
    if (row.field.path && !row.is_section && row.type == "text") row.value = absolute_text(row.value);
  return rows;
}

RunDirectory::RunDirectory(fs::path path) : path_(std::move(path)), lock_(std::make_unique<RunLock>(path_)) {}

void RunDirectory::check_free(const fs::path& path) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(path, error)) && !fs::is_directory(path, error))
    throw OutputError(path.string(), "exists and is not a directory", "name another --run-dir");
  if (fs::is_directory(path, error) && !fs::is_empty(path, error))
    throw UsageError(path.string(), "the run directory exists and is not empty",
                     is_run_directory(path) ? "continue it with: diptych train --resume " + path.string()
                                            : "name another --run-dir");
}

RunDirectory RunDirectory::create(const fs::path& path, const Experiment& experiment, const ExperimentSource& source,
                                  const DataBundle& data, const std::vector<std::string>& command) {
  check_free(path);
  make_directories(path);
  RunDirectory run(path);
  const auto rows = with_absolute_paths(rows_of(experiment));
  if (!source.files.empty()) {
    write_file_atomically(path / "config.yaml", read_file(source.files.front(), kMaxText, ErrorClass::cfg));
    if (source.files.size() > 1) make_directories(path / "config.d");
    for (size_t i = 1; i < source.files.size(); ++i)
      write_file_atomically(path / "config.d" / concat(i, "-", source.files[i].filename().string()),
                            read_file(source.files[i], kMaxText, ErrorClass::cfg));
  }
  write_file_atomically(path / "vocabulary.txt", data.vocabulary.to_text());
  write_file_atomically(
      path / "command.json",
      Json{{"argv", command}, {"cwd", current_directory()}, {"overrides", source.echoes}}.dump(1) + "\n");
  write_file_atomically(path / "env.json", environment(experiment).dump(1) + "\n");
  write_file_atomically(path / "data.json", data_summary(data).dump(1) + "\n");
  run.set_status("running");
  // Last: from here on the folder is a run that can be resumed.
  write_file_atomically(path / "config.resolved.yaml", to_yaml(rows));
  return run;
}

void RunDirectory::point_latest_here() const {
  const fs::path link = path_.parent_path() / "latest";
  std::error_code error;
  if (!fs::is_symlink(fs::symlink_status(link, error)) && fs::exists(link, error)) return;
  fs::remove(link, error);
  fs::create_directory_symlink(path_.filename(), link, error);
}

void RunDirectory::record_configuration(const Experiment& experiment, int64_t step) {
  const fs::path file = path_ / "config.resolved.yaml";
  const std::string now = to_yaml(with_absolute_paths(rows_of(experiment)));
  const std::string then = read_file(file, kMaxText, ErrorClass::cfg);
  if (now == then) return;
  make_directories(path_ / "config.d");
  write_file_atomically(path_ / "config.d" / concat("resolved-until-step-", step, ".yaml"), then);
  write_file_atomically(file, now);
}

RunDirectory RunDirectory::open(const fs::path& path) {
  if (!is_run_directory(path))
    throw UsageError(path.string(), fs::exists(path) ? "is no run directory: it has no config.resolved.yaml"
                                                     : "no such run directory");
  return RunDirectory(path);
}

std::string RunDirectory::status() const {
  std::error_code ignored;
  if (!fs::exists(path_ / "STATUS", ignored)) return "";
  return std::string(trim(read_file(path_ / "STATUS", 4096, ErrorClass::out)));
}

void RunDirectory::set_status(const std::string& status) { write_file_atomically(path_ / "STATUS", status + "\n"); }

void RunDirectory::add_session(const std::string& kind, const Json& details) {
  Json line{{"kind", kind},
            {"time", now_text("%Y-%m-%dT%H:%M:%S%z")},
            {"pid", static_cast<int64_t>(getpid())},
            {"host", posix::host_name()},
            {"commit", kCommit}};
  if (*kDiff) line["diff"] = kDiff;
  line.update(details);
  LineWriter(path_ / "sessions.jsonl").write(dump_line(line));
}

fs::path default_run_path(const Experiment& experiment) {
  return fs::path("runs") / experiment.name /
         concat(now_text("%Y%m%d-%H%M%S"), "-", config_hash(rows_of(experiment)).substr(0, 8));
}

bool is_run_directory(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path / "config.resolved.yaml", ignored);
}

ExperimentSource load_run_source(const fs::path& run, const std::vector<std::string>& overrides) {
  if (!is_run_directory(run))
    throw UsageError(run.string(),
                     fs::exists(run) ? "is no run directory: it has no config.resolved.yaml" : "no such run directory");
  return load_experiment_source(run / "config.resolved.yaml", overrides);
}

Vocabulary load_run_vocabulary(const fs::path& run) {
  const fs::path file = run / "vocabulary.txt";
  return Vocabulary::from_text(read_file(file, kMaxText, ErrorClass::ckp), file.string());
}

Json data_summary(const DataBundle& data) {
  Json out{{"corpus", data.corpus.name},
           {"fingerprint", data.corpus.fingerprint},
           {"vocabulary", data.vocabulary.hash()},
           {"words", data.vocabulary.size()},
           {"notes", data.corpus.notes}};
  for (const Split split : {Split::train, Split::val, Split::test}) {
    const auto images = data.corpus.image_rows(split);
    std::set<int64_t> labels;
    for (const int64_t row : images) labels.insert(data.corpus.images[static_cast<size_t>(row)].label);
    out["splits"][enum_text(split)] = Json{
        {"images", images.size()}, {"captions", data.corpus.caption_rows(split).size()}, {"labels", labels.size()}};
    if (!data.corpus.modifications.empty())
      out["splits"][enum_text(split)]["modifications"] = data.corpus.modification_rows(split).size();
  }
  return out;
}

}  // namespace diptych

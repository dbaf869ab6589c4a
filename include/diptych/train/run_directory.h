#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "diptych/core/io/fs.h"
#include "diptych/core/io/json.h"
#include "diptych/train/experiment.h"
#include "diptych/train/system.h"

namespace diptych {

/// One directory with everything that one training produced; locked while in use.
///
///   STATUS  config.yaml  config.d/  config.resolved.yaml  command.json  env.json  data.json  vocabulary.txt
///   sessions.jsonl metrics.jsonl  timing.jsonl  run.log  checkpoints/  eval/  tb/ (log.tensorboard)
///
/// metrics.jsonl holds no wall-clock values, so that an interrupted and an uninterrupted run write the same bytes;
/// those go to timing.jsonl.
class RunDirectory {
 public:
  /// Makes a new one. throws UsageError when `path` exists and is not empty, OutputError when it cannot be written.
  static RunDirectory create(const std::filesystem::path& path, const Experiment& experiment,
                             const ExperimentSource& source, const DataBundle& data,
                             const std::vector<std::string>& command);
  /// throws UsageError when `path` exists and is not an empty folder, OutputError when it is no folder at all.
  static void check_free(const std::filesystem::path& path);
  /// Opens and locks an existing one. throws UsageError when it is none.
  static RunDirectory open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  std::string status() const;
  void set_status(const std::string& status);
  /// Points the link `latest` beside the run at it, unless something else has that name.
  void point_latest_here() const;
  /// Makes config.resolved.yaml say what holds from `step` on; the former text goes to config.d/.
  void record_configuration(const Experiment& experiment, int64_t step);
  void add_session(const std::string& kind, const Json& details);

 private:
  explicit RunDirectory(std::filesystem::path path);
  std::filesystem::path path_;
  std::unique_ptr<RunLock> lock_;
};

/// runs/<experiment>/<YYYYmmdd-HHMMSS>-<hash8>.
std::filesystem::path default_run_path(const Experiment& experiment);
/// The rows with every path made absolute: what config.resolved.yaml holds, so that a run can be resumed from anywhere.
std::vector<Row> with_absolute_paths(std::vector<Row> rows);
/// True if the folder holds a run (config.resolved.yaml).
bool is_run_directory(const std::filesystem::path& path);
/// Configuration of a run, with overrides. throws UsageError.
ExperimentSource load_run_source(const std::filesystem::path& run, const std::vector<std::string>& overrides);
/// The vocabulary stored with a run. throws CheckpointError.
Vocabulary load_run_vocabulary(const std::filesystem::path& run);

/// Images, captions, identities per split, fingerprint, vocabulary hash: data.json.
Json data_summary(const DataBundle& data);

}  // namespace diptych

#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "diptych/core/io/json.h"
#include "diptych/eval/protocol.h"

namespace diptych {

/// How a run stands. `crashed`: STATUS still says "running", but no live process holds the run's lock.
enum class RunState { running, done, failed, interrupted, crashed };

struct RunStatus {
  RunState state = RunState::done;
  int code = 0;  // exit code of `failed`, signal of `interrupted`, otherwise 0
};
/// "running", "done", "failed (exit 6)", "interrupted (signal 15)", "crashed".
std::string to_text(const RunStatus& status);

/// Reads STATUS and looks at the lock. throws CheckpointError when `run` is no run directory or STATUS is not
/// understood.
RunStatus read_run_status(const std::filesystem::path& run);

/// One row of metrics.jsonl. Values that were not finite when written are left out.
struct MetricsRow {
  std::string kind;  // "train" or "eval"
  int64_t step = 0, epoch = 0;
  std::string split, protocol;                         // of eval rows
  std::vector<std::pair<std::string, double>> values;  // "loss", "lr", "grad_norm", ...; "i2t/R@1", ..., "rsum"
  const double* find(std::string_view name) const;     // nullptr if absent
};

/// One folder of eval/: its name and what its metrics.json holds (without ranks; those are in ranks.npz beside).
struct RecordedEvaluation {
  std::string folder;  // "flickr8k-1k" for test, "flickr8k-1k-val" for val
  ProtocolResult result;
};

using NamedTexts = std::vector<std::pair<std::string, std::string>>;

/// A run directory as it lies on disk; nothing of a model is built and no image or checkpoint is opened.
struct RunRecord {
  std::filesystem::path path;
  RunStatus status;
  std::string experiment;
  NamedTexts config;     // resolved configuration, in its order: "train.stages.0.freeze" -> "[model.image]"
  NamedTexts published;  // what the recipe says that the literature reports
  std::vector<MetricsRow> metrics;
  std::vector<Json> timing, sessions;  // rows of timing.jsonl and sessions.jsonl
  std::vector<RecordedEvaluation> evaluations;
  Json env = Json::object(), data = Json::object(), command = Json::object();
  std::string best, latest;         // names of checkpoint folders; "" if there is none (yet)
  std::vector<std::string> absent;  // files that a complete run has and this one has not: "eval", "env.json"

  const std::string* find_config(std::string_view path) const;  // nullptr if absent
  const RecordedEvaluation* find_evaluation(std::string_view protocol, std::string_view split) const;
  /// The checkpoint's validation metric: the last eval row of `best`'s step, or nullptr.
  const MetricsRow* best_row() const;
};

/// Reads everything above. An unfinished last line of a .jsonl file is passed over (the run may be writing it); files
/// that do not exist are listed in `absent`. throws CheckpointError (exit 4) with path and remedy: no run directory,
/// damaged or truncated file, file of another version.
RunRecord read_run_record(const std::filesystem::path& run);

/// The objects of a .jsonl file, one a line, without an unfinished last line. throws CheckpointError "FILE line N:
/// ...".
std::vector<Json> read_json_lines(const std::filesystem::path& file);

/// "a.0.b" -> text for every leaf of a configuration file, lists of plain values as one leaf "[x, y]".
NamedTexts flat_config(const std::filesystem::path& file);

}  // namespace diptych

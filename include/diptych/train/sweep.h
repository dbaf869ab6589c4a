#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "diptych/core/options.h"
#include "diptych/report/aggregate.h"
#include "diptych/train/experiment.h"

// A sweep: one recipe, several settings, several seeds. Every point is one run in a process of its own, so that a crash
// takes one job and not the sweep; what is done is read off the run directories, so that any sweep can be killed and
// started again.
//
//   base: ../flickr8k/cmpm_cmpc_mobilenet_v2.yaml    # relative to this file
//   name: margin
//   set: {train.stages.0.epochs: 2}                  # the same in all jobs
//   grid: {objective.0.margin: [0.1, 0.2], model.image_head.dim: [256, 512]}
//   list: [{label: plain, precision: fp32}, {label: fast, precision: bf16}]   # crossed with grid
//   seeds: [1, 2, 3]
//   select: val/rsum
//   report: [flickr8k-1k]

namespace diptych {

/// KEY and the YAML text of its value: one override of the recipe.
using SweepAssignment = std::pair<std::string, std::string>;

/// `set`: overrides that all jobs share.
struct SweepSet {
  std::vector<SweepAssignment> assignments;
  void read(const ConfigNode& node, const std::string& path, Complaints& complaints);
  void list(Lister&) const {}
};

/// `grid`: every key with the list of values that it takes; all combinations, the last key varying fastest.
struct SweepGrid {
  struct Axis {
    std::string key;
    std::vector<std::string> values, labels;  // YAML text; as shown in tables
  };
  std::vector<Axis> axes;
  void read(const ConfigNode& node, const std::string& path, Complaints& complaints);
  void list(Lister&) const {}
};

/// `list`: settings written out, each a map of overrides with an optional label for the tables.
struct SweepList {
  struct Item {
    std::string label;
    std::vector<SweepAssignment> assignments;
    std::vector<std::string> labels;  // of the values, as shown in tables
  };
  std::vector<Item> items;
  void read(const ConfigNode& node, const std::string& path, Complaints& complaints);
  void list(Lister&) const {}
};

struct SweepSpec {
  std::string base;
  std::string name = "sweep";
  SweepSet set;
  SweepGrid grid;
  SweepList choices;
  std::vector<int64_t> seeds;
  std::string select = "auto";
  std::vector<std::string> report;
  int64_t jobs = 1;
  static void visit(auto& self, auto& field) {
    field("base", self.base, "recipe that every job starts from; relative to this file",
          Field{.required = true, .path = true});
    field("name", self.name, "of the sweep; its directory is runs/sweeps/<name>");
    field("set", self.set, "overrides that all jobs share: {KEY: VALUE}");
    field("grid", self.grid, "{KEY: [VALUE, ...]}: all combinations");
    field("list", self.choices, "settings written out, crossed with grid: [{label: TEXT, KEY: VALUE}, ...]");
    field("seeds", self.seeds, "every setting is run once with each; empty = the recipe's own seed",
          Field{.lo = 0, .hi = 9007199254740992.0});
    field("select", self.select, "as evaluate.select; the winner is the best mean of it. auto = the recipe's own");
    field("report", self.report, "protocols of the tables; empty = the recipe's own");
    field("jobs", self.jobs, "jobs at once; the threads are divided among them", Field{.lo = 1, .hi = 1024});
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const;

  std::filesystem::path file;  // it was read from, for messages; empty for -m
};

/// Reads a specification; `base` becomes a path from the current folder. throws UsageError with every complaint.
SweepSpec read_sweep_spec(const std::filesystem::path& file);
/// The form `--config BASE -m KEY=A,B -m seed=1..3`: one axis a word; A..B are integers; values are YAML.
SweepSpec sweep_spec_of_words(const std::filesystem::path& base, const std::vector<std::string>& words);
/// The specification as YAML that read_sweep_spec reads back, with an absolute `base`: sweep.yaml of the directory.
std::string to_yaml(const SweepSpec& spec);

/// One job: a resolved and validated configuration.
struct SweepPoint {
  size_t number = 0;                   // from 1, in the order of the specification, seeds innermost
  size_t setting = 0;                  // index into SweepPlan::settings
  std::string text;                    // "objective.0.margin=0.2 seed=1"
  std::vector<std::string> overrides;  // KEY=VALUE words, as the job's command line has them
  int64_t seed = 0, threads = 0;       // of the configuration
  std::string hash;                    // what the job computes, 64 hex digits
  std::string name() const;            // "003-1f2e3d4c"
};

struct SweepPlan {
  SweepSpec spec;
  std::vector<std::string> keys;                   // columns of the table
  std::vector<std::vector<std::string>> settings;  // their values
  std::vector<SweepPoint> points;
  std::string selection;               // "val/rsum", "" for the last checkpoint
  std::vector<std::string> protocols;  // spec.report, or the recipe's own
  std::string own_protocol;            // that training ends with; "" when evaluate.final = none
  std::string split = "test";          // of the final evaluation
};

/// Expands and validates every point. `overrides` (KEY=VALUE from the command line) go last. throws UsageError with all
/// complaints: a key or value that the configuration refuses, two points that would compute the same, an unknown
/// protocol, selection on the test split.
SweepPlan plan_sweep(const Catalog& catalog, const SweepSpec& spec, const std::vector<std::string>& overrides);

enum class JobState { waiting, running, finished, failed, interrupted };
constexpr auto enum_names(JobState) {
  return std::array{std::pair{JobState::waiting, "waiting"}, std::pair{JobState::running, "running"},
                    std::pair{JobState::finished, "finished"}, std::pair{JobState::failed, "failed"},
                    std::pair{JobState::interrupted, "interrupted"}};
}
struct JobStatus {
  JobState state = JobState::waiting;
  int exit_code = 0;  // of a failed job
};

/// What `diptych sweep` was asked to do with a plan.
struct SweepRequest {
  std::filesystem::path directory;  // holds jobs/, logs/ and the tables
  std::string program;              // as the command lines of --print name it
  int64_t jobs = 0;                 // at once; 0: from the specification
  int64_t threads = 0;              // of all jobs together; 0: all cores
  size_t only = 0;                  // --job K: this one alone, with all threads whatever `jobs` says
  bool retry_failed = false, fail_fast = false;
};

/// runs/sweeps/<name>.
std::filesystem::path default_sweep_path(const SweepSpec& spec);

/// The folder of a job: jobs/<NNN>-<hash8>, or the one of another number that computed the same before the
/// specification grew.
std::filesystem::path job_directory(const std::filesystem::path& sweep, const SweepPoint& point);
JobStatus job_status(const SweepPlan& plan, const SweepRequest& request, const SweepPoint& point);

/// Command lines of a job's steps: train, then evaluate for each further protocol.
std::vector<std::vector<std::string>> job_commands(const SweepPlan& plan, const SweepRequest& request,
                                                   const SweepPoint& point);
/// A command line that a POSIX shell reads back to the same words.
std::string shell_line(const std::vector<std::string>& words);

/// Runs what is left to do: finished jobs are skipped, interrupted ones resumed, failed ones repeated only on request;
/// a job that still runs from an earlier sweep is waited for. Failures are logged when they happen. A signal is passed
/// to the jobs, which save; then throws Interrupted. throws OutputError if the directory is in use or not writable.
void run_jobs(const SweepPlan& plan, const SweepRequest& request);

/// throws Error with the class of the first failed job in the order of the plan, if there is one; Interrupted if that
/// job was stopped by a signal.
void throw_first_failure(const SweepPlan& plan, const SweepRequest& request);

/// What the jobs' directories say now. throws CheckpointError for a damaged one.
SweepResults collect_sweep(const SweepPlan& plan, const SweepRequest& request);
/// sweep.csv, sweep.md, sweep.tex and sweep.json, each whole or not at all. throws OutputError.
void write_sweep_tables(const SweepResults& results, const std::filesystem::path& directory);
/// Jobs with state, seed and validation metric, for --status.
Table status_table(const SweepPlan& plan, const SweepResults& results);

}  // namespace diptych

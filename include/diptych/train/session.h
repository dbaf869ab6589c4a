#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "diptych/core/expect.h"
#include "diptych/train/encode.h"
#include "diptych/train/run_directory.h"
#include "diptych/train/trainer.h"

namespace diptych {

/// What `diptych train` was asked to do.
struct TrainRequest {
  std::filesystem::path config;  // empty with resume
  std::vector<std::string> overrides;
  std::filesystem::path run_dir;    // empty: runs/<experiment>/<time>-<hash>
  std::filesystem::path resume;     // a run directory, or "auto" (resume run_dir if it holds a run, else start)
  std::string checkpoint;           // with resume: exactly this one
  std::filesystem::path init_from;  // weights only, new run
  bool dry_run = false, force_resume = false;
  int64_t threads = 0;                    // 0: from the configuration
  std::vector<std::string> command;       // argv, for command.json
  std::vector<Expectation> expectations;  // their names are checked before anything is trained
};

/// How a training ended.
struct TrainOutcome {
  std::filesystem::path run;
  bool already_complete = false;
  std::optional<ProtocolResult> final_result;  // of the best checkpoint on evaluate.final; of a complete run as stored
};

/// Trains or resumes as asked; `print` receives the text of --dry-run. throws Error or Interrupted; the run's STATUS
/// says how it ended.
TrainOutcome train(const Catalog& catalog, const TrainRequest& request,
                   const std::function<void(const std::string&)>& print);

/// What `diptych evaluate` was asked to do.
struct EvaluateRequest {
  std::filesystem::path run;  // run directory, or a checkpoint folder inside one
  std::string checkpoint = "best";
  std::vector<std::string> protocols;  // empty: the run's own
  Split split = Split::test;
  std::filesystem::path out;           // empty: RUN/eval
  std::vector<std::string> overrides;  // of all runs named here
  int64_t threads = 0;
  std::vector<std::filesystem::path> ensemble;  // runs whose scores are added to those of `run`
  std::filesystem::path shortlist;              // a run of embeddings; `run` scores only pairs that it puts among its
  int64_t shortlist_k = 50;                     // k best of either side. Empty: all pairs
};
struct EvaluateOutcome {
  std::string checkpoint;
  std::filesystem::path directory;  // of the last protocol
  std::vector<ProtocolResult> results;
};
EvaluateOutcome evaluate(const Catalog& catalog, const EvaluateRequest& request);

/// Where the results of a protocol on a split lie below RUN/eval: "flickr8k-1k" for test, else "flickr8k-1k-val".
std::filesystem::path evaluation_folder(const std::filesystem::path& root, const std::string& protocol,
                                        const std::string& split);

/// A trained system as it stands in a run: configuration, data, weights of a checkpoint (averaged ones if the run keeps
/// an average). The same path serves evaluate, encode and search.
struct LoadedRun {
  std::unique_ptr<Experiment> experiment;
  DataBundle data;
  std::shared_ptr<System> system;
  std::string checkpoint;
};
LoadedRun load_run(const Catalog& catalog, const std::filesystem::path& run, const std::string& checkpoint,
                   const std::vector<std::string>& overrides, int64_t threads);

/// Checks expectations against results; one line each to `print`. throws CheckFailed when one does not hold, UsageError
/// for a metric that no protocol has.
void check_expectations(const std::vector<Expectation>& expectations, const std::vector<ProtocolResult>& results,
                        const std::function<void(const std::string&)>& print);

}  // namespace diptych

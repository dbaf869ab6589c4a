#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "diptych/core/io/json.h"
#include "diptych/eval/protocol.h"
#include "diptych/report/run_record.h"
#include "diptych/report/table.h"

// Runs that differ in their seed alone, as one number with its spread; settings beside each other in one table.

namespace diptych {

/// Mean and sample standard deviation of n values:
///   mean = sum x / n,   std = sqrt(sum (x - mean)^2 / (n - 1)),   std = 0 for n < 2 (it says nothing then).
struct MeanStd {
  double mean = 0, std = 0;
  int64_t n = 0;
};
MeanStd mean_std(std::span<const double> values);

/// sqrt(((n_a - 1) s_a^2 + (n_b - 1) s_b^2) / (n_a + n_b - 2)); both n >= 2.
double pooled_std(const MeanStd& a, const MeanStd& b);

/// True if `best` is better than `runner_up` by more than their pooled standard deviation, both of at least two values.
bool clearly_better(const MeanStd& best, const MeanStd& runner_up, bool lower_is_better = false);

/// Ranks (medr, meanr) are better when lower; everything else when higher.
bool lower_is_better(const std::string& metric);

/// "27.8 ± 1.2"; "27.8" for n = 1; "" for n = 0.
std::string to_text(const MeanStd& value);

/// One job of a sweep, finished or not.
struct SweepJob {
  std::string name;    // "003-1f2e3d4c"
  size_t setting = 0;  // index into SweepResults::settings
  int64_t seed = 0;
  std::string state;                      // "finished", "failed", "interrupted", "running", "waiting"
  int exit_code = 0;                      // of a failed one
  std::optional<double> selection;        // validation metric of the chosen checkpoint
  std::vector<ProtocolResult> evaluated;  // at the end, ranks empty; only of finished jobs
};

/// What a sweep measured. Settings are what its table compares: all values but the seed.
struct SweepResults {
  std::string name;
  std::vector<std::string> keys;                   // "objective.0.margin", or "setting" for named ones
  std::vector<std::vector<std::string>> settings;  // a value for each key
  std::string selection;                           // "val/rsum"; "" for the last checkpoint
  std::vector<std::string> protocols;              // a table each
  std::vector<SweepJob> jobs;
};

/// Mean and spread of one metric of one setting over its finished jobs.
MeanStd setting_value(const SweepResults& results, size_t setting, const std::string& protocol,
                      const std::string& metric);
MeanStd setting_selection(const SweepResults& results, size_t setting);

/// The setting with the best mean of the validation metric (the first of equal ones), or nothing without validation.
/// Test numbers have no say.
std::optional<size_t> winner(const SweepResults& results);

/// Means over the seeds of every setting against what its recipe says is published (block `published`, with a
/// tolerance): a line for each setting and protocol with such numbers; none: there is nothing to compare with.
struct SweepReproduction {
  bool holds = true;
  std::vector<std::string> lines;
};
SweepReproduction check_reproduction(const SweepResults& results, const NamedTexts& published);

/// One table a protocol: a row for each setting with n, the validation metric and the protocol's metrics as mean ± std;
/// the best of a column is bold where it is clearly better than the runner-up. Title: the protocol in words; notes: the
/// winner, what the numbers are, failed jobs.
std::vector<Table> sweep_tables(const SweepResults& results);

/// One row a setting: n, failed, then for every metric mean, std and the value of each seed, in full precision.
std::string sweep_csv(const SweepResults& results);

/// Everything, for programs: jobs with their numbers, settings with mean, std and n, winner.
Json sweep_json(const SweepResults& results);
/// The same read back. `where` names the file. throws CheckpointError.
SweepResults sweep_from_json(const Json& json, const std::string& where);

}  // namespace diptych

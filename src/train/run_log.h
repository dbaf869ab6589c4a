#pragma once
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "diptych/core/io/fs.h"
#include "diptych/core/io/json.h"
#include "diptych/eval/protocol.h"
#include "train/tensorboard_log.h"

namespace diptych {

/// What a training writes down while it runs. metrics.jsonl is the record: it holds no wall-clock value, so that a
/// resumed run and a straight one write the same bytes; those go to timing.jsonl.
class RunLog {
 public:
  /// Cuts metrics.jsonl back to `metrics_bytes`, the length that the checkpoint knows of. `tensorboard` is told
  /// everything too, unless it is null.
  RunLog(const std::filesystem::path& run, int64_t metrics_bytes, TensorboardLog* tensorboard);

  struct Step {
    int64_t step = 0, epoch = 0;
    double lr = 0;
    Json means;  // of the interval, by name
  };
  struct Times {
    double pairs_per_s = 0, wait_s = 0, memory_mb = 0;
  };
  void step(const Step& step, const Times& times);
  void evaluation(int64_t step, int64_t epoch, const ProtocolResult& result, const EncodedSplit& encoded,
                  double seconds);
  /// Images passed over under policy `skip`, each once a run: bad_samples.jsonl.
  void bad_samples(int64_t epoch, const std::vector<std::string>& skipped);
  /// What was known when a value stopped being finite: nonfinite-step-N.json.
  void nonfinite(int64_t step, const Json& report) const;

  /// To be called before a checkpoint records bytes().
  void sync() { metrics_.sync(); }
  int64_t bytes() const { return metrics_.bytes(); }

 private:
  void write(const Json& metrics, const Json& times);
  std::filesystem::path run_;
  LineWriter metrics_, timing_;
  TensorboardLog* tensorboard_;
  std::set<std::string> bad_;
};

}  // namespace diptych

#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "diptych/core/io/json.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/train/system.h"

namespace diptych {

/// Where training stands: everything of a resumption that is not a tensor.
struct TrainState {
  int64_t step = 0;            // optimiser steps since the start
  int64_t stage = 0;           // index
  int64_t stage_step = 0;      // optimiser steps within the stage
  int64_t stage_epoch = 0;     // finished epochs within the stage
  int64_t batches = 0;         // batches consumed within the epoch
  int64_t epochs = 0;          // finished epochs since the start
  std::optional<double> best;  // selection metric
  int64_t best_step = -1;
  std::optional<double> stage_best;  // the last value that counted as better for patience, within the stage
  int64_t waited = 0;                // evaluations since then
  int64_t metrics_bytes = 0;
  bool evaluation_due = false;     // the epoch is over, its evaluation is not
  Json window = Json::object();    // sums of the current log interval
  Json schedule = Json::object();  // of the stage
  /// Takes the selection metric of an evaluation at `step`. True if it is the best of the whole run. For patience, a
  /// value counts as better if it exceeds stage_best by more than `min_gain`, or is the stage's first.
  bool take_metric(double value, double min_gain);
  /// Moves on to the next stage; what the run as a whole knows stays.
  void next_stage();
  Json to_json() const;
  static TrainState from_json(const Json& json, const std::string& where);
};

/// A checkpoint in memory. `model` holds parameters and buffers by name; `optimizer` the optimiser's slots, the moving
/// average and the random generators.
struct Checkpoint {
  TensorFile model, optimizer;
  TrainState state;
  Json identity;  // hashes of configuration, data, vocabulary; threads; versions
};

/// "step-00001234".
std::string checkpoint_name(int64_t step);

/// Writes checkpoints/step-N whole or not at all (in place of one that is there already), then `latest`. throws
/// OutputError.
void save_checkpoint(const std::filesystem::path& checkpoints, const Checkpoint& checkpoint);
/// Points `latest` or `best` at a checkpoint.
void point_to(const std::filesystem::path& checkpoints, const std::string& pointer, const std::string& name);
/// What a pointer names, or nothing.
std::optional<std::string> pointed_at(const std::filesystem::path& checkpoints, const std::string& pointer);
/// Removes all but the newest `keep` up to `step`, the one just saved, and the best. Those after `step` belong to a
/// course that a resumption from an older checkpoint has left: they go too.
void prune_checkpoints(const std::filesystem::path& checkpoints, int64_t keep, int64_t step);
/// Names of all checkpoint folders, oldest first.
std::vector<std::string> list_checkpoints(const std::filesystem::path& checkpoints);

/// Reads and verifies one checkpoint folder. throws CheckpointError.
Checkpoint load_checkpoint(const std::filesystem::path& folder);
/// `best`, `latest`, or a name; what a run directory's user means. throws CheckpointError listing what exists.
std::filesystem::path find_checkpoint(const std::filesystem::path& run, const std::string& which);
/// The newest intact checkpoint of a run; damaged ones are reported and passed over. throws CheckpointError when
/// checkpoints exist and none is intact; nullopt when none exists.
std::optional<std::pair<std::filesystem::path, Checkpoint>> newest_checkpoint(const std::filesystem::path& run);

/// Parameters and buffers by name, as CPU tensors that share nothing.
std::map<std::string, at::Tensor> module_state(const torch::nn::Module& module);
/// Copies all of it back, or throws CheckpointError with a table of missing, unexpected and mis-shaped names and
/// changes nothing.
void restore_module(torch::nn::Module& module, const std::map<std::string, at::Tensor>& state,
                    const std::string& where);

}  // namespace diptych

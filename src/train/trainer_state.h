#pragma once
#include <memory>
#include <string>

#include "diptych/train/ema.h"
#include "diptych/train/trainer.h"
#include "train/active_stage.h"
#include "train/meter.h"
#include "train/run_log.h"
#include "train/step.h"

namespace diptych {

/// What helps where evaluate.select cannot be computed on val.
constexpr const char* kGalleryTooSmall =
    "the gallery is smaller than K: have more images in val (of a CSV: data.corpus.split), select another metric, such "
    "as evaluate.select=val/i2t/R@5, or none: evaluate.select=last";

/// All that a training is made of between two steps; trainer.cpp moves it, trainer_state.cpp saves and restores it.
struct Trainer::State {
  State(const Experiment& experiment, const DataBundle& data, System& system);

  const Experiment& experiment;
  const DataBundle& data;
  System& system;
  std::shared_ptr<Protocol> protocol;
  std::string metric;  // selection metric, "" for last
  Ema ema;
  TrainState at;
  std::unique_ptr<ActiveStage> stage;
  FeatureCache cache;
  Meter window;
  std::unique_ptr<RunLog> run_log;
  std::map<std::string, at::Tensor> pending_optimizer;  // of a restored checkpoint, until its stage is made
  std::vector<int64_t> steps_of_stage;                  // by preflight, for the time left
  int64_t saved_step = -1;                              // of the newest checkpoint that owes no evaluation

  void begin_stage();
  double epoch_position() const;  // finished epochs and the share of the running one

  // One epoch (trainer.cpp).
  at::Tensor cached_features();
  bool train_epoch(RunDirectory& run);
  void fit_epoch(RunDirectory& run);
  FitContext fit_context() const;
  void train_step(const Batch& batch, bool boundary);
  void throw_nonfinite(const std::optional<NonFinite>& found) const;
  void finish_epoch(RunDirectory& run);
  bool evaluate();
  bool stage_is_over(int64_t stage) const;  // for the place where the training stands
  int64_t steps_left() const;
  void check_selection() const;
  void check_collapse(const ProtocolResult& result) const;

  // Checkpoints (trainer_state.cpp).
  Checkpoint checkpoint() const;
  void restore(const Checkpoint& checkpoint);
  void save(RunDirectory& run);
};

}  // namespace diptych

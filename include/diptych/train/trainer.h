#pragma once
#include <memory>

#include "diptych/train/checkpoint.h"
#include "diptych/train/encode.h"
#include "diptych/train/run_directory.h"
#include "diptych/train/system.h"

namespace diptych {

class TensorboardLog;  // src/train/tensorboard_log.h

/// What --dry-run prints and what a real run checks before it starts.
struct Preflight {
  std::optional<double> loss;  // of one batch of the last stage that takes gradient steps
  double step_seconds = 0;
  int64_t steps = 0;  // of the whole run
  uint64_t checkpoint_bytes = 0;
  std::string groups;  // table: parameters, frozen, learning rate, weight decay
};

/// Runs the stages of an experiment: freezing, batches, steps, evaluation, checkpoints. The whole state between two
/// steps is (module tensors, optimiser slots, moving average, generator, TrainState); a resumed run repeats an
/// uninterrupted one bit for bit.
class Trainer {
 public:
  Trainer(const Experiment& experiment, const DataBundle& data, System& system);
  ~Trainer();

  /// One real batch forward and backward and one evaluation block, then everything is put back. throws what a run
  /// would.
  Preflight preflight();
  /// Continues from a checkpoint. throws CheckpointError when it does not fit.
  void restore(const Checkpoint& checkpoint);
  /// Trains to the end. throws Interrupted after saving when a signal asks to stop; NumericError on non-finite values
  /// or collapse.
  void run(RunDirectory& run, TensorboardLog* tensorboard = nullptr);
  const TrainState& state() const;
  /// True if nothing is left to train: the last stage has had its epochs or has stopped early.
  bool complete() const;

  struct State;  // src/train/trainer_state.h

 private:
  std::unique_ptr<State> state_;
};

}  // namespace diptych

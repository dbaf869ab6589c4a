#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "diptych/train/checkpoint.h"
#include "diptych/train/system.h"
#include "train/candidates.h"

namespace diptych {

/// The stage being trained: what is made anew when a stage begins or a run resumes.
struct ActiveStage {
  /// The stage that `at` stands in. Freezes and thaws the system's parameters. throws UsageError for a stage that
  /// cannot run.
  ActiveStage(const Experiment& experiment, const DataBundle& data, System& system, const TrainState& at);

  const StageOptions& options;
  std::shared_ptr<Fit> fit;  // active: the stage is one step of it
  Freezer freezer;
  std::shared_ptr<Optimizer> optimizer;
  std::shared_ptr<Schedule> schedule;
  std::shared_ptr<Sampler> sampler;             // null where no gradient steps are taken
  std::vector<double> weights;                  // of the objective's terms
  std::optional<CandidateCaptions> candidates;  // of the term that chooses captions beside the batch
  bool image_frozen = false;
  int64_t steps_per_epoch = 0;

  StageTime time(int64_t stage_step) const { return {stage_step, steps_per_epoch * options.epochs, steps_per_epoch}; }
  /// Learning rate of a step: base x schedule x warm-up.
  double lr(int64_t stage_step) const;
  Augment augment() const { return fit->active() ? Augment::none : options.augment; }
  bool crops() const { return augment() == Augment::full; }
};

}  // namespace diptych

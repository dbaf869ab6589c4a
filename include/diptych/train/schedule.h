#pragma once
#include <cstdint>

#include "diptych/core/io/json.h"
#include "diptych/core/registry.h"

namespace diptych {

/// Where a stage stands, in optimiser steps.
struct StageTime {
  int64_t step;         // 0-based step within the stage
  int64_t total_steps;  // of the stage
  int64_t steps_per_epoch;
  double epoch() const { return static_cast<double>(step) / static_cast<double>(steps_per_epoch); }
};

/// The factor on the learning rate as a pure function of the step, so that nothing but the step needs saving; only
/// `plateau` also remembers validation values. Registry "schedule": constant, step, exponential, cosine, plateau.
class Schedule {
 public:
  virtual ~Schedule() = default;
  virtual double factor(const StageTime& time) const = 0;
  /// A new value of the selection metric, higher = better.
  virtual void observe(double /*metric*/) {}
  virtual Json state() const { return Json::object(); }
  virtual void restore(const Json& /*state*/) {}
};
using ScheduleRegistry = Registry<Schedule>;
void register_schedules(ScheduleRegistry& schedules);

/// Linear warm-up from 1/n to 1 over the first `warmup_steps` steps; 1 afterwards.
double warmup_factor(int64_t step, int64_t warmup_steps);

}  // namespace diptych

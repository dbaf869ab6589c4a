#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "diptych/core/registry.h"

namespace diptych {

/// A parameter that an optimiser moves, with the multipliers of its group.
struct NamedParameter {
  std::string name;  // "model.image.features.0.0.weight"
  at::Tensor value;
  double lr_multiplier = 1, decay_multiplier = 1;
};

/// First-order optimisers on LibTorch's fused kernels (one pass over memory; rmsprop has none). State is kept and saved
/// by parameter name; the learning rate is set before every step and never saved. Registry "optimizer": adam, adamw,
/// sgd, rmsprop.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  /// Must be called once before the first step. Parameters without gradient are left out of a step.
  void set_parameters(std::vector<NamedParameter> parameters);
  const std::vector<NamedParameter>& parameters() const { return parameters_; }
  /// The learning rate of the options, before schedules and multipliers.
  virtual double base_lr() const = 0;
  virtual double base_weight_decay() const = 0;
  /// One update with learning rate `lr` (times each parameter's multiplier).
  void step(double lr);
  void zero_grad();

  /// State tensors: "exp_avg/<parameter>", "step/<parameter>", ...
  std::map<std::string, at::Tensor> state() const;
  /// throws CheckpointError when state is missing, mis-shaped, or of another optimiser; nothing is changed then.
  void restore(const std::map<std::string, at::Tensor>& state);
  virtual std::string type() const = 0;

 protected:
  /// Parameters that share both multipliers, with their state: what one fused call updates.
  struct Batch {
    double lr, weight_decay;
    std::vector<at::Tensor> values, gradients;
    std::map<std::string, std::vector<at::Tensor>> slots;
  };
  /// Slot names that are made like the parameter ("exp_avg") and whether a step counter is kept.
  virtual std::vector<std::string> slot_names() const = 0;
  virtual void update(Batch& batch) = 0;

 private:
  std::vector<NamedParameter> parameters_;
  std::vector<std::map<std::string, at::Tensor>> slots_;  // per parameter
};
using OptimizerRegistry = Registry<Optimizer>;
void register_optimizers(OptimizerRegistry& optimizers);

}  // namespace diptych

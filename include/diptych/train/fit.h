#pragma once
#include <map>
#include <string>

#include "diptych/core/registry.h"

namespace diptych {

struct DataBundle;
struct Experiment;
struct FeatureCache;
class System;

/// What a fit sees. features: those of the training images by corpus row, or null where they did not fit into memory
/// and are encoded as they are needed.
struct FitContext {
  System& system;
  const DataBundle& data;
  const Experiment& experiment;
  const FeatureCache* features;
};

/// How a stage that takes no gradient steps finds parameters: in closed form or by expectation maximisation, from one
/// reading of the training split. Such a stage is one step of one epoch; everything is in evaluation mode. Registry
/// "fit":
///
///   none   the stage is made of gradient steps
///   text   what the text encoder has to be fitted (model/text_encoder.h: FittedText)
///   cca    linear canonical correlation analysis of both sides, written into both heads; fits the text encoder first
class Fit {
 public:
  virtual ~Fit() = default;
  /// False for a stage of gradient steps.
  virtual bool active() const { return true; }
  /// throws UsageError for what cannot be fitted, before anything is computed.
  virtual void check(const FitContext& context) const = 0;
  /// Deterministic in data and seed. Returns what metrics.jsonl is told. throws Interrupted; what was set by then
  /// stands.
  virtual std::map<std::string, double> run(const FitContext& context) const = 0;
};
using FitRegistry = Registry<Fit>;
void register_fits(FitRegistry& fits);

}  // namespace diptych

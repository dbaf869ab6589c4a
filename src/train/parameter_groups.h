#pragma once
#include <string>
#include <vector>

#include "diptych/train/system.h"

namespace diptych {

/// Parameters that train in a stage, with the multipliers of the first group whose pattern matches. throws UsageError
/// when nothing trains or a group's pattern matches no parameter at all.
std::vector<NamedParameter> trainable_parameters(System& system, const StageOptions& stage);

/// True if any parameter of the module requires a gradient.
bool parameters_train(const torch::nn::Module& module);

/// What --dry-run prints for a stage: per component the parameters that train, frozen ones, learning rate, weight
/// decay.
std::string group_table(System& system, const Optimizer& optimizer, const StageOptions& stage);

/// First captions of a batch by id, for messages.
std::string sample_ids(const Corpus& corpus, const Batch& batch);

/// throws DataError when a loss classifies and a label lies outside its classes.
void check_labels(const System& system, const DataBundle& data, const Batch& batch);

bool has_validation(const Corpus& corpus);

}  // namespace diptych

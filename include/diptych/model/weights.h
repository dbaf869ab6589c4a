#pragma once
#include <torch/nn/module.h>

#include <filesystem>
#include <string>
#include <vector>

namespace diptych {

/// What a weight file and a module have in common, by name.
struct WeightReport {
  std::vector<std::string> matched, missing, unexpected;  // missing: in the module only; unexpected: in the file only
  std::vector<std::string> mismatched;  // "features.0.0.weight: file [32,3,3,3] F32, model [16,3,3,3] F32"
  std::vector<std::string> leftover;    // classifier.*, fc.*: in the file only, as a headless encoder expects
  double matched_share() const;         // of the module's parameters and buffers
  double used_share() const;            // of the file's tensors, leftovers aside
  std::string brief() const;  // "312 matched, 0 missing, 0 unexpected, 0 mis-shaped (2 classifier tensors left over)"
  std::string full() const;   // brief() and a table of the first 20 names of each kind but matched
};

/// The name without the prefixes that wrappers of training scripts put before every name: module., _orig_mod.,
/// backbone., visual.trunk., in any order and number.
std::string without_wrappers(std::string name);

/// Compares names, dtypes and shapes; `num_batches_tracked` may be absent or [1]; the prefixes module., _orig_mod.,
/// backbone. and visual.trunk. are stripped from the file's names. Reads the file's header only. throws CheckpointError
/// if the file cannot be read or two of its names become one without their prefixes.
WeightReport match_weights(const torch::nn::Module& module, const std::filesystem::path& file);

/// Copies matching tensors, all or nothing. throws CheckpointError, with the report, when less than 90 % of the
/// module's tensors match, when less than 90 % of the file's find a place, or when any is mis-shaped or of another
/// dtype; NumericError when a tensor holds NaN or infinity. The module is then as it was.
WeightReport load_weights(torch::nn::Module& module, const std::filesystem::path& file);

}  // namespace diptych

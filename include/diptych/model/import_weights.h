#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "diptych/core/io/json.h"

namespace diptych {

struct ImportWeightsOptions {
  std::string key;                                            // entry that holds the tensors (torch_archive.h)
  std::vector<std::pair<std::string, std::string>> prefixes;  // FROM -> TO, each applied once, in order
  bool keep_names = false;  // leave module., _orig_mod., backbone. and visual.trunk. where they are
  bool float32 = false;     // F16, BF16 and F64 become F32, which the encoders read
};

struct ImportedWeights {
  std::string source, file, key;
  int64_t tensors = 0, numbers = 0, renamed = 0, converted = 0;
  std::vector<std::string> dropped, ties, not_finite;  // not_finite: names of tensors with NaN or infinite values
};

/// A .pt or .pth file of Python as safetensors with the names that the encoders know. Nothing of it is executed. The
/// file appears whole or not at all. throws CheckpointError (damaged or refused file, two tensors of one name after
/// renaming), UsageError if `file` is there already or a prefix fits no name, OutputError.
ImportedWeights import_weights(const std::filesystem::path& source, const std::filesystem::path& file,
                               const ImportWeightsOptions& options = {});
std::string to_text(const ImportedWeights& imported);
Json to_json(const ImportedWeights& imported);

}  // namespace diptych

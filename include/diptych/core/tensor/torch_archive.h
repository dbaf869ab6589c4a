#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "diptych/core/tensor/safetensors.h"

// Reads what Python's torch.save wrote, for `data import weights` alone. Such a file is a pickle, a small program for a
// stack machine that may call any Python function. Here it is interpreted, never executed: dictionaries, lists,
// numbers, texts and tensors are built; of functions, exactly those that rebuild them are known.

namespace diptych {

/// What is taken out of an archive.
struct TorchArchiveOptions {
  /// The entry of a checkpoint that holds the tensors, with dots between levels ("state_dict", "ema.model"). Empty: the
  /// archive itself if it holds tensors, else its only entry of a usual name (state_dict, model_state_dict, model,
  /// net).
  std::string key;
};

struct TorchArchive {
  TensorFile content;                // contiguous tensors that share nothing; metadata is empty
  std::string key;                   // where they were: "" or "state_dict"
  std::vector<std::string> dropped;  // entries beside them that are not taken: "epoch (an integer)"
  std::vector<std::string> ties;     // "decoder.weight = embedding.weight": names of one tensor, stored twice now
};

/// Reads a .pt or .pth file: the zip layout (torch >= 1.6; CRC checked) or the legacy one (a row of pickles), little
/// endian. Refused, each by name: any function but collections.OrderedDict, torch._utils._rebuild_tensor(_v2),
/// _rebuild_parameter, torch.Size and the storages of F64, F32, F16, BF16, I64, I32, I16, I8, U8 and BOOL; operations
/// that no state_dict needs; tensors that reach outside their storage or are larger than it; sizes beyond the file's.
/// throws CheckpointError with the Python line that rewrites the file.
TorchArchive read_torch_archive(const std::filesystem::path& path, const TorchArchiveOptions& options = {});

}  // namespace diptych

#pragma once
#include <string>

#include "diptych/core/io/json.h"
#include "diptych/train/experiment.h"

namespace diptych {

/// What a run's numbers depend on besides its configuration and data: env.json.
///
///   diptych  version; commit and dirty (with diff: version.h); build
///   torch    blas and onednn, the two GEMM libraries in it, with their versions; gemm: which of them computes scores
///   machine  cpu_capability, threads, cores, cuda_devices, device, host
Json environment(const Experiment& experiment);

/// From LibTorch's description of itself, at::show_config(). Empty where it does not say.
std::string torch_setting(const std::string& description, const std::string& key);  // behind "KEY="
std::string blas_of_torch(const std::string& description);                          // "mkl 2024.2", "open"
std::string onednn_of_torch(const std::string& description);                        // "3.12.0"

}  // namespace diptych

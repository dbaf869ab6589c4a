#include "diptych/train/environment.h"

#include <ATen/Config.h>
#include <torch/torch.h>
#include <torch/version.h>

#include <thread>

#include "core/io/posix.h"
#include "diptych/core/tensor/gemm.h"
#include "diptych/core/text.h"
#include "diptych/train/system.h"
#include "diptych/train/version.h"

namespace diptych {
namespace {

/// What follows `mark`, up to a character that no version holds.
std::string version_behind(const std::string& description, std::string_view mark) {
  const size_t at = description.find(mark);
  if (at == std::string::npos) return "";
  const size_t from = at + mark.size();
  return description.substr(from, description.find_first_not_of("0123456789.", from) - from);
}

}  // namespace

std::string torch_setting(const std::string& description, const std::string& key) {
  for (size_t at = description.find(key + "="); at != std::string::npos; at = description.find(key + "=", at + 1)) {
    if (at > 0 && description[at - 1] != ' ') continue;  // the end of a longer key
    const size_t from = at + key.size() + 1;
    return description.substr(from, description.find_first_of(",\n", from) - from);
  }
  return "";
}

std::string blas_of_torch(const std::string& description) {
  const std::string name = torch_setting(description, "BLAS_INFO");
  const std::string version = name == "mkl" ? version_behind(description, "Math Kernel Library Version ") : "";
  return version.empty() ? name : concat(name, " ", version);
}

std::string onednn_of_torch(const std::string& description) { return version_behind(description, "MKL-DNN v"); }

Json environment(const Experiment& experiment) {
  const std::string description = at::show_config();
  const bool dirty = *kDiff != 0;
  Json out{{"diptych", kVersion},
           {"commit", kCommit},
           {"dirty", dirty},
           {"build", kBuild},
           {"torch", TORCH_VERSION},
           {"blas", blas_of_torch(description)},
           {"onednn", onednn_of_torch(description)},
           {"gemm", linear_nt_backend()},
           {"cpu_capability", at::get_cpu_capability()},
           {"threads", at::get_num_threads()},
           {"cores", static_cast<int64_t>(std::thread::hardware_concurrency())},
           {"cuda_devices", static_cast<int64_t>(torch::cuda::device_count())},
           {"device", resolve_device(experiment.device).str()},
           {"host", posix::host_name()}};
  if (dirty) out["diff"] = kDiff;
  return out;
}

}  // namespace diptych

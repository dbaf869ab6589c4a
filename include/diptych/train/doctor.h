#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "diptych/core/io/json.h"
#include "diptych/train/catalog.h"

namespace diptych {

enum class Health { ok, warn, fail };
constexpr auto enum_names(Health) {
  return std::array{std::pair{Health::ok, "ok"}, std::pair{Health::warn, "warn"}, std::pair{Health::fail, "fail"}};
}

/// One thing that was looked at.
struct Diagnosis {
  Health health;
  std::string check;  // "build", "speed", "weights", ...
  std::string finding;
  std::string remedy;  // of a fail: one command that mends it
};

/// What `diptych doctor` asks.
struct DoctorRequest {
  std::filesystem::path config;  // empty: the machine alone
  std::vector<std::string> overrides;
  std::filesystem::path run_root = "runs";  // where runs are going to be written
  int64_t threads = 0;                      // 0: from the configuration, or all cores
};

/// Is this machine, and the data of this configuration, ready? Looks at
///   build    torch's headers against the library that runs, compiler, C++ ABI
///   device   CUDA built in and present; a CUDA build without a device is a warning
///   speed    matrix product of 1024 x 1024 in float32 for 0.2 s; below 10 GFLOP/s a core is a warning
///   threads  of ATen against the cores this process may use and the cgroup's limit; one OpenMP runtime
///   images   embedded JPEG and PNG decode, resizing gives known values
///   files    the run root can be written, free space, limit of open files
/// and, of a configuration: every key, every file, the published counts of known sets, 100 decoded images, the share of
/// unknown words, the fit of pretrained weights, whether every stage can make batches and the selection metric has a
/// gallery large enough, and room for the checkpoints. Nothing is trained and nothing is left behind. Shows progress.
std::vector<Diagnosis> examine(const Catalog& catalog, const DoctorRequest& request);

bool any_failed(const std::vector<Diagnosis>& found);
/// One line each, "ok    build    ...", and the remedy below it.
std::string to_text(const std::vector<Diagnosis>& found);
Json to_json(const std::vector<Diagnosis>& found);

}  // namespace diptych

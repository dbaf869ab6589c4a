#include <ATen/ATen.h>
#include <ATen/Config.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <torch/cuda.h>
#include <torch/version.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "diptych/core/tensor/gemm.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"
#include "diptych/data/image/self_check.h"
#include "diptych/train/environment.h"
#include "diptych/train/version.h"
#include "train/doctor_checks.h"

namespace diptych::doctor {

namespace fs = std::filesystem;

namespace machine {

constexpr double kSlowPerCore = 10;  // GFLOP/s: reference BLAS reaches 3, MKL with AVX-512 about 100
constexpr uint64_t kFewFiles = 256, kUsualFiles = 1024;
constexpr double kLittleSpace = 1e9;

std::string one_decimal(double value) { return number_text(std::round(value * 10) / 10); }

std::string content_of(const fs::path& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

int64_t cores_of_process() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) return std::thread::hardware_concurrency();
  return CPU_COUNT(&cores);
}

/// The folder itself, or the nearest one above it that exists.
fs::path existing(fs::path path) {
  std::error_code error;
  path = fs::absolute(path, error);
  while (!fs::exists(path, error) && path.has_parent_path() && path != path.parent_path()) path = path.parent_path();
  return path;
}

/// Empty if a file can be made, synced and removed in the folder.
std::string writing_fault(const fs::path& folder) {
  std::string name = (folder / ".diptych-doctor-XXXXXX").string();
  const int fd = ::mkstemp(name.data());
  if (fd < 0) return std::generic_category().message(errno);
  const bool written = ::write(fd, "x", 1) == 1 && ::fsync(fd) == 0;
  const int error = errno;
  ::close(fd);
  ::unlink(name.c_str());
  return written ? "" : std::generic_category().message(error);
}

}  // namespace machine

std::string version_in(const std::string& description) { return torch_setting(description, "TORCH_VERSION"); }

double cores_of_limit(const std::string& line) {
  const auto parts = split(trim(line), ' ');
  if (parts.size() != 2) return 0;
  const auto quota = parse_number(parts[0]), period = parse_number(parts[1]);
  return quota && period && *period > 0 ? *quota / *period : 0;
}

std::vector<std::string> openmp_runtimes(const std::string& maps) {
  std::set<std::string> found;
  for (const std::string& line : split(maps, '\n')) {
    const std::string name = line.substr(std::min(line.size(), line.rfind('/') + 1));
    for (const char* runtime : {"libgomp", "libiomp", "libomp"})
      if (name.starts_with(runtime) && line.find('/') != std::string::npos) found.insert(line.substr(line.find('/')));
  }
  return {found.begin(), found.end()};
}

int64_t free_bytes(const fs::path& path) {
  struct statvfs space {};
  if (::statvfs(machine::existing(path).c_str(), &space) != 0) return -1;
  return static_cast<int64_t>(space.f_bavail) * static_cast<int64_t>(space.f_frsize);
}

void examine_build(Diagnoses& out) {
  const std::string running = version_in(at::show_config());
  const std::string text = concat("diptych ", kVersion, " (", kCommit, ", ", kBuild, "), torch ", TORCH_VERSION,
                                  ", compiler ", __VERSION__, ", C++11 ABI ", _GLIBCXX_USE_CXX11_ABI);
  if (!running.empty() && !std::string(TORCH_VERSION).starts_with(running))
    return out.fail("build",
                    concat(text, "; built with the headers of torch ", TORCH_VERSION, ", running with ", running),
                    "scripts/build (after removing build/release)");
  out.ok("build", text);
}

void examine_device(Diagnoses& out) {
  const bool built = at::hasCUDA() || torch_setting(at::show_config(), "USE_CUDA") == "1" ||
                     torch_setting(at::show_config(), "USE_CUDA") == "ON";
  if (!built) return out.ok("device", "CPU (torch without CUDA)");
  if (!torch::cuda::is_available())
    return out.warn("device", "torch is built with CUDA, but no device can be used: the CPU is", "nvidia-smi");
  std::string details = at::detail::getCUDAHooks().showConfig();
  std::ranges::replace(details, '\n', ';');
  out.ok("device", concat(torch::cuda::device_count(), " CUDA devices; ", trim(details)));
}

void examine_threads(Diagnoses& out, int64_t threads) {
  configure_torch(static_cast<int>(threads), /*deterministic=*/false);
  const int64_t cores = machine::cores_of_process(), used = at::get_num_threads();
  const double limit = cores_of_limit(machine::content_of("/sys/fs/cgroup/cpu.max"));
  std::string text = concat(used, " compute threads, ", cores, " cores for this process");
  if (limit > 0) text += concat(", limited to ", machine::one_decimal(limit), " by the cgroup");
  const double allowed = limit > 0 ? std::min(limit, static_cast<double>(cores)) : static_cast<double>(cores);
  if (static_cast<double>(used) > std::ceil(allowed))
    out.warn("threads", text + ": more threads than cores",
             concat("--threads ", static_cast<int64_t>(std::ceil(allowed))));
  else
    out.ok("threads", text);
  const auto runtimes = openmp_runtimes(machine::content_of("/proc/self/maps"));
  if (runtimes.size() > 1)
    out.warn("threads", concat(runtimes.size(), " OpenMP runtimes are loaded and will compete: ", join(runtimes, ", ")),
             "install torch and OpenCV from one source, as scripts/setup does");
}

void examine_speed(Diagnoses& out) {
  using Clock = std::chrono::steady_clock;
  const at::NoGradGuard no_grad;
  const at::Tensor a = at::randn({1024, 1024}), b = at::randn({1024, 1024});
  at::Tensor c = at::mm(a, b);
  const auto start = Clock::now();
  double seconds = 0;
  int64_t products = 0;
  for (; seconds < 0.2; seconds = std::chrono::duration<double>(Clock::now() - start).count(), ++products)
    at::mm_out(c, a, b);
  const double rate = 2.0 * 1024 * 1024 * 1024 * static_cast<double>(products) / seconds / 1e9;
  const double per_core = rate / static_cast<double>(at::get_num_threads());
  const std::string text =
      concat(machine::one_decimal(rate), " GFLOP/s in float32 on ", at::get_num_threads(), " threads, BLAS ",
             blas_of_torch(at::show_config()), ", ", at::get_cpu_capability(), ", scores by ", linear_nt_backend());
  if (per_core < machine::kSlowPerCore)
    out.warn("speed", text + ": slow; is this a reference BLAS, or is the machine busy?", "scripts/setup");
  else
    out.ok("speed", text);
}

void examine_images(Diagnoses& out) {
  std::vector<std::string> faults;
  try {
    faults = image_faults();
  } catch (const fs::filesystem_error& error) {
    faults = {error.what()};
  }
  if (faults.empty()) return out.ok("images", "JPEG and PNG decode, resizing gives the known values");
  for (const std::string& fault : faults)
    out.fail("images", fault, "sudo apt-get install --reinstall libjpeg62-turbo libopencv-imgcodecs-dev");
}

void examine_files(Diagnoses& out, const fs::path& run_root) {
  const fs::path folder = machine::existing(run_root);
  const std::string shown = escape_for_log(folder.string(), 200);
  if (const std::string fault = machine::writing_fault(folder); !fault.empty())
    out.fail("files", concat("no file can be written in ", shown, ": ", fault),
             "diptych doctor --run-root DIR   # a folder that you may write to, then train --run-dir DIR/NAME");
  else
    out.ok("files", concat("runs can be written in ", shown));
  if (const int64_t space = free_bytes(folder); space >= 0 && static_cast<double>(space) < machine::kLittleSpace)
    out.warn("files", concat(bytes_text(static_cast<double>(space)), " free in ", shown), concat("df -h ", shown));
  else if (space >= 0)
    out.ok("files", concat(bytes_text(static_cast<double>(space)), " free"));
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  const std::string text = concat(static_cast<uint64_t>(files.rlim_cur), " open files allowed");
  if (files.rlim_cur < machine::kFewFiles)
    out.fail("files", text, concat("ulimit -n ", machine::kUsualFiles));
  else if (files.rlim_cur < machine::kUsualFiles)
    out.warn("files", text, concat("ulimit -n ", machine::kUsualFiles));
  else
    out.ok("files", text);
}

}  // namespace diptych::doctor

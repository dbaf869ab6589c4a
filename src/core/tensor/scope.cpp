#include "diptych/core/tensor/scope.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <sched.h>
#include <stdlib.h>
#include <torch/nn/module.h>
#include <torch/utils.h>

#include <algorithm>
#include <mutex>

#include "diptych/core/log.h"
#include "diptych/core/tensor/bf16.h"

namespace diptych {

EvalScope::EvalScope(torch::nn::Module& module) {
  for (const auto& part : module.modules(/*include_self=*/false)) former_.emplace_back(part.get(), part->is_training());
  former_.insert(former_.begin(), {&module, module.is_training()});
  module.eval();
}
EvalScope::~EvalScope() {
  // train() reaches down, so parents go first and each child has the last word on itself.
  for (const auto& [module, training] : former_) module->train(training);
}

AutocastScope::AutocastScope(Precision precision, at::DeviceType device)
    : active_(precision == Precision::bf16), device_(device), former_type_(at::autocast::get_autocast_dtype(device)) {
  if (!active_) return;
  static std::once_flag advised;
  std::call_once(advised, [&] {
    if (const std::string advice = bf16_advice(device); !advice.empty()) log::warn(advice);
  });
  former_enabled_ = at::autocast::is_autocast_enabled(device_);
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::set_autocast_dtype(device_, at::kBFloat16);
  at::autocast::increment_nesting();
}
AutocastScope::~AutocastScope() {
  if (!active_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_, former_enabled_);
  at::autocast::set_autocast_dtype(device_, former_type_);
}

Fp32Scope::Fp32Scope(at::DeviceType device) : device_(device), former_(at::autocast::is_autocast_enabled(device)) {
  if (former_) at::autocast::set_autocast_enabled(device_, false);
}
Fp32Scope::~Fp32Scope() {
  if (former_) at::autocast::set_autocast_enabled(device_, true);
}

namespace {

int usable_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (::sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
  return std::max(1, CPU_COUNT(&cores));
}

void set_one_interop_thread() {
  static std::once_flag once;  // torch refuses a second call
  std::call_once(once, [] {
    if (at::get_num_interop_threads() == 1) return;
    try {
      at::set_num_interop_threads(1);
    } catch (const c10::Error&) {
      // Somebody has used the pool already. Its size changes no result.
    }
  });
}

}  // namespace

void configure_torch(int threads, bool deterministic) {
  at::set_num_threads(threads > 0 ? threads : usable_cores());
  set_one_interop_thread();
  if (deterministic) ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  auto& context = at::globalContext();
  context.setDeterministicAlgorithms(deterministic, /*warn_only=*/at::hasCUDA());
  context.setDeterministicFillUninitializedMemory(false);  // it would write every new tensor once more
  context.setDeterministicCuDNN(deterministic);
  context.setBenchmarkCuDNN(!deterministic);
}

void seed_torch(uint64_t seed) { torch::manual_seed(seed); }

}  // namespace diptych

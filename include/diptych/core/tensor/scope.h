#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <utility>
#include <vector>

namespace torch::nn {
class Module;
}

namespace diptych {

/// fp32, or bf16 autocast (losses, ranks and optimisers stay fp32).
enum class Precision { fp32, bf16 };

/// Evaluation of a module: no gradients, eval() on entry, and on exit each submodule's former mode back.
class EvalScope {
 public:
  explicit EvalScope(torch::nn::Module& module);
  ~EvalScope();
  EvalScope(const EvalScope&) = delete;
  EvalScope& operator=(const EvalScope&) = delete;

 private:
  at::NoGradGuard no_grad_;
  std::vector<std::pair<torch::nn::Module*, bool>> former_;
};

/// bf16 autocast for a scope when precision says so; leaves the autocast state as it was, clears the cast cache on
/// exit. Leave it before backward().
class AutocastScope {
 public:
  AutocastScope(Precision precision, at::DeviceType device);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  bool active_;
  at::DeviceType device_;
  bool former_enabled_ = false;
  at::ScalarType former_type_;
};
/// Lifts autocast inside a bf16 scope (depthwise convolutions are faster in fp32 on CPU).
class Fp32Scope {
 public:
  explicit Fp32Scope(at::DeviceType device);
  ~Fp32Scope();
  Fp32Scope(const Fp32Scope&) = delete;
  Fp32Scope& operator=(const Fp32Scope&) = delete;

 private:
  at::DeviceType device_;
  bool former_;
};

/// Process-wide settings of a run: intra-op threads (0: those this process may run on), one inter-op thread,
/// deterministic algorithms on or off, memory filling off. On CUDA, where some operations have no deterministic form,
/// those warn.
void configure_torch(int threads, bool deterministic);
/// Seeds torch's generators on every device.
void seed_torch(uint64_t seed);

}  // namespace diptych

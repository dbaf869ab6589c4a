#include "diptych/core/tensor/gemm.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/mm.h>

#include <array>
#include <atomic>
#include <optional>
#include <string_view>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "diptych/core/error.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"

namespace diptych {

namespace {

enum class GemmBackend { undecided, mkl, onednn };

/// The internal operator, if this LibTorch has it in the form we know.
const c10::OperatorHandle* onednn_linear() {
  static const auto kFound = []() -> std::optional<c10::OperatorHandle> {
    const auto handle = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!handle || !handle->hasKernelForDispatchKey(c10::DispatchKey::MkldnnCPU)) {
      if (!handle || !handle->hasKernelForDispatchKey(c10::DispatchKey::CPU)) return std::nullopt;
    }
    constexpr const char* kKnown =
        "mkldnn::_linear_pointwise(Tensor X, Tensor W, Tensor? B, str attr, Scalar?[] scalars, str? algorithm) -> "
        "Tensor Y";
    return c10::toString(handle->schema()) == kKnown ? handle : std::nullopt;
  }();
  return kFound ? &*kFound : nullptr;
}

at::Tensor onednn_nt(const at::Tensor& x, const at::Tensor& w) {
  torch::jit::Stack stack{
      x, w, c10::IValue(), std::string("none"), c10::List<std::optional<c10::Scalar>>(), c10::IValue()};
  onednn_linear()->callBoxed(stack);
  return stack.front().toTensor();
}
at::Tensor mkl_nt(const at::Tensor& x, const at::Tensor& w) { return at::mm(x, w.t()); }

/// MKL keeps its AVX2 path on AMD, where oneDNN is up to twice as fast; elsewhere it is at its best.
bool is_amd() {
#if defined(__x86_64__)
  unsigned highest = 0;
  std::array<unsigned, 3> vendor{};  // ebx, edx, ecx spell "AuthenticAMD"
  if (!__get_cpuid(0, &highest, &vendor[0], &vendor[2], &vendor[1])) return false;
  return std::string_view(reinterpret_cast<const char*>(vendor.data()), sizeof vendor) == "AuthenticAMD";
#else
  return false;
#endif
}

/// The two libraries differ in the last bits, and a run must be able to repeat itself: the processor decides, no clock.
GemmBackend backend_of_this_machine() {
  static const GemmBackend kFound = [] {
    if (!is_amd() || !onednn_linear()) return GemmBackend::mkl;
    const at::NoGradGuard no_grad;
    const Fp32Scope fp32(at::kCPU);
    try {
      const auto x = at::linspace(-1, 1, 64).view({8, 8});
      onednn_nt(x, x);
      return GemmBackend::onednn;
    } catch (const c10::Error&) {  // built without oneDNN
      return GemmBackend::mkl;
    }
  }();
  return kFound;
}

/// AVX512-BF16, which includes all of AVX-512 that oneDNN asks for.
bool processor_has_bf16() {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

std::atomic<GemmBackend>& chosen_backend() {
  static std::atomic<GemmBackend> chosen{GemmBackend::undecided};
  return chosen;
}

GemmBackend gemm_backend() {
  const GemmBackend chosen = chosen_backend();
  return chosen == GemmBackend::undecided ? backend_of_this_machine() : chosen;
}

void check_linear_nt(const at::Tensor& x, const at::Tensor& w) {
  const auto fits = x.dim() == 2 && w.dim() == 2 && x.size(1) == w.size(1) && x.device() == w.device() &&
                    x.scalar_type() == at::kFloat && w.scalar_type() == at::kFloat;
  if (!fits)
    throw ShapeError(concat("linear_nt: x ", x.toString(), " ", x.sizes(), " and w ", w.toString(), " ", w.sizes(),
                            ", needed are float32 [N, D] and [M, D] on one device"));
}

}  // namespace

at::Tensor linear_nt(const at::Tensor& x, const at::Tensor& w) {
  check_linear_nt(x, w);
  const at::NoGradGuard no_grad;
  const Fp32Scope fp32(x.device().type());
  const bool plain = !x.is_cpu() || x.numel() == 0 || w.numel() == 0;
  if (plain || gemm_backend() == GemmBackend::mkl) return mkl_nt(x, w);
  return onednn_nt(x.contiguous(), w.contiguous());
}

bool has_fast_bf16() {
  static const bool kFound = [] {
    if (!processor_has_bf16() || !onednn_linear()) return false;
    const at::NoGradGuard no_grad;
    try {
      const auto x = at::linspace(-1, 1, 64).view({8, 8}).to(at::kBFloat16);
      onednn_nt(x, x);
      return true;
    } catch (const c10::Error&) {  // built without oneDNN
      return false;
    }
  }();
  return kFound;
}

at::Tensor bf16_linear_nt(const at::Tensor& x, const at::Tensor& w) {
  const auto fits = x.dim() == 2 && w.dim() == 2 && x.size(1) == w.size(1) && x.is_cpu() && w.is_cpu() &&
                    x.scalar_type() == at::kBFloat16 && w.scalar_type() == at::kBFloat16;
  if (!fits)
    throw ShapeError(concat("bf16_linear_nt: x ", x.toString(), " ", x.sizes(), " and w ", w.toString(), " ", w.sizes(),
                            ", needed are bfloat16 [N, D] and [M, D] on the CPU"));
  const at::NoGradGuard no_grad;
  if (has_fast_bf16() && x.numel() && w.numel()) return onednn_nt(x.contiguous(), w.contiguous());
  const Fp32Scope fp32(at::kCPU);
  return mkl_nt(x.to(at::kFloat), w.to(at::kFloat)).to(at::kBFloat16);
}

const char* linear_nt_backend() { return gemm_backend() == GemmBackend::onednn ? "onednn" : "mkl"; }

const char* use_linear_nt_backend(const std::string& name) {
  if (name == "auto")
    chosen_backend() = GemmBackend::undecided;
  else if (name == "mkl")
    chosen_backend() = GemmBackend::mkl;
  else if (name == "onednn")
    chosen_backend() = onednn_linear() ? GemmBackend::onednn : GemmBackend::mkl;
  else
    throw ShapeError("use_linear_nt_backend: '" + name + "' is none of auto, mkl, onednn");
  return linear_nt_backend();
}

}  // namespace diptych

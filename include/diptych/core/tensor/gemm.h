#pragma once
#include <ATen/core/Tensor.h>

#include <string>

namespace diptych {

/// x w^T on the faster of the two GEMM libraries in the wheel: oneDNN (mkldnn::_linear_pointwise) on AMD, MKL (at::mm)
/// elsewhere. No gradient.
///
/// x [N, D], w [M, D] float32 on one device, best contiguous; returns [N, M] float32 (under autocast too). Equal inputs
/// give equal bits with the same backend and thread count. Other devices than the CPU use at::mm. throws ShapeError.
at::Tensor linear_nt(const at::Tensor& x, const at::Tensor& w);
/// x w^T of bfloat16 rows, summed in float32 and rounded once. No gradient. On processors without bfloat16 arithmetic
/// the same through float32, without the gain.
///
/// x [N, D], w [M, D] bfloat16 on the CPU, contiguous; returns [N, M] bfloat16. throws ShapeError.
at::Tensor bf16_linear_nt(const at::Tensor& x, const at::Tensor& w);
/// Whether this processor multiplies bfloat16 in hardware (AVX512-BF16) and LibTorch can use it.
bool has_fast_bf16();
/// "mkl" or "onednn": what linear_nt uses on this machine. The two differ in the last bits, so it belongs to a run's
/// identity.
const char* linear_nt_backend();
/// Sets the backend: "mkl", "onednn", or "auto" for this processor's. A backend that this LibTorch
/// lacks leaves "mkl". Returns what is now in use. throws ShapeError for another name.
const char* use_linear_nt_backend(const std::string& name);

}  // namespace diptych

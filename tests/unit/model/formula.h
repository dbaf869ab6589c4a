#pragma once
#include <torch/torch.h>

#include <cmath>
#include <map>
#include <string>

// Values that the golden makers and these tests produce alike: see scripts/golden/formula.py.
namespace diptych::testing {

/// float64 in [0, 1): a 32-bit hash of (index, stream).
inline at::Tensor formula_uniform(at::IntArrayRef shape, uint32_t stream) {
  at::Tensor out = at::empty(shape, at::kDouble);
  double* values = out.data_ptr<double>();
  for (int64_t i = 0; i < out.numel(); ++i) {
    uint32_t h = static_cast<uint32_t>(i) * 0x9E3779B1u + stream * 0x85EBCA77u + 1;
    h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
    h = (h ^ (h >> 12)) * 0x297A2D39u;
    values[i] = (h ^ (h >> 15)) / 4294967296.0;
  }
  return out;
}
inline at::Tensor formula_centred(at::IntArrayRef shape, uint32_t stream) {
  return 2 * formula_uniform(shape, stream) - 1;
}

/// Parameters and buffers by name, without num_batches_tracked.
inline std::map<std::string, at::Tensor> named_tensors(const torch::nn::Module& module) {
  std::map<std::string, at::Tensor> out;
  for (const auto& each : module.named_parameters()) out[each.key()] = each.value();
  for (const auto& each : module.named_buffers())
    if (!each.key().ends_with("num_batches_tracked")) out[each.key()] = each.value();
  return out;
}

inline void formula_fill(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  uint32_t stream = 0;
  for (auto& [name, tensor] : named_tensors(module)) {
    const at::Tensor u = formula_uniform(tensor.sizes(), stream++);
    if (name.ends_with("running_var"))
      tensor.copy_(0.5 + u);
    else if (tensor.dim() > 1)
      tensor.copy_((2 * u - 1) * std::sqrt(6.0 / (tensor.numel() / tensor.size(0))));
    else if (name.ends_with("weight"))
      tensor.copy_(0.75 + 0.5 * u);
    else
      tensor.copy_(0.4 * u - 0.2);
  }
}

/// One number that depends on every element.
inline double formula_probe(const at::Tensor& x) {
  return (x.detach().to(at::kDouble) * formula_centred(x.sizes(), 99)).sum().item<double>();
}

}  // namespace diptych::testing

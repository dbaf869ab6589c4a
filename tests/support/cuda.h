#pragma once
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>
#include <map>
#include <string>

#include "tensor_near.h"

/// The first line of a test that needs a GPU.
#define DIPTYCH_SKIP_WITHOUT_CUDA() \
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device on this machine"

namespace diptych::testing {

/// What `run` gives and the gradients that it leaves in the module's parameters, on the CPU and on the first GPU. `run`
/// takes the device on which the module lies and gives one number.
inline void expect_same_on_cuda(torch::nn::Module& module, const std::function<at::Tensor(at::Device)>& run,
                                double relative = 1e-9, double absolute = 1e-9) {
  const auto results_on = [&](at::Device device) {
    module.to(device);
    module.zero_grad();
    const at::Tensor value = run(device);
    EXPECT_EQ(value.device().type(), device.type());
    if (value.requires_grad()) value.backward();
    std::map<std::string, at::Tensor> out{{"the value", value.detach().cpu()}};
    for (const auto& each : module.named_parameters())
      if (each.value().grad().defined()) out["gradient of " + each.key()] = each.value().grad().cpu().clone();
    return out;
  };
  const auto expected = results_on(at::kCPU), got = results_on(at::Device(at::kCUDA, 0));
  module.to(at::kCPU);
  for (const auto& [name, value] : expected) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(got.contains(name));
    EXPECT_THAT(got.at(name), TensorNear(value, relative, absolute));
  }
}

}  // namespace diptych::testing

#pragma once
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>

namespace diptych::testing {

/// Autograd against central differences, in float64, at `point`; f gives a scalar.
inline void expect_gradients(const std::function<at::Tensor(const at::Tensor&)>& f, const at::Tensor& point,
                             double step = 1e-6, double tolerance = 1e-6) {
  const at::Tensor x = point.to(at::kDouble).contiguous().clone().requires_grad_(true);
  f(x).backward();
  ASSERT_TRUE(x.grad().defined()) << "no gradient reached the input";
  at::NoGradGuard no_grad;
  for (int64_t i = 0; i < x.numel(); ++i) {
    const auto moved = [&](double by) {
      at::Tensor y = x.detach().clone();
      y.view(-1)[i] += by;
      return f(y).item<double>();
    };
    EXPECT_NEAR(x.grad().view(-1)[i].item<double>(), (moved(step) - moved(-step)) / (2 * step), tolerance)
        << "element " << i;
  }
}

}  // namespace diptych::testing

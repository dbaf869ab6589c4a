#pragma once
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>
#include <memory>
#include <string>

#include "diptych/model/text_encoder.h"
#include "formula.h"
#include "registry_checks.h"

// Toy texts and encoders over them.
namespace diptych::testing {

inline const TextEncoderRegistry& text_encoders() {
  static const TextEncoderRegistry kRegistry = [] {
    TextEncoderRegistry out("text_encoder");
    register_text_encoders(out);
    return out;
  }();
  return kRegistry;
}
inline std::shared_ptr<TextEncoder> text_encoder(const std::string& yaml, TextContext context = {13, {}}) {
  return make_from(text_encoders(), yaml, context);
}

// 13 words; captions of 6, 1 and 4 words.
inline at::Tensor tokens() {
  return torch::tensor({{3, 7, 12, 1, 3, 9}, {5, 0, 0, 0, 0, 0}, {2, 2, 11, 6, 0, 0}}, at::kLong);
}
inline at::Tensor lengths() { return torch::tensor({6, 1, 4}, at::kLong); }

/// In float64, with the parameters of scripts/golden/formula.py.
inline std::shared_ptr<TextEncoder> filled_encoder(const std::string& yaml) {
  const auto encoder = text_encoder(yaml);
  encoder->to(at::kDouble);
  formula_fill(*encoder);
  const at::NoGradGuard no_grad;
  for (auto& each : encoder->named_parameters())
    if (each.key() == "embedding.weight") each.value()[0].zero_();
  return encoder;
}

/// Autograd against differences along one direction of each parameter, in float64. Differences of fourth order: deep
/// networks with BatchNorm over few places bend so much that second order has no step that is right for all.
inline void expect_parameter_gradients(torch::nn::Module& module, const std::function<at::Tensor()>& loss) {
  constexpr double kStep = 1e-6;
  module.zero_grad();
  loss().backward();
  const at::NoGradGuard no_grad;
  uint32_t stream = 200;
  for (auto& each : module.named_parameters()) {
    at::Tensor value = each.value();
    at::Tensor direction = formula_centred(value.sizes(), stream++);
    if (each.key() == "embedding.weight") direction[0].zero_();  // padding
    ASSERT_TRUE(value.grad().defined()) << each.key();
    const double slope = (value.grad() * direction).sum().item<double>();
    const at::Tensor start = value.clone();
    const auto at_step = [&](double steps) {
      value.copy_(start + steps * kStep * direction);
      return loss().item<double>();
    };
    const double difference = (8 * (at_step(1) - at_step(-1)) - (at_step(2) - at_step(-2))) / (12 * kStep);
    value.copy_(start);
    EXPECT_NEAR(slope, difference, 1e-6 * (1 + std::abs(slope))) << each.key();
  }
}

}  // namespace diptych::testing

#pragma once
#include <gmock/gmock.h>
#include <torch/torch.h>

#include <functional>
#include <string>
#include <vector>

#include "diptych/core/error.h"
#include "diptych/loss/loss_value.h"
#include "support/gradcheck.h"

// E1 to E5 are the worked examples of the methods specification; their values have six decimals.
namespace diptych::testing {

inline constexpr double kSixDecimals = 6e-7;

inline at::Tensor matrix(std::initializer_list<std::initializer_list<double>> rows) {
  std::vector<at::Tensor> made;
  for (const auto& row : rows) made.push_back(at::tensor(std::vector<double>(row), at::kDouble));
  return at::stack(made);
}
inline at::Tensor integers(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }
inline double number(const at::Tensor& x) { return x.item<double>(); }

inline void expect_directions(const LossValue& loss, double x_to_y, double y_to_x) {
  EXPECT_NEAR(number(loss.x_to_y), x_to_y, kSixDecimals);
  EXPECT_NEAR(number(loss.y_to_x), y_to_x, kSixDecimals);
}

inline at::Tensor e1_label() { return integers({0, 0, 1, 2}); }
inline at::Tensor e1_x() { return matrix({{1, 0, 0}, {.5, .5, 0}, {0, 2, 0}, {0, 0, 1}}); }
inline at::Tensor e1_y() { return matrix({{2, 0, 0}, {1, 1, 0}, {0, 1, 0}, {0, 3, 4}}); }
inline at::Tensor e2_weight() { return matrix({{3, 0, 0}, {4, 1, 0}, {0, 0, 2}}); }
inline at::Tensor e3_scores() { return matrix({{.80, .70, .75}, {.55, .60, .10}, {.65, .45, .50}}); }
inline at::Tensor e3_label() { return integers({0, 1, 2}); }
inline at::Tensor e4_x() { return matrix({{1, 0}, {0, 1}, {-.6, .8}}); }
inline at::Tensor e4_y() { return matrix({{.8, .6}, {.6, .8}, {0, 1}, {.6, -.8}, {-1, 0}, {-.8, .6}}); }
inline at::Tensor e4_image() { return integers({0, 0, 1, 1, 2, 2}); }
inline at::Tensor e5_x() { return matrix({{1, 0}, {0, 1}, {.6, .8}}); }
inline at::Tensor e5_y() { return matrix({{.8, .6}, {-.6, .8}, {0, 1}}); }

// Reproducible values without ties: sin(0.7311 i + k).
inline at::Tensor wave(at::IntArrayRef sizes, double shift) {
  const int64_t n = c10::multiply_integers(sizes);
  return (at::arange(n, at::kDouble) * 0.7311 + shift).sin().reshape(sizes);
}

// Gradients of total and of its directions, if it has any, in both inputs.
inline void expect_view_gradients(const std::function<LossValue(const at::Tensor&, const at::Tensor&)>& loss,
                                  at::Tensor x, at::Tensor y) {
  const auto combined = [](const LossValue& value) {
    return value.x_to_y.defined() ? value.total + 0.3 * value.x_to_y : value.total;
  };
  expect_gradients([&](const at::Tensor& moved) { return combined(loss(moved, y)); }, x, 1e-5, 1e-6);
  expect_gradients([&](const at::Tensor& moved) { return combined(loss(x, moved)); }, y, 1e-5, 1e-6);
}

template <class E>
std::vector<E> all() {
  std::vector<E> values;
  for (const auto& [value, name] : enum_names(E{})) values.push_back(value);
  return values;
}

// Message of the ShapeError that f throws.
template <class F>
std::string complaint(F f) {
  try {
    f();
  } catch (const ShapeError& error) {
    return error.what();
  }
  return "(accepted)";
}

}  // namespace diptych::testing

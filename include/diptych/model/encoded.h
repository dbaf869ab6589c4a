#pragma once
#include <ATen/core/Tensor.h>

namespace diptych {

/// What an encoder gives. F features, R regions or words.
struct Encoded {
  at::Tensor global;   // [B, F]
  at::Tensor local{};  // [B, R, C] or undefined unless asked for
  at::Tensor mask{};   // [B, R] bool, true = real; undefined with local
};

}  // namespace diptych

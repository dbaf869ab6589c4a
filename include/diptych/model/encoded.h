#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace diptych {

/// What an encoder gives. F features, R regions or words.
struct Encoded {
  at::Tensor global;   // [B, F]
  at::Tensor local{};  // [B, R, C] or undefined unless asked for
  at::Tensor mask{};   // [B, R] bool, true = real; undefined with local
  int64_t lines = 0;   // h if local are the places of a map [h, R / h], line by line; 0: regions or words, no map
};

}  // namespace diptych

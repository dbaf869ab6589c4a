#pragma once
#include <ATen/core/Tensor.h>

#include "diptych/model/text_encoder.h"

// What the text encoders without gradient training share.
namespace diptych::fitted_text {

/// throws ShapeError, beginning with `who`, unless tokens [B, L] and length [B] are int64 and, on the CPU, lengths lie
/// in 1..L.
void check(const char* who, const at::Tensor& tokens, const at::Tensor& length);
/// [B, L] bool: true within the length.
at::Tensor mask(const at::Tensor& length, int64_t steps);
/// [V] float64 on the CPU: how many of the captions' words are word v, and in how many captions it stands.
struct WordCounts {
  at::Tensor words, captions;
  int64_t total_captions = 0;
};
WordCounts count(const FittedText::Captions& captions, int64_t vocabulary);
/// [B, V] float32: how often each word stands in each caption; padding counts for nothing.
at::Tensor bags(const at::Tensor& tokens, const at::Tensor& length, int64_t vocabulary);

}  // namespace diptych::fitted_text

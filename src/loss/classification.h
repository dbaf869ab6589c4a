#pragma once
#include <ATen/core/Tensor.h>

namespace diptych::loss_support {

/// Cross-entropy of each row, [rows]: logits [rows, C], label [rows] int64.
at::Tensor row_cross_entropy(const at::Tensor& logits, const at::Tensor& label, double label_smoothing);
/// Throws ShapeError unless weight is [dimension, C] with C > 0.
void check_weight(const char* who, const at::Tensor& weight, int64_t dimension);
/// [D, C], Xavier uniform. Throws ShapeError unless both are positive.
at::Tensor new_classifier_weight(const char* who, int64_t dimension, int64_t classes);

}  // namespace diptych::loss_support

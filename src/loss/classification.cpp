#include "loss/classification.h"

#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "loss/support.h"

namespace diptych::loss_support {

at::Tensor row_cross_entropy(const at::Tensor& logits, const at::Tensor& label, double label_smoothing) {
  return at::cross_entropy_loss(logits, label, {}, at::Reduction::None, /*ignore_index=*/-100, label_smoothing);
}

void check_weight(const char* who, const at::Tensor& weight, int64_t dimension) {
  check_defined(who, "a classifier weight", weight);
  if (weight.dim() != 2 || weight.size(0) != dimension || weight.size(1) == 0)
    throw ShapeError(concat(who, ": weight ", weight.sizes(), " must be [", dimension, ", C]"));
}

at::Tensor new_classifier_weight(const char* who, int64_t dimension, int64_t classes) {
  if (dimension < 1 || classes < 1)
    throw ShapeError(
        concat(who, ": a classifier of dimension ", dimension, " and ", classes, " classes is impossible"));
  return torch::nn::init::xavier_uniform_(at::empty({dimension, classes}));
}

}  // namespace diptych::loss_support

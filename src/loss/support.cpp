#include "loss/support.h"

#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych::loss_support {

void check_integers(const char* who, const char* name, const at::Tensor& labels, int64_t rows) {
  check_defined(who, name, labels);
  if (labels.scalar_type() != at::kLong)
    throw ShapeError(concat(who, ": ", name, " has type ", labels.dtype().name(), ", needed are int64 integers"));
  if (labels.dim() != 1 || labels.size(0) != rows)
    throw ShapeError(concat(who, ": ", name, " ", labels.sizes(), " does not fit ", rows, " rows"));
}

void check_views(const char* who, const at::Tensor& x, const at::Tensor& y, const at::Tensor& label) {
  check_defined(who, "x", x);
  check_defined(who, "y", y);
  if (x.dim() != 2 || y.dim() != 2 || x.sizes() != y.sizes())
    throw ShapeError(concat(who, ": x ", x.sizes(), " and y ", y.sizes(), " must both be [B, D]"));
  if (x.size(0) == 0) throw ShapeError(concat(who, ": the batch is empty"));
  check_integers(who, "label", label, x.size(0));
}

void check_scores(const char* who, const at::Tensor& scores, const at::Tensor& label) {
  check_defined(who, "scores", scores);
  if (scores.dim() != 2 || scores.size(0) != scores.size(1))
    throw ShapeError(concat(who, ": scores ", scores.sizes(), " are not square"));
  if (scores.size(0) == 0) throw ShapeError(concat(who, ": the batch is empty"));
  check_integers(who, "label", label, scores.size(0));
}

void check_classes(const char* who, const at::Tensor& label, int64_t classes) {
  if (!label.is_cpu()) return;  // a look at device memory would wait for the device
  const at::Tensor flat = label.contiguous();
  for (int64_t i = 0; i < flat.numel(); ++i)
    if (const int64_t value = flat.const_data_ptr<int64_t>()[i]; value < 0 || value >= classes)
      throw ShapeError(concat(who, ": label ", value, " of row ", i, " is outside the classifier's 0..", classes - 1));
}

void check_defined(const char* who, const char* what, const at::Tensor& tensor) {
  if (!tensor.defined()) throw ShapeError(concat(who, ": needs ", what, ", which were not given"));
}

at::Tensor equal_pairs(const at::Tensor& a, const at::Tensor& b) { return a.unsqueeze(1) == b.unsqueeze(0); }

at::Tensor euclidean(const at::Tensor& a, const at::Tensor& b, double floor) {
  const at::Tensor squares = (a * a).sum(1).unsqueeze(1) + (b * b).sum(1).unsqueeze(0);
  return (squares - 2 * at::mm(a, b.t())).relu().add(floor).sqrt();  // rounding may take equal rows below 0
}

at::Tensor matches(const at::Tensor& label, Positives positives) {
  if (positives == Positives::labels) return equal_pairs(label, label);
  return at::eye(label.size(0), label.options().dtype(at::kBool));
}

LossValue sum_of_directions(at::Tensor x_to_y, at::Tensor y_to_x) {
  const at::Tensor total = !x_to_y.defined() ? y_to_x : !y_to_x.defined() ? x_to_y : x_to_y + y_to_x;
  return {total, std::move(x_to_y), std::move(y_to_x)};
}

}  // namespace diptych::loss_support

#include "loss/histogram.h"

#include <torch/torch.h>

#include <cmath>

#include "diptych/core/error.h"
#include "diptych/core/options.h"
#include "loss/support.h"

namespace diptych {
namespace {

bool divides_the_range(double step) {
  const double cells = std::round(2 / step);
  return step > 0 && step <= 1 && std::abs(cells * step - 2) < 1e-9;
}

// Soft histogram of the values that `counted` marks, [nodes]; sums to 1, or to 0 if none is marked.
// lower: node below each value, share: of the node above. All [N]. Weights instead of a selection: no synchronisation.
at::Tensor soft_histogram(const at::Tensor& lower, const at::Tensor& share, const at::Tensor& counted, int64_t nodes) {
  const at::Tensor weight = counted.to(share.scalar_type()) / counted.sum().clamp_min(1);
  return at::zeros({nodes}, share.options())
      .index_add(0, lower, weight * (1 - share))
      .index_add(0, lower + 1, weight * share);
}

}  // namespace

LossValue histogram_loss(const at::Tensor& scores, const at::Tensor& label, double step, Positives positives) {
  loss_support::check_scores("histogram_loss", scores, label);
  if (!divides_the_range(step))
    throw ShapeError(concat("histogram_loss: step ", step, " does not divide the range -1 to 1"));
  const int64_t cells = std::lround(2 / step);
  const at::Tensor place = (at_least_float(scores).clamp(-1, 1).reshape(-1) + 1) / step;  // [B^2], 0 to cells
  const at::Tensor lower = place.detach().nan_to_num(0).floor().clamp(0, static_cast<double>(cells - 1)).to(at::kLong);
  const at::Tensor share = place - lower;
  const at::Tensor match = loss_support::matches(label, positives).reshape(-1);
  const at::Tensor positive = soft_histogram(lower, share, match, cells + 1);
  const at::Tensor negative = soft_histogram(lower, share, ~match, cells + 1);
  return {(negative * positive.cumsum(0)).sum(), {}, {}};
}

void HistogramOptions::validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
  if (!divides_the_range(step))
    complaints.add(origin, concat(path, ".step = ", step, " does not divide the range -1 to 1"),
                   concat("for example step: ", 2 / std::round(2 / step)));
}

LossValue HistogramLoss::forward(const LossInput& input) {
  loss_support::check_views("histogram", input.x, input.y, input.label);
  const at::Tensor cosines = at::mm(unit_rows(at_least_float(input.x)), unit_rows(at_least_float(input.y)).t());
  return histogram_loss(cosines, input.label, options_.step, options_.positives);
}

}  // namespace diptych

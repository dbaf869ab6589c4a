#include "loss/dcca.h"

#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/tensor/canonical.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

void check_pairs(const at::Tensor& x, const at::Tensor& y) {
  for (const auto& [name, view] : {std::pair{"x", x}, std::pair{"y", y}})
    if (!view.defined()) throw ShapeError(concat("dcca_loss: needs ", name, ", which were not given"));
  if (x.dim() != 2 || y.dim() != 2 || x.size(0) != y.size(0))
    throw ShapeError(concat("dcca_loss: x ", x.sizes(), " and y ", y.sizes(), " must be [B, D] and [B, E]"));
}

at::Tensor centred(const at::Tensor& view) {
  const at::Tensor wide = view.to(at::kDouble);
  return wide - wide.mean(0, /*keepdim=*/true);
}

at::Tensor covariance(const at::Tensor& centred_view, double regularisation) {
  const at::Tensor products = centred_view.t().mm(centred_view) / (centred_view.size(0) - 1);
  return products + regularisation * at::eye(products.size(0), products.options());
}

}  // namespace

LossValue dcca_loss(const at::Tensor& x, const at::Tensor& y, const DccaOptions& options) {
  check_pairs(x, y);
  const int64_t pairs = x.size(0), dimension = std::max(x.size(1), y.size(1)), most = std::min(x.size(1), y.size(1));
  if (pairs <= dimension)
    throw ShapeError(concat("dcca_loss: ", pairs, " pairs of dimension ", dimension,
                            "; needed are more pairs than dimensions, best several times as many"));
  const int64_t count = options.top_k.value_or(most);
  if (count < 1 || count > most)
    throw ShapeError(concat("dcca_loss: top_k = ", count, ", needed is 1 to ", most, ", the smaller dimension"));

  const at::Tensor a = centred(x), b = centred(y);
  CanonicalDirections directions;
  {
    const at::NoGradGuard no_grad;
    directions = canonical_directions(covariance(a, options.regularisation), a.t().mm(b) / (pairs - 1),
                                      covariance(b, options.regularisation), options.floor);
  }
  // The gradient of the sum of singular values (Andrew et al. 2013, eq. 11-13) needs no derivative of eigenvectors,
  // which would be infinite for equal eigenvalues. It is that of `tangent`, with the directions held fast; the tangent
  // itself is 0 up to the regularisation.
  const at::Tensor values = directions.values.narrow(0, 0, count);
  const at::Tensor p = a.mm(directions.x.narrow(1, 0, count)), q = b.mm(directions.y.narrow(1, 0, count));  // [B, K]
  const at::Tensor tangent = (p * q - values / 2 * (p.square() + q.square())).sum() / (pairs - 1);
  const at::Tensor correlation = values.sum() + (tangent - tangent.detach());
  return {
      (-correlation).to(at::promote_types(at::promote_types(x.scalar_type(), y.scalar_type()), at::kFloat)), {}, {}};
}

DccaLoss::DccaLoss(const Options& options, const LossContext& context) : options_(options) {
  if (options.top_k && *options.top_k > context.dimension)
    throw UsageError("",
                     concat("dcca: top_k = ", *options.top_k, " is more than the ", context.dimension,
                            " dimensions of the joint space"),
                     "lower top_k, or leave it null for all");
}

LossValue DccaLoss::forward(const LossInput& input) {
  check_pairs(input.x, input.y);
  if (input.x.size(0) <= input.x.size(1))
    throw UsageError("",
                     concat("dcca: a batch of ", input.x.size(0), " pairs in ", input.x.size(1),
                            " dimensions: any two views of so few pairs correlate perfectly"),
                     concat("train.batch_size above ", input.x.size(1),
                            " (several times that is better), or heads of "
                            "a smaller dim"));
  return dcca_loss(input.x, input.y, options_);
}

}  // namespace diptych

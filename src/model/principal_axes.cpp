#include "model/principal_axes.h"

#include <torch/torch.h>

#include <algorithm>

#include "diptych/core/error.h"
#include "diptych/core/random.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr int64_t kSpare = 16;

struct Shape {
  int64_t rows = 0, features = 0;
};

// Counts and checks: one pass that every method makes first.
Shape shape_of(const RowBlocks& blocks) {
  Shape shape;
  blocks([&](const at::Tensor& rows) {
    if (rows.dim() != 2 || (shape.rows > 0 && rows.size(1) != shape.features))
      throw ShapeError(concat("principal_axes: rows ", rows.sizes(), " after such of ", shape.features, " features"));
    if (!rows.isfinite().all().item<bool>())
      throw NumericError("", "principal axes: a feature is not finite", "look for word vectors with NaN");
    shape.rows += rows.size(0), shape.features = rows.size(1);
  });
  return shape;
}

// Sum over rows x of x (x^T basis) less the mean's part: rows * covariance * basis, [F, K] float64. Fills the mean.
at::Tensor covariance_times(const RowBlocks& blocks, const at::Tensor& basis, int64_t rows, at::Tensor& mean) {
  const at::Tensor narrow = basis.to(at::kFloat);
  at::Tensor sum = at::zeros({basis.size(0)}, at::kDouble), product = at::zeros_like(basis);
  blocks([&](const at::Tensor& block) {
    const at::Tensor x = block.to(at::kCPU, at::kFloat);
    product.add_(x.t().mm(x.mm(narrow)));
    sum.add_(x.sum(0, /*keepdim=*/false, at::kDouble));
  });
  mean = sum / rows;
  return product.addr_(mean, mean.unsqueeze(0).mm(basis).squeeze(0), 1, -static_cast<double>(rows));
}

at::Tensor orthonormal(const at::Tensor& columns) { return std::get<0>(at::linalg_qr(columns)); }

at::Tensor random_columns(int64_t rows, int64_t columns, uint64_t seed) {
  Random random(seed, {static_cast<uint64_t>(Stream::init), 0x70636100});
  at::Tensor out = at::empty({rows, columns}, at::kDouble);
  for (int64_t i = 0; i < out.numel(); ++i) out.data_ptr<double>()[i] = random.normal();
  return out;
}

// Mean and covariance; about the first row, so that features far from 0 lose no digits.
PrincipalAxes exact(const RowBlocks& blocks, const Shape& shape) {
  at::Tensor origin, sum = at::zeros({shape.features}, at::kDouble),
                     products = at::zeros({shape.features, shape.features}, at::kDouble);
  blocks([&](const at::Tensor& block) {
    const at::Tensor x = block.to(at::kCPU, at::kDouble);
    if (x.size(0) == 0) return;
    if (!origin.defined()) origin = x[0].clone();
    const at::Tensor moved = x - origin;
    sum.add_(moved.sum(0));
    products.addmm_(moved.t(), moved);
  });
  const at::Tensor mean = sum / shape.rows;
  products.addr_(mean, mean, 1, -static_cast<double>(shape.rows));
  const auto [values, vectors] = at::linalg_eigh(products / (shape.rows - 1));
  return {mean + origin, vectors.flip(1), values.flip(0)};
}

PrincipalAxes iterated(const RowBlocks& blocks, const Shape& shape, int64_t count,
                       const PrincipalAxesOptions& options) {
  PrincipalAxes out;
  const int64_t columns = std::min({count + kSpare, shape.features, shape.rows});
  at::Tensor basis = orthonormal(random_columns(shape.features, columns, options.seed));
  at::Tensor product;
  for (int64_t pass = 0; pass < options.passes; ++pass) {
    if (pass > 0) basis = orthonormal(product);
    product = covariance_times(blocks, basis, shape.rows, out.mean);
  }
  const at::Tensor small = basis.t().mm(product) / (shape.rows - 1);  // the covariance seen from the basis
  const auto [values, vectors] = at::linalg_eigh((small + small.t()) / 2);
  out.axes = basis.mm(vectors.flip(1)), out.variance = values.flip(0);
  return out;
}

}  // namespace

PrincipalAxes principal_axes(const RowBlocks& blocks, int64_t count, const PrincipalAxesOptions& options) {
  const at::NoGradGuard no_grad;
  const Shape shape = shape_of(blocks);
  if (const int64_t most = std::min(shape.features, shape.rows - 1); count < 1 || count > most)
    throw DataError("",
                    concat(count, " principal axes of ", shape.rows, " rows of ", shape.features,
                           " features: there are at most ", std::max<int64_t>(most, 0)),
                    "a smaller pca, or more training captions");
  PrincipalAxes found =
      shape.features <= options.exact_up_to ? exact(blocks, shape) : iterated(blocks, shape, count, options);
  const at::Tensor axes = found.axes.narrow(1, 0, count);
  const at::Tensor largest = axes.gather(0, axes.abs().argmax(0, /*keepdim=*/true));
  return {found.mean, (axes * at::where(largest < 0, -1.0, 1.0).to(at::kDouble)).contiguous(),
          found.variance.narrow(0, 0, count).clamp_min(0).contiguous()};
}

}  // namespace diptych

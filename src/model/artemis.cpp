#include "model/artemis.h"

#include <torch/torch.h>

#include <cmath>

#include "diptych/core/tensor/rows.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"
#include "model/composer_support.h"

namespace diptych {
namespace {

torch::nn::Sequential dimension_weights(int64_t dimension) {
  return torch::nn::Sequential(torch::nn::Linear(dimension, dimension), torch::nn::ReLU(),
                               torch::nn::Linear(dimension, dimension));
}

}  // namespace

ArtemisComposer::ArtemisComposer(const Options& options, const ComposerContext& context)
    : dimension_(context.dimension), unit_text_(options.unit_text) {
  transform_ = register_module("transform", torch::nn::Linear(dimension_, dimension_));
  explicit_matching_ = register_module("explicit_matching", dimension_weights(dimension_));
  implicit_similarity_ = register_module("implicit_similarity", dimension_weights(dimension_));
}

Composed ArtemisComposer::forward(const ComposerInput& input) {
  const Fp32Scope fp32(input.image.device().type());
  const auto views = composing::views_of("artemis", input, dimension_);
  const auto weights = [&](torch::nn::Sequential& layers) {
    return static_cast<double>(dimension_) * layers->forward(views.text).softmax(1);
  };
  const at::Tensor transformed = transform_->forward(views.text),
                   told = unit_text_ ? unit_rows(transformed) : transformed;
  const at::Tensor a = weights(explicit_matching_), b = weights(implicit_similarity_);
  return {at::cat({told * a, a.square(), unit_rows(b * views.image) * b, b.square()}, 1), {}};
}

ArtemisScorer::ArtemisScorer(const Options& options, const ScorerContext& context)
    : dimension_(context.dimension),
      log_scale_(register_parameter("log_scale", at::scalar_tensor(-std::log(options.temperature), at::kFloat))) {}

at::Tensor ArtemisScorer::of_images(const at::Tensor& images, const at::Tensor& queries) const {
  const auto q = queries.chunk(4, 1);
  const at::Tensor squares = images.square();
  const auto part = [&](const at::Tensor& direction, const at::Tensor& weight) {
    return images.mm(direction.t()) * inverse_or_zero(squares.mm(weight.t()));
  };
  return log_scale_.exp() * (part(q[0], q[1]) + part(q[2], q[3]));
}

at::Tensor ArtemisScorer::forward(const at::Tensor& x, const at::Tensor& y) {
  const auto has = [](const at::Tensor& side, int64_t width) { return side.dim() == 2 && side.size(1) == width; };
  const int64_t d = dimension_, w = query_dimension(d);
  if (has(x, d) && has(y, w)) return of_images(at_least_float(x), at_least_float(y));
  if (has(x, w) && has(y, d)) return of_images(at_least_float(y), at_least_float(x)).t();
  throw ShapeError(concat("artemis: x ", x.sizes(), " and y ", y.sizes(), ", needed are images [N, ", d,
                          "] and queries of composer artemis [M, ", w, "], on either side"));
}

at::Tensor ArtemisScorer::prepare(const at::Tensor&, bool) const {
  throw ShapeError("scorer: 'artemis' depends on query and target together, no dot product gives its scores");
}

at::Tensor ArtemisScorer::places(const at::Tensor& queries) const {
  if (queries.dim() != 2 || queries.size(1) % 4 != 0)
    throw ShapeError(concat("artemis: queries ", queries.sizes(), ", needed are [M, 4D]"));
  const auto q = queries.chunk(4, 1);
  return q[0] + q[2];
}

}  // namespace diptych

#include "model/composer_operator.h"

#include <torch/torch.h>

#include <cmath>

#include "diptych/core/error.h"
#include "diptych/core/random.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"
#include "model/composer_support.h"

namespace diptych {
namespace {

constexpr double kMostWeights = 1 << 28;    // of a full operator: 1 GiB of float32
constexpr uint64_t kHashSeed = 0x64697074;  // part of the format: checkpoints depend on it

// matrix [B, n, m], x [B, m] -> [B, n].
at::Tensor applied(const at::Tensor& matrix, const at::Tensor& x) { return matrix.bmm(x.unsqueeze(2)).squeeze(2); }

at::Tensor hashed_slots(int64_t places, int64_t slots) {
  at::Tensor out = at::empty({places}, at::kLong);
  Random random(kHashSeed);
  for (int64_t i = 0; i < places; ++i)
    out.data_ptr<int64_t>()[i] = static_cast<int64_t>(random.below(static_cast<uint64_t>(slots)));
  return out;
}

}  // namespace

AttrOperatorComposer::AttrOperatorComposer(const Options& options, const ComposerContext& context)
    : dimension_(context.dimension), rank_(options.rank) {
  const int64_t d = dimension_;
  if (rank_) {
    left_ = register_module("left", torch::nn::Linear(d, d * *rank_));
    right_ = register_module("right", composing::zero_linear(d, d * *rank_));
    return;
  }
  if (const double weights = std::pow(static_cast<double>(d), 3); weights > kMostWeights)
    throw UsageError("",
                     concat("composer attr_operator without a rank: ", weights, " weights for ", d,
                            " dimensions, at most ", kMostWeights, " are allowed"),
                     "give model.composer.rank, for example 32");
  matrix_ = register_module("matrix", composing::zero_linear(d, d * d));
}

Composed AttrOperatorComposer::forward(const ComposerInput& input) {
  const Fp32Scope fp32(input.image.device().type());
  const auto [image, text] = composing::views_of("attr_operator", input, dimension_);
  const int64_t batch = image.size(0), d = dimension_;
  if (!rank_) return {image + applied(matrix_->forward(text).view({batch, d, d}), image), {}};
  const at::Tensor left = left_->forward(text).view({batch, d, *rank_});
  const at::Tensor right = right_->forward(text).view({batch, *rank_, d});
  return {image + applied(left, applied(right, image)), {}};
}

ParamHashComposer::ParamHashComposer(const Options& options, const ComposerContext& context)
    : dimension_(context.dimension),
      features_(context.features),
      fc_(register_module("fc", torch::nn::Linear(context.dimension, options.weights))),
      slots_(hashed_slots(context.dimension * context.features, 2 * options.weights)) {}

int64_t ParamHashComposer::slot(int64_t i, int64_t j) const { return slots_[i * features_ + j].item<int64_t>(); }

Composed ParamHashComposer::forward(const ComposerInput& input) {
  const Fp32Scope fp32(input.image.device().type());
  const at::Tensor text = composing::views_of("param_hash", input, dimension_).text;
  const int64_t batch = text.size(0);
  const at::Tensor pooled = composing::part_of("param_hash", "features", input.features, {batch, features_});
  if (slots_.device() != text.device()) slots_ = slots_.to(text.device());
  const at::Tensor few = fc_->forward(text).t();  // [K, B]: rows of B numbers, so that picking copies whole rows
  const at::Tensor matrix = at::cat({few, -few}).index_select(0, slots_).view({dimension_, features_, batch});
  return {(matrix * pooled.t()).sum(1).t(), {}};
}

}  // namespace diptych

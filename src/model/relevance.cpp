#include "diptych/model/relevance.h"

#include <torch/torch.h>

#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr double kSameFeatures = 1e-3;  // relative: pool(feature_map(x)) against forward(x)

/// The score as far as explanations differentiate it: see Scorer::evidence.
at::Tensor evidence_of(JointModel& model, const Encoded& x, const Encoded& y) {
  return model.pair_scorer() ? model.scores(x, y) : model.scorer().evidence(x.global, y.global);
}

Encoded detached(const Encoded& view) {
  const auto off = [](const at::Tensor& tensor) { return tensor.defined() ? tensor.detach() : tensor; };
  return {off(view.global), off(view.local), off(view.mask)};
}

void require_pool_fits(JointModel& model, const at::Tensor& image, const at::Tensor& features) {
  const at::NoGradGuard no_grad;
  const at::Tensor expected = model.image_features(image);
  const double scale = std::max(1e-12, expected.abs().max().item<double>());
  if (expected.sizes() != features.sizes() || (expected - features).abs().max().item<double>() > kSameFeatures * scale)
    throw ShapeError("explanation: the image encoder's pool(feature_map(image)) is not its forward(image)");
}

/// [L] -> [L, L - 1]: row i lacks word i.
at::Tensor without_each(const at::Tensor& tokens) {
  const int64_t length = tokens.size(0);
  const at::Tensor kept = ~at::eye(length, tokens.options().dtype(at::kBool));
  return tokens.expand({length, length}).masked_select(kept).view({length, length - 1});
}

/// What a scorer of pairs looks at.
std::vector<AttentionMap> pair_attention(JointModel& model, const at::Tensor& image, const at::Tensor& tokens,
                                         const at::Tensor& length) {
  if (!model.pair_scorer()) return {};
  const at::Tensor map = model.image().feature_map(image);
  const Encoded x = model.image_view(model.features_of_map(map)), y = model.text_view(tokens, length);
  std::vector<AttentionMap> maps;
  for (const PairAttention& step : model.pair_scorer()->attention(x, y))
    maps.push_back({step.name, step.image.view({map.size(2), map.size(3)}), step.text});
  return maps;
}

}  // namespace

MapGradient map_gradient(JointModel& model, const at::Tensor& image, const Encoded& text) {
  const EvalScope scope(model);
  const at::Tensor plain = model.image().feature_map(image).to(at::promote_types(image.scalar_type(), at::kFloat));
  const at::AutoGradMode with_gradients(true);
  const at::Tensor map = plain.detach().requires_grad_(true);
  const at::Tensor features = model.features_of_map(map);
  require_pool_fits(model, image, features.detach());
  const at::Tensor score = evidence_of(model, model.image_view(features), detached(text)).sum();
  const at::Tensor gradient = torch::autograd::grad({score}, {map})[0];
  return {map.detach()[0], gradient[0], score.item<double>()};
}

at::Tensor grad_cam(const MapGradient& gradient) {
  return (gradient.gradient.mean({1, 2}, /*keepdim=*/true) * gradient.map).sum(0);
}

at::Tensor place_relevance(const MapGradient& gradient) { return (gradient.gradient * gradient.map).sum(0); }

std::optional<at::Tensor> closed_form_relevance(JointModel& model, const at::Tensor& map, const at::Tensor& texts) {
  const int64_t channels = map.size(0), height = map.size(1), width = map.size(2);
  const at::Tensor weights = model.image().place_weights(height, width), linear = model.image_head().linear_part();
  if (!weights.defined() || !linear.defined() || model.pair_scorer()) return {};
  const EvalScope scope(model);
  const at::Tensor flat = map.reshape({channels, height * width});                           // [C, P]
  const at::Tensor place = weights.to(flat.options());                                       // [G, P]
  const at::Tensor embedding = model.image_embedding(model.image().pool(map.unsqueeze(0)));  // [1, D]
  at::Tensor g;                                                                              // [M, D]
  {
    const at::AutoGradMode with_gradients(true);
    const at::Tensor x =
        embedding.detach().expand({texts.size(0), embedding.size(1)}).contiguous().requires_grad_(true);
    // Row by row: score(x_m, y_m) is the diagonal of the score matrix.
    g = torch::autograd::grad({model.scorer().evidence(x, texts.detach()).diagonal().sum()}, {x})[0];
  }
  const at::Tensor by_part = g.mm(linear.detach()).view({texts.size(0), channels, place.size(0)});  // [M, C, G]
  return at::einsum("mcg,gp,cp->mp", {by_part, place, flat}).view({texts.size(0), height, width});
}

WordRelevance word_relevance(JointModel& model, const at::Tensor& tokens, const Encoded& image) {
  const EvalScope scope(model);
  const int64_t words = tokens.size(0);
  const at::Tensor one = tokens.unsqueeze(0), length = at::full({1}, words, tokens.options());
  WordRelevance out;
  out.score = model.scores(image, model.text_view(one, length)).item<double>();
  if (words > 1) {
    const Encoded shorter = model.text_view(without_each(tokens), at::full({words}, words - 1, tokens.options()));
    const at::Tensor scores = model.scores(image, shorter)[0].to(at::kCPU, at::kDouble);
    for (int64_t i = 0; i < words; ++i) out.left_out.push_back(out.score - scores[i].item<double>());
  } else {
    out.left_out.push_back(out.score);
  }
  const at::Tensor vectors = model.text().embed_words(one);
  if (!vectors.defined()) return out;
  const at::AutoGradMode with_gradients(true);
  const at::Tensor leaf = vectors.detach().requires_grad_(true);
  const at::Tensor score = model.scores(detached(image), model.words_view(leaf, length)).sum();
  const at::Tensor gradient = torch::autograd::grad({score}, {leaf})[0];
  const at::Tensor products = (gradient * leaf.detach()).sum(2)[0].to(at::kCPU, at::kDouble);
  for (int64_t i = 0; i < words; ++i) out.gradient.push_back(products[i].item<double>());
  return out;
}

std::vector<AttentionMap> attention_maps(JointModel& model, const at::Tensor& image, const at::Tensor& tokens,
                                         const at::Tensor& length) {
  const EvalScope scope(model);
  std::vector<AttentionMap> maps = pair_attention(model, image, tokens, length);
  for (const auto& module : model.modules(/*include_self=*/false))
    if (auto* source = dynamic_cast<AttentionSource*>(module.get()))
      for (AttentionMap& map : source->attention(image, tokens, length)) maps.push_back(std::move(map));
  return maps;
}

}  // namespace diptych

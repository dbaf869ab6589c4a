#include "train/step.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "train/caption_batch.h"
#include "train/parameter_groups.h"

namespace diptych {
namespace {

Json number_or_text(double value) { return std::isfinite(value) ? Json(value) : Json(std::to_string(value)); }

/// Largest and smallest finite magnitude and the number of values that are not finite.
Json statistics(const at::Tensor& tensor) {
  const at::Tensor finite = tensor.isfinite();
  const at::Tensor kept = tensor.masked_select(finite).abs();
  Json out{{"elements", tensor.numel()}, {"not_finite", tensor.numel() - finite.sum().item<int64_t>()}};
  if (kept.numel() > 0) {
    out["largest"] = kept.max().item<double>();
    out["mean_magnitude"] = kept.mean().item<double>();
  }
  return out;
}

}  // namespace

namespace {

/// x, the queries, with what they are made of, and y, the images that answer them. Gives y with the changes taken back,
/// [B, D], if that is asked for and the composer can.
at::Tensor encode_composed(JointModel& model, const Batch& batch, bool image_frozen, bool take_back, LossInput& input) {
  ComposerSources sources;
  {
    const at::AutoGradMode gradients(!image_frozen);
    sources = model.sources(batch.image);
  }
  model.embed_sources(sources);
  const ComposerInput parts = model.composer_input(sources, batch.image_index, batch.tokens, batch.length);
  input.x = model.compose(parts);
  input.y = sources.embedding.index_select(0, batch.target_index);
  input.source = parts.image, input.text = parts.text, input.source_row = batch.image_row;
  return take_back ? model.composer()->undo(input.y.to(at::kFloat), parts.text) : at::Tensor();
}

/// The captions of a batch and behind them those that a loss chose, if it did.
CaptionBatch all_captions(const Batch& batch, const LabelledCaptions& chosen) {
  if (!chosen.tokens.defined()) return {batch.tokens, batch.length};
  const int64_t steps = std::max(batch.tokens.size(1), chosen.tokens.size(1));
  const auto padded = [&](const at::Tensor& tokens) {
    return at::constant_pad_nd(tokens, {0, steps - tokens.size(1)});
  };
  return {at::cat({padded(batch.tokens), padded(chosen.tokens)}), at::cat({batch.length, chosen.length})};
}

/// x, the images of the pairs, and y, their texts, and the chosen ones; with the scores of a PairScorer.
void encode_pairs(System& system, const Batch& batch, const LabelledCaptions& chosen, bool image_frozen,
                  LossInput& input) {
  at::Tensor features = batch.image;
  if (const bool cached = features.dim() < 4; !cached) {
    const at::AutoGradMode gradients(!image_frozen);
    features = system.model->image_features(batch.image);
  }
  const CaptionBatch texts = all_captions(batch, chosen);
  const Encoded x = system.model->image_view(features), y = system.model->text_view(texts.tokens, texts.length);
  input.x = x.global.index_select(0, batch.image_index), input.y = y.global;
  if (chosen.label.defined()) {
    const int64_t pairs = batch.length.size(0);
    input.y = y.global.narrow(0, 0, pairs), input.chosen = y.global.slice(0, pairs), input.chosen_label = chosen.label;
  }
  if (PairScorer* scorer = system.model->pair_scorer(); scorer && system.objective->needs_scores()) {
    const PairScores pairs = scorer->pairs(x, y);  // of every distinct image
    input.scores = pairs.scores.index_select(0, batch.image_index);
    if (pairs.penalty.defined()) input.penalty = pairs.penalty.index_select(0, batch.image_index);
  }
}

}  // namespace

ObjectiveValue forward_batch(System& system, const Batch& batch, const ActiveStage& stage, Precision precision,
                             int64_t step, double epoch) {
  LossInput input;
  LabelledCaptions chosen;
  if (stage.candidates) chosen = stage.candidates->choose(system, batch, precision, step);
  at::Tensor back;
  {
    const AutocastScope autocast(precision, system.device.type());
    if (system.model->composer())
      back = encode_composed(*system.model, batch, stage.image_frozen,
                             system.objective->needs_back_scores(stage.weights), input);
    else
      encode_pairs(system, batch, chosen, stage.image_frozen, input);
  }
  input.x = input.x.to(at::kFloat), input.y = input.y.to(at::kFloat);
  if (system.objective->needs_scores() && !input.scores.defined())
    input.scores = system.model->scorer().forward(input.x, input.y);
  if (input.chosen.defined()) {
    input.chosen = input.chosen.to(at::kFloat);
    input.chosen_scores = system.model->scorer().forward(input.x, input.chosen);
  }
  if (back.defined()) input.back_scores = system.model->scorer().forward(back, input.source);
  input.label = batch.label;
  input.image_row = batch.target_row.defined() ? batch.target_row : batch.image_row;
  input.text_weight = stage.options.text_weight;
  input.step = step;
  input.epoch = epoch;
  return system.objective->forward(input, stage.weights);
}

double gradient_norm(const std::vector<NamedParameter>& parameters) {
  std::vector<at::Tensor> gradients;
  for (const auto& parameter : parameters)
    if (parameter.value.grad().defined()) gradients.push_back(parameter.value.grad());
  if (gradients.empty()) return 0;
  return at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients))).item<double>();
}

void scale_gradients(const std::vector<NamedParameter>& parameters, double factor) {
  for (const auto& parameter : parameters)
    if (at::Tensor gradient = parameter.value.grad(); gradient.defined()) gradient.mul_(factor);
}

std::optional<NonFinite> find_nonfinite(const ObjectiveValue& value, const Corpus& corpus, const Batch& batch) {
  const double total = value.total.item<double>();
  if (std::isfinite(total)) return {};
  std::string culprits;
  Json terms = Json::object();
  for (const auto& term : value.terms) {
    const double each = term.value.total.item<double>();
    terms[term.name] = number_or_text(each);
    if (!std::isfinite(each)) culprits += " " + term.name;
  }
  const std::string samples = sample_ids(corpus, batch);
  return NonFinite{concat("the loss is not finite; terms:", culprits.empty() ? " (their sum)" : culprits,
                          "; captions of the batch: ", samples),
                   "lower the learning rate, or look for damaged inputs with diptych data check",
                   Json{{"what", "loss"}, {"loss", number_or_text(total)}, {"terms", terms}, {"samples", samples}}};
}

std::optional<NonFinite> find_nonfinite(double norm, const std::vector<NamedParameter>& parameters,
                                        const Corpus& corpus, const Batch& batch) {
  if (std::isfinite(norm)) return {};
  std::string first;
  Json gradients = Json::object();
  for (const auto& parameter : parameters) {
    const at::Tensor& gradient = parameter.value.grad();
    if (!gradient.defined() || gradient.isfinite().all().item<bool>()) continue;
    if (first.empty()) first = parameter.name;
    gradients[parameter.name] = statistics(gradient);
  }
  const std::string samples = sample_ids(corpus, batch);
  return NonFinite{
      concat("the gradient is not finite, first in ", first, "; captions of the batch: ", samples),
      "lower the learning rate, or set train.clip_norm",
      Json{{"what", "gradient"}, {"norm", number_or_text(norm)}, {"gradients", gradients}, {"samples", samples}}};
}

}  // namespace diptych

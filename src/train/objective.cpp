#include "diptych/train/objective.h"

#include <torch/torch.h>

#include <algorithm>
#include <map>

namespace diptych {

Objective::Objective(const List<TermOptions>& terms, const LossContext& context) {
  std::map<std::string, int> seen;
  for (const TermOptions& term : terms) {
    const int count = ++seen[term.loss.type()];
    names_.push_back(count == 1 ? term.loss.type() : concat(term.loss.type(), "_", count));
    weights_.push_back(term.weight);
    losses_.push_back(register_module(std::to_string(losses_.size()), term.loss.make(context)));
  }
  if (std::ranges::count_if(losses_, [](const auto& loss) { return loss->candidates() > 0; }) > 1)
    throw UsageError("", "objective: two terms choose captions beside the batch, and a step makes one choice",
                     "let one of them take its negatives from the batch");
}

ObjectiveValue Objective::forward(const LossInput& input, const std::vector<double>& weights) {
  ObjectiveValue value;
  for (size_t i = 0; i < losses_.size(); ++i) {
    if (weights[i] == 0) continue;
    value.terms.push_back({names_[i], weights[i], losses_[i]->forward(input)});
    const at::Tensor weighted = weights[i] * value.terms.back().value.total;
    value.total = value.total.defined() ? value.total + weighted : weighted;
  }
  return value;
}

bool Objective::needs_scores() const {
  return std::ranges::any_of(losses_, [](const auto& loss) { return loss->needs_scores(); });
}

bool Objective::needs_embeddings() const {
  return std::ranges::any_of(losses_, [](const auto& loss) { return loss->needs_embeddings(); });
}

bool Objective::needs_back_scores(const std::vector<double>& weights) const {
  for (size_t i = 0; i < losses_.size(); ++i)
    if (weights[i] != 0 && losses_[i]->needs_back_scores()) return true;
  return false;
}

const Loss* Objective::chooser() const { return chooser(std::vector<double>(losses_.size(), 1)); }

const Loss* Objective::chooser(const std::vector<double>& weights) const {
  for (size_t i = 0; i < losses_.size(); ++i)
    if (weights[i] != 0 && losses_[i]->candidates() > 0) return losses_[i].get();
  return nullptr;
}

bool Objective::weighs_text(const std::vector<double>& weights) const {
  for (size_t i = 0; i < losses_.size(); ++i)
    if (weights[i] != 0 && losses_[i]->weighs_text()) return true;
  return false;
}

bool Objective::classifies() const {
  return std::ranges::any_of(losses_, [](const auto& loss) { return loss->classifies(); });
}

std::vector<double> Objective::weights(const StageOptions& stage) const {
  return stage.term_weights.empty() ? weights_ : stage.term_weights;
}

}  // namespace diptych

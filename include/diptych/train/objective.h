#pragma once
#include <memory>
#include <string>
#include <vector>

#include "diptych/loss/loss.h"
#include "diptych/train/experiment.h"

namespace diptych {

/// Value of the objective on one batch: the weighted sum that is differentiated, and each term unweighted.
struct ObjectiveValue {
  at::Tensor total;  // []
  struct Term {
    std::string name;  // "cmpm", or "cmpm_2" for the second of a type
    double weight;
    LossValue value;
  };
  std::vector<Term> terms;  // terms of weight 0 are not computed
};

/// The weighted list of losses of an experiment. Submodules "0", "1", ... hold the losses' parameters.
class Objective : public torch::nn::Module {
 public:
  /// throws UsageError if two terms choose captions beside the batch.
  Objective(const List<TermOptions>& terms, const LossContext& context);
  /// weights: one per term; input.scores must be defined if needs_scores().
  ObjectiveValue forward(const LossInput& input, const std::vector<double>& weights);
  bool needs_scores() const;
  bool needs_embeddings() const;
  /// Of the terms whose weight is not 0.
  bool needs_back_scores(const std::vector<double>& weights) const;
  bool classifies() const;
  /// The term that chooses captions beside the batch (Loss::candidates), or, of a stage, if its weight is not 0; null
  /// if none does.
  const Loss* chooser() const;
  const Loss* chooser(const std::vector<double>& weights) const;
  /// Whether a stage's text_weight means something to a term whose weight is not 0.
  bool weighs_text(const std::vector<double>& weights) const;
  std::vector<double> weights(const StageOptions& stage) const;
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::shared_ptr<Loss>> losses_;
  std::vector<double> weights_;
  std::vector<std::string> names_;
};

}  // namespace diptych

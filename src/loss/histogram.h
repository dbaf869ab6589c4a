#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

struct HistogramOptions {
  double step = 0.1;
  Positives positives = Positives::labels;
  static void visit(auto& self, auto& field) {
    field(
        "step", self.step,
        "distance of the histograms' nodes between -1 and 1, a divisor of 2; only scores within a step of one another "
        "pull, so small batches need a large one",
        {.lo = 1e-4, .hi = 1});
    field("positives", self.positives,
          "which pairs are positive: rows with the same label (Ustinova and Lempitsky 2016), or only the own pair");
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const;
};

/// histogram_loss on the cosines of the batch's embeddings, whatever the model's scorer.
class HistogramLoss final : public Loss {
 public:
  using Options = HistogramOptions;
  HistogramLoss(const Options& options, const LossContext&) : options_(options) {}
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return true; }
  bool needs_scores() const override { return false; }

 private:
  Options options_;
};

}  // namespace diptych

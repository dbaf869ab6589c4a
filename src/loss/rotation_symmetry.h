#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

/// ComposeAE's rotational symmetry (Anwaar et al., WACV 2021): what turns the source into the target, taken back, turns
/// the target into the source.
///
///   L = -1/B sum_i log( e^{s_ii} / sum_j e^{s_ij} ),   s_ij = scorer(undo(target_i, text_i), source_j)
///
/// tirg_softmax_loss (K = B) of back_scores. Returns total; no directions, since its rows are no queries.
class RotationSymmetryLoss final : public Loss {
 public:
  struct Options {
    bool mask_same_source = false;
    static void visit(auto& self, auto& field) {
      field("mask_same_source", self.mask_same_source,
            "other queries of the batch with the own source image are no negatives; false as in the published code of "
            "Anwaar et al. 2021, where the term has weight 0.01");
    }
  };
  RotationSymmetryLoss(const Options& options, const LossContext&) : options_(options) {}
  /// throws UsageError where the composer has no way back.
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return false; }
  bool needs_scores() const override { return true; }
  bool needs_back_scores() const override { return true; }

 private:
  Options options_;
};

}  // namespace diptych

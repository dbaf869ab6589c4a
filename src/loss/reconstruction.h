#pragma once
#include <torch/nn/modules/container/sequential.h>

#include "diptych/loss/loss.h"

namespace diptych {

enum class DecodedPart { image, text };
constexpr auto enum_names(DecodedPart) {
  return std::array{std::pair{DecodedPart::image, "image"}, std::pair{DecodedPart::text, "text"}};
}

/// reconstruction_loss of decoder(x) with one of the two embeddings that the query x was composed of. Works with every
/// composer; ComposeAE (Anwaar et al., WACV 2021) has one such term for the image and one for the text.
///
/// Owns its decoder, FC - ReLU - FC of D units as in composer compose_ae (sizes and depth are ours). Parameters:
/// decoder by position. Evaluation does not use it.
class ReconstructionLoss final : public Loss {
 public:
  struct Options {
    DecodedPart of = DecodedPart::image;
    static void visit(auto& self, auto& field) {
      field("of", self.of,
            "what the decoder gives back: the embedding of the source image, or that of the text. ComposeAE has a term "
            "for each (Anwaar et al. 2021; weight 0.1 each in their published code)");
    }
  };
  ReconstructionLoss(const Options& options, const LossContext& context);
  /// throws UsageError for a batch without queries (matching).
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return true; }
  bool needs_scores() const override { return false; }

 private:
  Options options_;
  torch::nn::Sequential decoder_{nullptr};
};

}  // namespace diptych

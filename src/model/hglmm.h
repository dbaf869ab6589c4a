#pragma once
#include <optional>

#include "diptych/model/python_piece.h"
#include "diptych/model/text_encoder.h"
#include "model/feature_pca.h"
#include "model/hybrid_mixture.h"

namespace diptych {

/// The Fisher vector of a caption's word vectors under a hybrid Gaussian-Laplacian mixture (hybrid_mixture.h) of the
/// words of the training captions, each counted as often as it occurs. Word vectors are those of
/// data.text.word_vectors, not trained; words without one are left out. Buffers: words [V, E], mixture.{weight,
/// location, scale, laplacian}, pca.mean, pca.axes.
class Hglmm : public TextEncoder, public FittedText, public PythonForm {
 public:
  struct Options : MixtureOptions {
    int64_t word_dim = 300;
    std::optional<int64_t> pca = std::nullopt;
    static void visit(auto& self, auto& field) {
      field("word_dim", self.word_dim, "numbers of a word vector, as data.text.word_vectors has them",
            {.lo = 1, .hi = 65536});
      MixtureOptions::visit(self, field);
      field("pca", self.pca,
            "principal components of the training captions' Fisher vectors that are kept (Wang et al. 2018: 6000); "
            "null = all 2 components * word_dim numbers",
            {.lo = 1, .hi = 65536});
    }
  };
  /// throws UsageError if the word vectors have another width than word_dim, or pca is above 2 components word_dim;
  /// ShapeError if their rows are not the vocabulary's.
  Hglmm(const Options& options, const TextContext& context);
  Encoded forward(const at::Tensor& tokens, const at::Tensor& length) override;
  at::Tensor embed_words(const at::Tensor& tokens) override;
  Encoded encode_words(const at::Tensor& words, const at::Tensor& length) override;
  int64_t features() const override { return options_.pca.value_or(2 * options_.components * options_.word_dim); }
  bool needs_fit() const override { return true; }
  bool fitted() const override;
  void check_fit() const override;
  void fit(const Captions& captions, uint64_t seed) override;
  PythonPiece python() const override;

 private:
  at::Tensor fisher(const at::Tensor& words, const at::Tensor& length) const;  // [B, 2 K E]

  Options options_;
  at::Tensor words_;
  HybridMixture mixture_;
  std::shared_ptr<FeaturePca> pca_;  // null without
};

}  // namespace diptych

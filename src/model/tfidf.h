#pragma once
#include <optional>

#include "diptych/model/python_piece.h"
#include "diptych/model/text_encoder.h"
#include "model/feature_pca.h"

namespace diptych {

/// Bags of words, weighted by how rare a word is; nothing is trained.
///
///   v_w = tf(n_w) idf_w,   idf_w = ln((1 + N) / (1 + N_w)) + 1,   f = v / |v|
///
/// n_w how often word w stands in the caption, tf(n) = n or 1 + ln n, N training captions, N_w those with w. Unknown
/// words, padding, <start> and <end> count for nothing. With pca: the K principal components of f. The smooth idf is
/// scikit-learn's. Buffers: idf [V], pca.mean, pca.axes.
class TfIdf : public TextEncoder, public FittedText, public PythonForm {
 public:
  struct Options {
    bool sublinear = false;
    std::optional<int64_t> pca = std::nullopt;
    static void visit(auto& self, auto& field) {
      field("sublinear", self.sublinear, "a word that stands n times counts 1 + ln n instead of n");
      field("pca", self.pca, "principal components of the training captions that are kept; null = a feature a word",
            {.lo = 1, .hi = 65536});
    }
  };
  /// throws UsageError for pca above the vocabulary's size.
  TfIdf(const Options& options, const TextContext& context);
  Encoded forward(const at::Tensor& tokens, const at::Tensor& length) override;
  int64_t features() const override { return options_.pca.value_or(idf_.size(0)); }
  bool needs_fit() const override { return true; }
  bool fitted() const override;
  void fit(const Captions& captions, uint64_t seed) override;
  PythonPiece python() const override;

 private:
  at::Tensor weighted(const at::Tensor& tokens, const at::Tensor& length) const;  // [B, V], unit rows

  Options options_;
  at::Tensor idf_;
  std::shared_ptr<FeaturePca> pca_;  // null without
};

}  // namespace diptych

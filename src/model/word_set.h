#pragma once
#include <torch/nn/modules/linear.h>

#include <memory>
#include <optional>

#include "model/feature_pca.h"
#include "model/pooling.h"
#include "model/word_encoder.h"

namespace diptych {

/// Word vectors and pooling, nothing between: the order of the words does not count (but for `last`). With pca: the K
/// principal components of what pooling gives, fitted to the training captions with the vectors of that moment; a
/// fixed linear map from then on. Parameters: embedding.weight, and pool.* where pooling has some. Buffers: pca.mean,
/// pca.axes.
class WordMean : public WordEncoder, public FittedText {
 public:
  struct Options : WordOptions {
    Pooling pool = Pooling::mean;
    PoolingOptions pooling;
    std::optional<int64_t> pca = std::nullopt;
    static void visit(auto& self, auto& field) {
      WordOptions::visit(self, field);
      field("pool", self.pool, "word vectors -> sentence, over the real words: see bilstm");
      field("pooling", self.pooling, "constants of the poolings that have some");
      field("pca", self.pca,
            "principal components of the training captions that are kept, found in a stage with fit: text; null = the "
            "sentence as it is",
            {.lo = 1, .hi = 65536});
    }
  };
  /// throws UsageError for pca above the sentence's size.
  WordMean(const Options& options, const TextContext& context);
  int64_t features() const override { return pca_ ? pca_->axes().size(1) : pool_->features(word_dim()); }
  int64_t local_features() const override { return word_dim(); }
  bool needs_fit() const override { return pca_ != nullptr; }
  bool fitted() const override { return !pca_ || pca_->fitted(); }
  void fit(const Captions& captions, uint64_t seed) override;
  PythonPiece python() const override;

 protected:
  Encoded encode(const at::Tensor& words, const at::Tensor& length) override;

 private:
  std::shared_ptr<Pool> pool_;
  std::shared_ptr<FeaturePca> pca_;  // null without
};

/// Word vectors v_i weighted by a = softmax_i(ReLU(w . [c; v_i] + b)), c their mean: sentence = sum a_i v_i.
/// Parameters: embedding.weight, attention.{weight, bias}.
class WordAttention : public WordEncoder {
 public:
  using Options = WordOptions;
  WordAttention(const Options& options, const TextContext& context);
  int64_t features() const override { return word_dim(); }
  PythonPiece python() const override;

 protected:
  Encoded encode(const at::Tensor& words, const at::Tensor& length) override;

 private:
  torch::nn::Linear attention_;
};

}  // namespace diptych

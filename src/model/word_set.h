#pragma once
#include <torch/nn/modules/linear.h>

#include <memory>

#include "model/pooling.h"
#include "model/word_encoder.h"

namespace diptych {

/// Word vectors and pooling, nothing between: the order of the words does not count (but for `last`). Parameters:
/// embedding.weight, and pool.* where pooling has some.
class WordMean : public WordEncoder {
 public:
  struct Options : WordOptions {
    Pooling pool = Pooling::mean;
    PoolingOptions pooling;
    static void visit(auto& self, auto& field) {
      WordOptions::visit(self, field);
      field("pool", self.pool, "word vectors -> sentence, over the real words: see bilstm");
      field("pooling", self.pooling, "constants of the poolings that have some");
    }
  };
  WordMean(const Options& options, const TextContext& context);
  int64_t features() const override { return pool_->features(word_dim()); }
  int64_t local_features() const override { return word_dim(); }
  PythonPiece python() const override;

 protected:
  Encoded encode(const at::Tensor& words, const at::Tensor& length) override;

 private:
  std::shared_ptr<Pool> pool_;
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

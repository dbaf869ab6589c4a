#pragma once
#include <torch/nn/module.h>

#include <cstdint>

#include "model/principal_axes.h"

namespace diptych {

/// Features [B, F] -> their principal components [B, K], (f - mean) axes, as part of an encoder. Buffers: mean [F],
/// axes [F, K], zeros until fitted.
class FeaturePca : public torch::nn::Module {
 public:
  /// `owner` is for messages. throws UsageError for K above F.
  FeaturePca(const char* owner, int64_t features, int64_t components);
  at::Tensor forward(const at::Tensor& features) const;
  /// Features of single words [..., F] -> [..., K] without the mean: what adds up to a sentence.
  at::Tensor parts(const at::Tensor& features) const { return features.matmul(axes_); }
  /// Columns [K] of some features [N] -> [N, K].
  const at::Tensor& axes() const { return axes_; }
  bool fitted() const;
  void fit(const RowBlocks& blocks, uint64_t seed);

 private:
  at::Tensor mean_, axes_;
};

/// The definition of FeaturePca in Python, for PythonPiece.
const char* feature_pca_python();

}  // namespace diptych

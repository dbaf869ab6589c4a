#pragma once
#include <torch/nn/module.h>

#include "diptych/core/registry.h"
#include "diptych/model/affine.h"

namespace diptych {

/// Features -> the joint space. Registry "head":
///
///   identity    f
///   linear      W f + b
///   linear_bn   BN(W f), no bias, no activation (CMPM: Zhang and Lu 2018)
///   dual_path   `layers` times [FC without bias - BN - ReLU], the last ReLU only in training (Zheng et al. 2020)
///   mlp         `layers` times [FC - BN - activation - dropout], then FC (the two-branch network: Wang et al. 2018)
class Head : public torch::nn::Module {
 public:
  /// features [B, F] -> [B, D], not normalised.
  virtual at::Tensor forward(const at::Tensor& features) = 0;
  virtual int64_t dimension() const = 0;
  /// W [D, F] if the head is affine in evaluation, forward(f) = W f + b; otherwise undefined.
  virtual at::Tensor linear_part() const { return {}; }

  // The head's own parameters, W and b, for who fits it in closed form and writes into them (train/fit.h). Undefined
  // where the head has none of this kind.

  /// [D, F] and [D], if forward(f) = W f + b.
  virtual AffineMap whole() const { return {}; }
  /// [D, H] and [D], if forward(f) = W rest(f) + b, whatever stands before.
  virtual AffineMap last() const { return whole(); }
};
struct HeadContext {
  int64_t features;
};
using HeadRegistry = Registry<Head, const HeadContext&>;
void register_heads(HeadRegistry& heads);

}  // namespace diptych

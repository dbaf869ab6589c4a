#pragma once
#include "diptych/core/options.h"
#include "diptych/loss/loss_value.h"

namespace diptych {

struct DccaOptions {
  double regularisation = 1e-4;
  std::optional<int64_t> top_k = std::nullopt;
  double floor = 1e-12;
  static void visit(auto& self, auto& field) {
    field("regularisation", self.regularisation,
          "r of S_ii + r I, in units of the embeddings' variance (Andrew et al. 2013; public code: 1e-4 to 1e-3)",
          {.lo = 0, .hi = 1e6});
    field("top_k", self.top_k, "only the k largest correlations count (Andrew et al. 2013); null = all",
          {.lo = 1, .hi = 65536});
    field("floor", self.floor, "eigenvalues of a covariance below this are dropped", {.lo = 1e-300, .hi = 1});
  }
};

/// Deep CCA: minus the sum of the canonical correlations of a batch.
///
///   S11 = X'X / (B-1) + r I,  S22 = Y'Y / (B-1) + r I,  S12 = X'Y / (B-1)       X, Y centred over the batch
///   L = - sum of the (top_k largest) singular values of S11^-1/2 S12 S22^-1/2   (Andrew et al., ICML 2013)
///
/// x, y     [B, D], [B, E], not normalised; an affine map of either changes nothing but what r does
/// returns  total in [-min(D, E), 0]; no directions. Computed in float64 whatever comes in; differentiable once
/// throws   ShapeError also unless B > D and B > E: with fewer pairs than dimensions every correlation is 1.
///          NumericError for embeddings that are not finite
///
/// The loss is one number of the whole batch, and noisy unless B is several times D: rows are not independent.
/// source: the paper; where public ports take the Frobenius norm, the smallest values, or an element-wise root, this
/// is the sum of the singular values.
LossValue dcca_loss(const at::Tensor& x, const at::Tensor& y, const DccaOptions& options = {});

}  // namespace diptych

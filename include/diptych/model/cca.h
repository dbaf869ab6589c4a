#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "diptych/core/options.h"
#include "diptych/model/affine.h"

namespace diptych {

/// Means and covariances of paired features, gathered batch by batch in float64: memory is that of the covariances,
/// however many pairs there are.
class PairMoments {
 public:
  /// x [U, F], y [B, G] any float type, image_of_text [B] int64: the row of x that text j belongs to. Each text is a
  /// pair with its image; a row of x without texts counts for nothing. Merged by means and centred products (Chan et
  /// al. 1983), so that features far from 0 lose no digits. throws ShapeError, NumericError for values not finite.
  void add(const at::Tensor& x, const at::Tensor& y, const at::Tensor& image_of_text);
  /// The same of B images with one text each: x [B, F], y [B, G].
  void add(const at::Tensor& x, const at::Tensor& y);

  int64_t pairs() const { return pairs_; }
  const at::Tensor& mean_x() const { return mean_x_; }  // [F]
  const at::Tensor& mean_y() const { return mean_y_; }  // [G]
  /// Divided by pairs - 1. throws ShapeError with less than two pairs.
  at::Tensor xx() const { return covariance(xx_); }  // [F, F]
  at::Tensor xy() const { return covariance(xy_); }  // [F, G]
  at::Tensor yy() const { return covariance(yy_); }  // [G, G]

 private:
  at::Tensor covariance(const at::Tensor& products) const;
  int64_t pairs_ = 0;
  at::Tensor mean_x_, mean_y_, xx_, xy_, yy_;  // products of centred features, not divided
};

struct CcaOptions {
  double regularisation = 1e-3;
  bool relative = true;
  double power = 0;
  static void visit(auto& self, auto& field) {
    field("regularisation", self.regularisation, "r of S + r I; more of it trusts frequent features more",
          {.lo = 0, .hi = 1e6});
    field("relative", self.relative,
          "r in units of the mean variance of the view's features; false: as it stands, for both views");
    field(
        "power", self.power,
        "projections are multiplied by their correlation to this power: 0 = plain CCA, above = normalised CCA, for the "
        "cosine (Gong et al. 2014)",
        {.lo = 0, .hi = 16});
  }
};

/// Two maps into one space, [dim, F] and [dim, G] float64, and the correlations that they reach.
struct Cca {
  AffineMap x, y;
  at::Tensor correlation;  // [dim], descending
};

/// Canonical correlation analysis in closed form (Hotelling 1936).
///
///   Sxx = cov(x) + r I,  Syy = cov(y) + r I,   Sxx^-1/2 Sxy Syy^-1/2 = U diag(c) V^T
///   x -> c^power * U^T Sxx^-1/2 (x - mean_x),  y -> c^power * V^T Syy^-1/2 (y - mean_y),  the dim largest c
///
/// With power 0 every dimension has variance 1 (less what r takes) and the correlation of the two sides in it is c. The
/// sign of each dimension makes its largest weight of x positive, so that equal data give equal maps. The sum of c is
/// minus dcca_loss of all the pairs, if r is the same.
///
/// throws   UsageError for dim above min(F, G); DataError for r = 0 and no more pairs than features: any two views
///          would correlate perfectly
/// source   Gong, Ke, Isard and Lazebnik, IJCV 2014, for the power
Cca fit_cca(const PairMoments& moments, int64_t dim, const CcaOptions& options = {});

}  // namespace diptych

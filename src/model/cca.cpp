#include "diptych/model/cca.h"

#include <torch/torch.h>

#include <algorithm>

#include "diptych/core/error.h"
#include "diptych/core/tensor/canonical.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr const char* kRemedy = "look for damaged inputs with diptych data check, or for word vectors with NaN";

void require_finite_features(const at::Tensor& features, const char* view) {
  if (!features.isfinite().all().item<bool>())
    throw NumericError("", concat("canonical correlation: features of the ", view, " are not finite"), kRemedy);
}

at::Tensor regularised(const at::Tensor& covariance, const CcaOptions& options) {
  const double unit = options.relative ? covariance.diagonal().mean().item<double>() : 1.0;
  return covariance + options.regularisation * unit * at::eye(covariance.size(0), covariance.options());
}

AffineMap centred_map(const at::Tensor& directions, const at::Tensor& mean, const at::Tensor& scale) {
  const at::Tensor weight = (directions * scale).t().contiguous();
  return {weight, -weight.mv(mean)};
}

}  // namespace

void PairMoments::add(const at::Tensor& x_in, const at::Tensor& y_in, const at::Tensor& image_of_text) {
  if (x_in.dim() != 2 || y_in.dim() != 2 || image_of_text.dim() != 1 || image_of_text.size(0) != y_in.size(0))
    throw ShapeError(concat("PairMoments: x ", x_in.sizes(), ", y ", y_in.sizes(), ", image_of_text ",
                            image_of_text.sizes(), ", needed are [U, F], [B, G], [B]"));
  if (pairs_ > 0 && (x_in.size(1) != mean_x_.size(0) || y_in.size(1) != mean_y_.size(0)))
    throw ShapeError(concat("PairMoments: features of ", x_in.size(1), " and ", y_in.size(1), " numbers after such of ",
                            mean_x_.size(0), " and ", mean_y_.size(0)));
  if (y_in.size(0) == 0) return;
  const at::NoGradGuard no_grad;
  require_finite_features(x_in, "images");
  require_finite_features(y_in, "texts");
  const at::Tensor x = x_in.to(at::kDouble), y = y_in.to(at::kDouble);
  if (pairs_ == 0) {
    mean_x_ = at::zeros({x.size(1)}, x.options()), mean_y_ = at::zeros({y.size(1)}, y.options());
    xx_ = at::zeros({x.size(1), x.size(1)}, x.options()), yy_ = at::zeros({y.size(1), y.size(1)}, y.options());
    xy_ = at::zeros({x.size(1), y.size(1)}, x.options());
  }
  const int64_t added = y.size(0);
  const at::Tensor texts =
      at::zeros({x.size(0)}, x.options()).index_add_(0, image_of_text, at::ones({added}, x.options()));  // [U]
  const at::Tensor here_x = texts.unsqueeze(0).mm(x).squeeze(0) / added, here_y = y.mean(0);
  const at::Tensor a = x - here_x, b = y - here_y;  // [U, F], [B, G]
  const at::Tensor summed = at::zeros({x.size(0), y.size(1)}, y.options()).index_add_(0, image_of_text, b);  // [U, G]

  const auto before = static_cast<double>(pairs_), total = static_cast<double>(pairs_ + added);
  const double between = before * static_cast<double>(added) / total;
  const at::Tensor step_x = here_x - mean_x_, step_y = here_y - mean_y_;
  xx_.addmm_((a * texts.unsqueeze(1)).t(), a).addr_(step_x, step_x, 1, between);
  xy_.addmm_(a.t(), summed).addr_(step_x, step_y, 1, between);
  yy_.addmm_(b.t(), b).addr_(step_y, step_y, 1, between);
  mean_x_.add_(step_x, static_cast<double>(added) / total);
  mean_y_.add_(step_y, static_cast<double>(added) / total);
  pairs_ += added;
}

void PairMoments::add(const at::Tensor& x, const at::Tensor& y) {
  if (x.dim() != 2 || y.dim() != 2 || x.size(0) != y.size(0))
    throw ShapeError(concat("PairMoments: x ", x.sizes(), " and y ", y.sizes(), ", needed are [B, F] and [B, G]"));
  add(x, y, at::arange(x.size(0), x.options().dtype(at::kLong)));
}

at::Tensor PairMoments::covariance(const at::Tensor& products) const {
  if (pairs_ < 2) throw ShapeError(concat("PairMoments: ", pairs_, " pairs have no covariance"));
  return products / static_cast<double>(pairs_ - 1);
}

Cca fit_cca(const PairMoments& moments, int64_t dim, const CcaOptions& options) {
  const at::NoGradGuard no_grad;
  const at::Tensor xx = moments.xx(), yy = moments.yy();
  const int64_t most = std::min(xx.size(0), yy.size(0)), features = std::max(xx.size(0), yy.size(0));
  if (dim < 1 || dim > most)
    throw UsageError("",
                     concat("canonical correlation has 1 to ", most, " dimensions here, the smaller of ", xx.size(0),
                            " image and ", yy.size(0), " text features; ", dim, " were asked for"),
                     concat("dim of both heads: at most ", most));
  if (options.regularisation == 0 && moments.pairs() <= features)
    throw DataError("",
                    concat("canonical correlation of ", moments.pairs(), " pairs with ", features,
                           " features: without regularisation any two views would correlate perfectly"),
                    "regularisation above 0, or fewer features");
  const CanonicalDirections found =
      canonical_directions(regularised(xx, options), moments.xy(), regularised(yy, options));
  const at::Tensor correlation = found.values.narrow(0, 0, dim).contiguous();
  const at::Tensor x = found.x.narrow(1, 0, dim), y = found.y.narrow(1, 0, dim);
  const at::Tensor largest = x.gather(0, x.abs().argmax(0, /*keepdim=*/true)).squeeze(0);
  const at::Tensor scale =
      at::where(largest < 0, -1.0, 1.0).to(at::kDouble) * correlation.clamp(0, 1).pow(options.power);
  return {centred_map(x, moments.mean_x(), scale), centred_map(y, moments.mean_y(), scale), correlation};
}

}  // namespace diptych

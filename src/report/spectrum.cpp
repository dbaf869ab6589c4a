#include "diptych/report/spectrum.h"

#include <torch/torch.h>

#include <cmath>
#include <numeric>

#include "report/points.h"

namespace diptych {

Spectrum singular_spectrum(const at::Tensor& points) {
  const at::NoGradGuard no_grad;
  at::Tensor centred = finite_points(points, "singular_spectrum");
  centred = centred - centred.mean(0, true);
  const bool wide = centred.size(1) > centred.size(0);
  const at::Tensor squares = at::linalg_eigvalsh(wide ? centred.mm(centred.t()) : centred.t().mm(centred));
  const at::Tensor values = squares.clamp_min(0).sqrt().flip(0).contiguous();
  Spectrum out;
  out.values.assign(values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel());
  const double sum = std::accumulate(out.values.begin(), out.values.end(), 0.0);
  if (sum == 0) return out;
  double entropy = 0, variance = 0;
  for (const double value : out.values) {
    if (value > 0) entropy -= value / sum * std::log(value / sum);
    variance += value * value;
  }
  out.effective_rank = std::exp(entropy);
  double held = 0;
  for (const double value : out.values) {
    ++out.directions_of_90_percent;
    if ((held += value * value) >= 0.9 * variance) break;
  }
  return out;
}

}  // namespace diptych

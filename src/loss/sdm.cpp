#include "loss/sdm.h"

#include <ATen/core/Tensor.h>

namespace diptych {

LossValue sdm_loss(const at::Tensor& image, const at::Tensor& text, const at::Tensor& label,
                   const SdmOptions& options) {
  return cmpm_loss(image, text, label,
                   {.direction = options.direction,
                    .target_norm = TargetNorm::l1,
                    .eps = options.eps,
                    .tau = options.tau,
                    .normalize_both = true,
                    .positives = options.positives});
}

LossValue SdmLoss::forward(const LossInput& input) { return sdm_loss(input.x, input.y, input.label, options_); }

}  // namespace diptych

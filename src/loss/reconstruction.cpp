#include "loss/reconstruction.h"

#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "loss/support.h"

namespace diptych {

LossValue reconstruction_loss(const at::Tensor& decoded, const at::Tensor& original) {
  loss_support::check_defined("reconstruction_loss", "decoded embeddings", decoded);
  loss_support::check_defined("reconstruction_loss", "original embeddings", original);
  if (decoded.dim() != 2 || decoded.sizes() != original.sizes() || decoded.numel() == 0)
    throw ShapeError(concat("reconstruction_loss: decoded ", decoded.sizes(), " and original ", original.sizes(),
                            " must both be [B, D], neither empty"));
  return {(at_least_float(decoded) - at_least_float(original)).square().mean(), {}, {}};
}

ReconstructionLoss::ReconstructionLoss(const Options& options, const LossContext& context) : options_(options) {
  const int64_t units = context.dimension;
  decoder_ = register_module("decoder", torch::nn::Sequential(torch::nn::Linear(units, units), torch::nn::ReLU(),
                                                              torch::nn::Linear(units, units)));
}

LossValue ReconstructionLoss::forward(const LossInput& input) {
  loss_support::check_views("reconstruction", input.x, input.y, input.label);
  const at::Tensor& original = options_.of == DecodedPart::image ? input.source : input.text;
  if (!original.defined())
    throw UsageError("", "reconstruction: there is no query that an image and a text were composed to",
                     "take the term out of the objective, or give it weight 0; model.composer with a type other than "
                     "none composes queries");
  return reconstruction_loss(decoder_->forward(at_least_float(input.x)), original);
}

}  // namespace diptych

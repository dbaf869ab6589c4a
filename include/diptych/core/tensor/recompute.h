#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace diptych {

using TensorFunction = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)>;

/// f(inputs), of which only inputs and results are kept for the backward pass: what f computes on its way is computed
/// once more there (gradient checkpointing; Chen et al., arXiv:1604.06174). f must be deterministic and reach every
/// tensor that is to get a gradient through `inputs`; undefined inputs are allowed, undefined results are not. Autocast
/// is in backward as it was in forward. Without gradients it is f(inputs).
std::vector<at::Tensor> recomputed(const TensorFunction& f, const std::vector<at::Tensor>& inputs);

}  // namespace diptych

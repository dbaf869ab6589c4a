#pragma once
#include "diptych/loss/loss_value.h"

namespace diptych {

enum class PenalisedPairs { matching, all };
constexpr auto enum_names(PenalisedPairs) {
  return std::array{std::pair{PenalisedPairs::matching, "matching"}, std::pair{PenalisedPairs::all, "all"}};
}

/// Mean over pairs of what attention left out: the doubly stochastic regulariser of Xu et al. (ICML 2015), as sm-LSTM
/// uses it (Huang et al., CVPR 2017: weight 100).
///
/// penalty  [N, M], sum_i (1 - sum_t p_ti)^2 + sum_j (1 - sum_t q_tj)^2 of every image with every text
/// returns  total; no directions. matching: over the diagonal, all: over all pairs
LossValue attention_penalty_loss(const at::Tensor& penalty, PenalisedPairs pairs = PenalisedPairs::matching);

}  // namespace diptych

#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

/// What a loss takes for s_ij: x_i . y_j, or what the model's scorer gives.
enum class Similarity { dot, scorer };
constexpr auto enum_names(Similarity) {
  return std::array{std::pair{Similarity::dot, "dot"}, std::pair{Similarity::scorer, "scorer"}};
}

namespace loss_support {

/// [B, B] in at least float32. throws ShapeError that begins with `who` if the batch lacks what it needs.
at::Tensor similarities(const char* who, const LossInput& input, Similarity similarity);

}  // namespace loss_support
}  // namespace diptych

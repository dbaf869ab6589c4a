#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <optional>
#include <string>
#include <utility>

// Losses as free functions on tensors. x are images, y texts; row i of x and row i of y are a pair unless said
// otherwise.
//
// Common to all:
//  - x, y [B, D] float32 or float64 embeddings, NOT normalised unless the function says that it does not matter;
//    scores [B, B], s_ij = similarity of x_i and y_j, higher is better. float16 and bfloat16 are computed in float32.
//    Call outside of an autocast scope.
//  - label [B] int64, compared as integers: equal labels = a match. A batch may hold several captions of one image: its
//    image then stands in several rows with one label, and each function says what it does with such rows.
//  - the result is [] per direction and in total, differentiable in every floating tensor that goes in.
//  - a row of x or y without length (norm < 1e-8) has no direction: its unit row is zero and gets no gradient, so that
//    gradients stay bounded.
//  - throws ShapeError for shapes that do not fit or an empty batch. A batch of one is legal.

namespace diptych {

struct Origin;
class Complaints;

/// Each direction separately and the total (what is differentiated). x_to_y and y_to_x are both undefined for losses
/// without directions; one is for a direction that is switched off.
struct LossValue {
  at::Tensor total, x_to_y, y_to_x;  // [] float32, or float64 of float64 inputs
};

/// Who matches whom in a batch: only the pair itself, or every row with the same label.
enum class Positives { diagonal, labels };
constexpr auto enum_names(Positives) {
  return std::array{std::pair{Positives::diagonal, "diagonal"}, std::pair{Positives::labels, "labels"}};
}

/// Which direction of a two-way loss counts: images as anchors, texts as anchors, or both.
enum class RankDirection { both, i2t, t2i };
constexpr auto enum_names(RankDirection) {
  return std::array{std::pair{RankDirection::both, "both"}, std::pair{RankDirection::i2t, "i2t"},
                    std::pair{RankDirection::t2i, "t2i"}};
}

}  // namespace diptych

#pragma once
#include <torch/nn/modules/linear.h>

#include "diptych/model/composer.h"

// What the composers share: the parts of their input, checked and in at least float32.
namespace diptych::composing {

struct Views {
  at::Tensor image, text;  // [B, D]
};
/// The two embeddings. throws ShapeError that begins with "composer WHO" unless both are [B, D].
Views views_of(const char* who, const ComposerInput& input, int64_t dimension);
/// [B, 2D]: image, then text.
at::Tensor side_by_side(const Views& views);
/// One more part. sizes: what it must have, -1 where any size will do. throws ShapeError like views_of.
at::Tensor part_of(const char* who, const char* name, const at::Tensor& part, at::IntArrayRef sizes);

/// C of the image encoder's map. throws UsageError, which begins with "composer WHO", where it has none.
int64_t map_channels(const char* who, const ComposerContext& context);
/// An affine map that gives 0 until it is trained.
torch::nn::Linear zero_linear(int64_t in, int64_t out);

}  // namespace diptych::composing

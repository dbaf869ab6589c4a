#pragma once
#include <ATen/core/Tensor.h>

namespace diptych {

/// What the loader gives. B pairs, U <= B distinct images (an image that several pairs of the batch share is decoded,
/// augmented and encoded once), L the longest caption of the batch. Of composed retrieval a pair is a query and its
/// answer: captions are modifications, labels the answers', and U <= 2B.
struct Batch {
  at::Tensor image;  // [U, 3, H, W] float32, normalised, channels-last; or features [U, F] or [U, h, w*C] from a cache,
                     // [U, F] or [U, R, F] from a file; may be undefined
  at::Tensor image_index;       // [B] int64: row of `image` of each pair
  at::Tensor tokens;            // [B, L] int64, 0 = padding
  at::Tensor length;            // [B] int64, >= 1
  at::Tensor label;             // [B] int64
  at::Tensor image_row;         // [B] int64, rows of the corpus
  at::Tensor caption_row;       // [B] int64: of Corpus::captions, or of Corpus::modifications
  at::Tensor unique_image_row;  // [U] int64
  // Composed retrieval only, otherwise undefined: the image that answers.
  at::Tensor target_index{};  // [B] int64: row of `image`
  at::Tensor target_row{};    // [B] int64, rows of the corpus
};

}  // namespace diptych

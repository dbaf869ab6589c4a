#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "diptych/eval/protocol.h"

namespace diptych {

/// One text for each class, in ascending order of labels.
struct ClassTexts {
  at::Tensor embeddings;          // [C, D] float32, the mean over the captions
  std::vector<int64_t> label;     // [C]
  std::vector<int64_t> captions;  // [C] how many were averaged
};

/// The mean of the embeddings of each class's captions (Reed et al., CVPR 2016), summed in float64. Lengths count: rows
/// are averaged as the model gave them, before a scorer scales anything.
///
/// y        [M, D] raw embeddings of captions
/// y_label  [M] class of each
/// y_image  [M] image of each, any numbers. With a limit on the captions of a class, the first caption of each of its
///          images is taken, then the second of each, ..., until there are enough
/// throws   ShapeError if the sizes differ
ClassTexts class_texts(const at::Tensor& y, const std::vector<int64_t>& y_label, const std::vector<int64_t>& y_image,
                       const ClassTextOptions& options = {});

}  // namespace diptych

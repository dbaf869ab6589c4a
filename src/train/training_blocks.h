#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "diptych/train/fit.h"
#include "train/caption_batch.h"

namespace diptych {

/// Some training images with all their captions.
struct TrainingBlock {
  std::vector<int64_t> image_rows;  // [U]
  CaptionBatch captions;            // B of them, on the system's device
  at::Tensor image_of_text;         // [B] int64: 0..U-1
};
/// The training split of a run (train.limit_images of it) in the order of the corpus, evaluate.batch_size images at a
/// time. throws Interrupted between two blocks.
void for_each_training_block(const FitContext& context, const std::function<void(const TrainingBlock&)>& visit);

}  // namespace diptych

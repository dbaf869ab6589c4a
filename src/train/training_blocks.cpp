#include "train/training_blocks.h"

#include <torch/torch.h>

#include <algorithm>

#include "diptych/core/signals.h"
#include "diptych/train/system.h"

namespace diptych {

void for_each_training_block(const FitContext& context, const std::function<void(const TrainingBlock&)>& visit) {
  const DataBundle& data = context.data;
  const std::vector<int64_t> images = data.training_images(context.experiment.train.limit_images);
  const auto captions = data.corpus.captions_of_images();
  const auto size = static_cast<size_t>(context.experiment.evaluate.batch_size);
  for (size_t first = 0; first < images.size(); first += size) {
    signals::throw_if_pending();
    TrainingBlock block;
    std::vector<int64_t> caption_rows, image_of_text;
    for (size_t i = first; i < std::min(first + size, images.size()); ++i) {
      for (const int64_t caption : captions[static_cast<size_t>(images[i])]) {
        caption_rows.push_back(caption);
        image_of_text.push_back(static_cast<int64_t>(block.image_rows.size()));
      }
      block.image_rows.push_back(images[i]);
    }
    if (caption_rows.empty()) continue;
    block.captions = caption_batch(data.token_ids, caption_rows);
    block.captions.tokens = block.captions.tokens.to(context.system.device);
    block.captions.length = block.captions.length.to(context.system.device);
    block.image_of_text = torch::tensor(image_of_text, at::kLong);
    visit(block);
  }
}

}  // namespace diptych

#include "diptych/data/image/readable.h"

#include <torch/torch.h>

#include <numeric>
#include <set>

#include "data/image/feed.h"

namespace diptych {

void for_each_readable_image_batch(
    const LoaderSource& source, const std::vector<int64_t>& image_rows, int64_t batch_size,
    const std::function<void(const at::Tensor& images, const std::vector<int64_t>& places)>& visit,
    const std::function<void(int64_t place, const Error& error)>& failed) {
  std::vector<std::vector<int64_t>> batches;
  for (size_t i = 0; i < image_rows.size(); ++i) {
    if (i % static_cast<size_t>(batch_size) == 0) batches.emplace_back();
    batches.back().push_back(image_rows[i]);
  }
  if (source.features) {  // rows are as good as they were when the file was opened
    int64_t first = 0;
    for (const std::vector<int64_t>& batch : batches) {
      std::vector<int64_t> places(batch.size());
      std::iota(places.begin(), places.end(), first);
      visit(source.features->rows(batch), places);
      first += static_cast<int64_t>(batch.size());
    }
    return;
  }
  ImageFeed feed(source, std::move(batches), 0, /*training=*/false);
  ImageFeed::Images images;
  for (int64_t first = 0; feed.next(images); first += batch_size) {
    std::set<int64_t> bad;
    for (const auto& failure : images.failures) {
      const int64_t index = static_cast<int64_t>(failure.index);
      try {
        std::rethrow_exception(failure.error);
      } catch (const Error& error) {
        if (!is_skippable(error)) throw;
        failed(first + index, error);
      }
      bad.insert(index);
    }
    std::vector<int64_t> kept, places;
    for (int64_t i = 0; i < images.tensor.size(0); ++i)
      if (!bad.contains(i)) kept.push_back(i), places.push_back(first + i);
    if (kept.empty()) continue;
    const at::Tensor readable =
        bad.empty() ? images.tensor : images.tensor.index_select(0, torch::tensor(kept, at::kLong));
    visit(readable.contiguous(at::MemoryFormat::ChannelsLast), places);
  }
}

}  // namespace diptych

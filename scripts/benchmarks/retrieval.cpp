#include <torch/torch.h>

#include "diptych/eval/metrics.h"
#include "diptych/eval/ranks.h"
#include "formula.h"
#include "server.h"

namespace diptych::benchmark {
namespace {

// R@1, 5, 10 both ways of 5000 images and 25000 captions, as evaluation computes them.
Case recalls() {
  const Gallery data = gallery();
  std::vector<int64_t> image(Gallery::kImages), image_of_caption;
  for (int64_t i = 0; i < Gallery::kImages; ++i) {
    image[static_cast<size_t>(i)] = i;
    image_of_caption.insert(image_of_caption.end(), Gallery::kPerImage, i);
  }
  auto found = std::make_shared<std::vector<double>>();
  const auto run = [=] {
    const auto tiles = dot_tiles(data.images, data.captions);
    RankRequest request;
    request.scores = tiles.get();
    request.cols_of_row = equal_values(image, image_of_caption);
    request.rows_of_col = equal_values(image_of_caption, image);
    const RankTable table = rank_by_counting(request);
    found->clear();
    for (const auto* ranks : {&table.rows, &table.cols})
      for (const int64_t k : {1, 5, 10}) found->push_back(recall_at(ranks->first, k));
  };
  return {{}, run, [=] { return *found; }};
}

}  // namespace

void add_retrieval(Cases& cases) { cases["c7"] = recalls; }

}  // namespace diptych::benchmark

#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "diptych/eval/evaluation_record.h"

namespace diptych {

enum class MapMethod { tsne, pca };

struct EmbeddingMapOptions {
  MapMethod method = MapMethod::tsne;
  int64_t pairs = 1000;  // images, each with its first caption; more images than that are sampled
  double perplexity = 30;
  uint64_t seed = 1;  // of the sample
};

/// Both views of a split in one plane, true pairs known: images and captions; or composed queries, one of each source,
/// and the best right answer of each, every answer once.
struct EmbeddingMap {
  struct Pair {
    int64_t image = 0, caption = 0;  // rows of the record
    double image_x = 0, image_y = 0, caption_x = 0, caption_y = 0;
  };
  std::vector<Pair> pairs;
  std::string description;     // "exact t-SNE, perplexity 30, 1000 iterations, PCA start; KL 1.23"
  double trustworthiness = 0;  // of 5 neighbours among all points; 0 for fewer than 11 points
};

/// throws what `progress` throws. An evaluation without captions gives an empty map.
EmbeddingMap embedding_map(const EvaluationRecord& record, const EmbeddingMapOptions& options = {},
                           const std::function<void(int64_t iteration)>& progress = {});

}  // namespace diptych

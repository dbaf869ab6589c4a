#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

#include "diptych/eval/top_k.h"
#include "diptych/train/session.h"

namespace diptych {

/// How the decoder is trained, and what is shown.
struct ReconstructOptions {
  int64_t steps = 2000;  // of Adam, on batches of 64 training images
  int64_t queries = 12;  // of the test split, drawn by seed; all of them if there are fewer
  int64_t size = 64;     // height and width of decoded pictures: 4 times a power of two
  int64_t nearest = 5;   // images shown for each query
  int64_t seed = 1;      // of the decoder's start, its batches and the choice of queries
};

/// An image of the test split, as its gallery shows it.
struct FoundImage {
  std::string id;
  std::filesystem::path picture;  // relative to the corpus's image folder
  double score = 0;
  bool right = false;  // it answers the query
};
/// One query: pictures by path, what the decoder makes of the three embeddings, and what is nearest.
struct ReconstructedQuery {
  FoundImage source, target;  // target: the annotated one, or the first with its label
  std::string change;
  at::Tensor decoded_source, decoded_composed, decoded_target;  // uint8 [size, size, 3]
  std::vector<FoundImage> nearest;                              // of the composed feature, best first
};
struct Reconstruction {
  std::vector<ReconstructedQuery> queries;
  std::string scorer;
  int64_t training_images = 0, test_images = 0;
  double training_error = 0;  // mean squared error of the last tenth of the steps; colours in [0, 1]
  double test_error = 0;      // of the decoded embeddings of all test images
  double mean_error = 0;      // of the mean training picture on the same: what knowing nothing costs
};

/// Trains a decoder (model/decoder.h) from the embeddings of the frozen model's training images to their pixels, L2
/// loss, and applies it to composed features of test queries. Equal options on one machine give equal results. The
/// nearest images are those of the whole test gallery, without the query's own image.
///
/// Pictures are kept in memory, of training images 2 GB at most: of more images than that a sample by the seed is
/// taken.
///
/// throws UsageError for a run that does not compose or whose queries are no embeddings (artemis), steps, queries or
/// nearest below 1, a size that the decoder cannot make, a training split of one image; DataError for a picture that
/// cannot be read (a run on stored features needs them too), Interrupted.
Reconstruction reconstruct(const LoadedRun& run, const ReconstructOptions& options);

}  // namespace diptych

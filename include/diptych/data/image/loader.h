#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "diptych/data/batch.h"
#include "diptych/data/corpus.h"
#include "diptych/data/corpus_features.h"
#include "diptych/data/image/pipeline.h"
#include "diptych/data/sampler.h"
#include "diptych/data/vocabulary.h"

namespace diptych {

enum class BadSample { fail, skip };
constexpr auto enum_names(BadSample) {
  return std::array{std::pair{BadSample::fail, "fail"}, std::pair{BadSample::skip, "skip"}};
}

struct LoaderOptions {
  int64_t workers = 2;
  int64_t prefetch = 3;
  int64_t cache_mb = 0;
  BadSample on_bad_sample = BadSample::fail;
  double max_bad_fraction = 0.0;
  static void visit(auto& self, auto& field) {
    field("workers", self.workers, "decoding threads; 0 decodes on the training thread",
          Field{.lo = 0, .hi = 256, .resume = Resume::free});
    field("prefetch", self.prefetch, "batches made ahead", Field{.lo = 1, .hi = 64, .resume = Resume::free});
    field("cache_mb", self.cache_mb, "memory for decoded images, in MB; 0 = decode every time",
          Field{.lo = 0, .hi = 1e6, .resume = Resume::free});
    field("on_bad_sample", self.on_bad_sample,
          "an unreadable image stops the run, or is skipped up to max_bad_fraction");
    field("max_bad_fraction", self.max_bad_fraction, "skip: largest tolerated share of bad images",
          Field{.lo = 0, .hi = 1});
  }
};

/// Decoded images (uint8, as large as the transform allows: after resizing when that is a squash, before it otherwise),
/// shared by the loaders of all epochs. Images are kept in the order in which they come until `max_bytes` are used, and
/// never thrown out: an epoch visits each once, so that replacing them would only lose hits. Belongs to one corpus;
/// thread-safe.
class ImageCache {
 public:
  explicit ImageCache(uint64_t max_bytes) : max_bytes_(max_bytes) {}
  /// The image, or an undefined tensor. Never write to it.
  at::Tensor find(int64_t image_row, const ImageOptions& options) const;
  void insert(int64_t image_row, const ImageOptions& options, const at::Tensor& image);
  uint64_t bytes() const;

 private:
  using Key = std::array<int64_t, 4>;  // image row, height, width (0 when cropping), exif
  static Key key_of(int64_t image_row, const ImageOptions& options);
  const uint64_t max_bytes_;
  mutable std::mutex mutex_;
  std::map<Key, at::Tensor> images_;
  uint64_t bytes_ = 0;
};

/// Everything fixed that a loader needs.
struct LoaderSource {
  const Corpus& corpus;
  const std::vector<std::vector<int64_t>>& token_ids;  // by Pair::caption_row
  ImageOptions image;
  LoaderOptions options;
  uint64_t seed;
  std::shared_ptr<ImageCache> cache = nullptr;  // null: decode every time
  bool pinned = false;                          // page-locked batches, for copies to a CUDA device
  std::shared_ptr<const CorpusFeatures> features =
      nullptr;  // not null: "images" are rows of a file, no picture is read
};

/// Batches of one epoch, in order, made ahead by worker threads. Per-image randomness comes from (seed, epoch, image
/// row): neither order nor pixels depend on the number of workers. Images shared by several pairs of a batch appear
/// once. The first error of a worker is thrown by next() with the file and the record. The destructor joins all
/// threads.
class Loader {
 public:
  /// `features`: if defined, [images, F] or [images, R, C] cached features that replace decoding (frozen image
  /// encoder).
  Loader(const LoaderSource& source, std::vector<PairBatch> batches, int64_t epoch, bool training,
         at::Tensor features = {});
  ~Loader();
  /// The next batch, or false at the end.
  bool next(Batch& batch);
  /// Batches of the list that are used up: those handed out, and those passed over because bad images
  /// left less than two images.
  int64_t consumed() const;
  /// Seconds that next() has waited for data.
  double wait_seconds() const;
  /// Images skipped so far (policy skip): "path: reason".
  const std::vector<std::string>& skipped() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Test-time batches of images only, in the order of `image_rows`: float32 [<=batch_size, 3, H, W] channels-last; or
/// features [<=batch_size, F] or [<=batch_size, R, F] where the source has them.
void for_each_image_batch(const LoaderSource& source, const std::vector<int64_t>& image_rows, int64_t batch_size,
                          const std::function<void(const at::Tensor& images, int64_t first)>& visit);

}  // namespace diptych

#pragma once
#include "data/sampling.h"

namespace diptych {

struct UniqueImagesOptions {
  int64_t captions_per_image = 1;
  int64_t passes = 1;
  bool drop_last = true;
  bool keep_pairs = false;
  static void visit(auto& self, auto& field) {
    field("captions_per_image", self.captions_per_image,
          "captions of an image in a batch; a batch holds train.batch_size / this many images",
          Field{.lo = 1, .hi = 100});
    field("passes", self.passes,
          "how often an epoch visits every image, each time with other captions while they last (5 captions, "
          "captions_per_image 1, passes 5: every pair once)",
          Field{.lo = 1, .hi = 1000});
    field("drop_last", self.drop_last, "the incomplete batch at the end of a pass is left out");
    field("keep_pairs", self.keep_pairs,
          "the two images of a pair that differ only in a relation (data synth positions) come in the same batch, as "
          "each other's hardest negatives");
  }
};

/// No image twice in a batch, so that no batch holds a false negative of its own making. The pairs of an image are
/// adjacent; its captions are drawn without replacement within an epoch, and repeat only when there are too few.
class UniqueImages final : public Sampler {
 public:
  using Options = UniqueImagesOptions;
  UniqueImages(const Options& options, const SamplerContext& context);
  std::vector<PairBatch> epoch(int64_t epoch) const override;
  int64_t batches_per_epoch() const override { return options_.passes * batches_per_pass(); }

 private:
  int64_t batches_per_pass() const;
  std::vector<int64_t> image_order(int64_t epoch, int64_t pass) const;
  void add_pairs(const ImageCaptions& image, int64_t epoch, int64_t pass, PairBatch& batch) const;

  Options options_;
  std::vector<ImageCaptions> images_;
  std::vector<std::vector<int64_t>> units_;  // what stays together: an image, or the two of a pair
  int64_t images_per_batch_;
  uint64_t seed_;
};

}  // namespace diptych

#pragma once
#include "diptych/data/sampler.h"

namespace diptych {

struct ShuffledPairsOptions {
  bool drop_last = true;
  int64_t bucket_batches = 0;
  static void visit(auto& self, auto& field) {
    field("drop_last", self.drop_last,
          "the incomplete batch at an epoch's end is left out (other pairs in every epoch)");
    field("bucket_batches", self.bucket_batches,
          "length bucketing: pairs of this many consecutive batches are sorted by caption length before they are cut "
          "into "
          "batches, which saves padding but changes which captions meet; 0 = off, 8 to 32 are usual",
          Field{.lo = 0, .hi = 4096});
  }
};

/// Every (image, caption) pair once an epoch in random order; an image may occur several times in a batch.
class ShuffledPairs final : public Sampler {
 public:
  using Options = ShuffledPairsOptions;
  ShuffledPairs(const Options& options, const SamplerContext& context);
  std::vector<PairBatch> epoch(int64_t epoch) const override;
  int64_t batches_per_epoch() const override;

 private:
  void sort_windows(std::vector<int64_t>& order) const;

  Options options_;
  std::vector<Pair> pairs_;
  std::vector<int64_t> length_;  // tokens of each pair's caption
  int64_t batch_size_;
  uint64_t seed_;
};

}  // namespace diptych

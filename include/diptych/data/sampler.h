#pragma once
#include <cstdint>
#include <vector>

#include "diptych/core/registry.h"
#include "diptych/data/corpus.h"

namespace diptych {

/// One training pair: rows of the corpus. Of composed retrieval: the source image, the row of its modification (in
/// Corpus::modifications) and the target image.
struct Pair {
  int64_t image_row, caption_row;
  int64_t target_row = -1;  // -1: matching of images and captions
  bool operator==(const Pair&) const = default;
};
using PairBatch = std::vector<Pair>;

/// What a sampler draws from: the training part of a corpus and the batch size in pairs.
struct SamplerContext {
  const Corpus& corpus;
  std::vector<int64_t> caption_rows;  // the captions of the training split (and of a subset, if asked); of composed
                                      // retrieval: its modifications
  int64_t batch_size;
  uint64_t seed;
};

/// The order of an epoch as a pure function of (seed, epoch). Registry "sampler": shuffled_pairs, unique_images,
/// identities (P x K), modifications (composed retrieval). Every batch holds at least two different images: over one,
/// BatchNorm has nothing to normalise and a ranking loss no negative. throws UsageError or DataError at construction
/// when such batches cannot be made (fewer pairs than a batch, a batch that one image could fill, identities with a
/// single sample, ...).
class Sampler {
 public:
  virtual ~Sampler() = default;
  virtual std::vector<PairBatch> epoch(int64_t epoch) const = 0;
  virtual int64_t batches_per_epoch() const = 0;
};
using SamplerRegistry = Registry<Sampler, const SamplerContext&>;
void register_samplers(SamplerRegistry& samplers);

}  // namespace diptych

#pragma once
#include "data/sampling.h"

namespace diptych {

enum class Singletons { fail, drop, repeat };
constexpr auto enum_names(Singletons) {
  return std::array{std::pair{Singletons::fail, "fail"}, std::pair{Singletons::drop, "drop"},
                    std::pair{Singletons::repeat, "repeat"}};
}

struct IdentitiesOptions {
  int64_t images_per_identity = 2;
  Singletons singletons = Singletons::fail;
  static void visit(auto& self, auto& field) {
    field("images_per_identity", self.images_per_identity,
          "K: images of an identity in a batch, each with one caption; P = train.batch_size / K identities",
          Field{.lo = 1, .hi = 1000});
    field("singletons", self.singletons,
          "identities with fewer than K images: stop, leave them out, or repeat their images");
  }
};

/// P identities x K images (Hermans et al. 2017). The images of an identity are shuffled and cut into groups of K; the
/// last group is filled up from the identity's other images, so that an epoch visits every image. Groups are spread
/// over as many batches as can be made of P different identities; what is left over is left out, other groups in every
/// epoch.
class Identities final : public Sampler {
 public:
  using Options = IdentitiesOptions;
  Identities(const Options& options, const SamplerContext& context);
  std::vector<PairBatch> epoch(int64_t epoch) const override;
  int64_t batches_per_epoch() const override { return batches_; }

 private:
  using Group = std::vector<Pair>;
  int64_t groups_of(const std::vector<ImageCaptions>& images) const;
  int64_t most_batches() const;
  std::vector<Group> make_groups(const std::vector<ImageCaptions>& images, int64_t epoch) const;

  Options options_;
  std::vector<std::vector<ImageCaptions>> identities_;
  int64_t identities_per_batch_ = 0, batches_ = 0;
  uint64_t seed_;
};

}  // namespace diptych

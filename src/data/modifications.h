#pragma once
#include <map>

#include "data/sampling.h"

namespace diptych {

enum class FewEdits { fail, drop, repeat };
constexpr auto enum_names(FewEdits) {
  return std::array{std::pair{FewEdits::fail, "fail"}, std::pair{FewEdits::drop, "drop"},
                    std::pair{FewEdits::repeat, "repeat"}};
}

struct ModificationsOptions {
  int64_t edits_per_source = 1;
  FewEdits few_edits = FewEdits::repeat;
  static void visit(auto& self, auto& field) {
    field("edits_per_source", self.edits_per_source,
          "K: a source image stands in a batch with K different edits, one after the other; 2 as in TIRG's training on "
          "CSS and MIT-States; a batch holds train.batch_size / K sources",
          Field{.lo = 1, .hi = 1000});
    field("few_edits", self.few_edits,
          "source images with fewer than K edits: stop, leave them out, or show an edit again");
  }
};

/// Queries of composed retrieval: a source image, a modification (Pair::caption_row is its row in
/// Corpus::modifications) and a target image with its target label, never the source itself.
///
/// A modification that names its source is shown once an epoch; those of one source come in groups of K, the last one
/// filled up from the source's other edits. Where modifications say only which label the source has, every training
/// image of such labels is shown once an epoch, with K edits drawn without replacement from those of its label. Targets
/// are the ones that a modification names, or drawn anew from the training images with its target label. An edit
/// without a training image to answer it is refused; one that asks for the source's own label is passed over where the
/// label has a single image. Batches are full: what is left over is left out, other sources in every epoch.
class Modifications final : public Sampler {
 public:
  using Options = ModificationsOptions;
  Modifications(const Options& options, const SamplerContext& context);
  std::vector<PairBatch> epoch(int64_t epoch) const override;
  int64_t batches_per_epoch() const override { return groups_ / groups_per_batch_; }

 private:
  struct Edit {
    int64_t row, target_label, target_row;  // of Corpus::modifications; target_row -1: drawn
  };
  struct Source {
    int64_t image_row, label;
    size_t edits;  // place in edits_
    bool named;    // the modifications name this image: each edit is shown once
  };
  void index_images(const SamplerContext& context);
  void index_edits(const SamplerContext& context);
  void require_target(const SamplerContext& context, int64_t row) const;
  void drop_sources_of_few_edits(const SamplerContext& context);
  void require_full_batches(const SamplerContext& context);
  int64_t groups_of(const Source& source) const;
  int64_t target_of(const Edit& edit, int64_t source, Random& random) const;
  void add_groups(const Source& source, int64_t epoch, std::vector<Pair>& groups) const;

  Options options_;
  std::map<int64_t, std::vector<int64_t>> images_of_label_;  // training images, rows ascending
  std::vector<std::vector<Edit>> edits_;
  std::vector<Source> sources_;
  int64_t batch_size_, groups_ = 0, groups_per_batch_ = 0;
  uint64_t seed_;
};

}  // namespace diptych

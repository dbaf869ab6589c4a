#pragma once
#include "data/composed.h"

namespace diptych {

enum class FashionIqGallery { full, queried };
constexpr auto enum_names(FashionIqGallery) {
  return std::array{std::pair{FashionIqGallery::full, "full"}, std::pair{FashionIqGallery::queried, "val"}};
}

struct FashionIqOptions : ComposedOptions {
  std::vector<std::string> categories = {"dress", "shirt", "toptee"};
  FashionIqGallery gallery = FashionIqGallery::full;
  bool both_orders = true;
  ValidationCut cut;
  static void visit(auto& self, auto& field) {
    visit_composed(self, field);
    field("categories", self.categories, "which of dress, shirt, toptee are read; ids are CATEGORY/ID");
    field("gallery", self.gallery,
          "full: every image of the lists (the original protocol); val: those that are a reference or a target of some "
          "query, which is easier. Results of the two do not compare");
    field("both_orders", self.both_orders,
          "training shows the two captions as \"A and B\" and as \"B and A\"; evaluation asks \"A and B\"");
    ValidationCut::visit_cut(self.cut, field);
  }
};

/// FashionIQ (Wu et al., CVPR 2021): `captions/cap.CATEGORY.{train,val}.json`, a list of `{candidate, target,
/// captions: [A, B]}`, and `image_splits/split.CATEGORY.{train,val}.json`, a list of image ids; pictures ID.jpg (.png,
/// .jpeg) below `images`. The released val, which papers report on, is the split test here; val is cut from train.
/// Where one of the two captions is empty, the other stands alone.
class FashionIqReader final : public CorpusReader {
 public:
  using Options = FashionIqOptions;
  explicit FashionIqReader(const Options& options) : options_(options) {}
  Corpus read() const override;
  std::vector<std::filesystem::path> needed_files() const override;

 private:
  Options options_;
};

}  // namespace diptych

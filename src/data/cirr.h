#pragma once
#include "data/composed.h"

namespace diptych {

struct CirrOptions : ComposedOptions {
  std::string version = "rc2";
  ValidationCut cut;
  static void visit(auto& self, auto& field) {
    visit_composed(self, field);
    field("version", self.version, "of the release, as in captions/cap.rc2.train.json");
    ValidationCut::visit_cut(self.cut, field);
  }
};

/// CIRR (Liu et al., ICCV 2021): `captions/cap.rc2.{train,val}.json`, a list of `{pairid, reference, target_hard,
/// caption, img_set: {members}}`, and `image_splits/split.rc2.{train,val}.json`, which maps image ids to paths below
/// `images`. The members of a query's set are the second gallery of R_subset. The released val is the split test here
/// (the answers of test1 are not public; it is not read); val is cut from train.
class CirrReader final : public CorpusReader {
 public:
  using Options = CirrOptions;
  explicit CirrReader(const Options& options) : options_(options) {}
  Corpus read() const override;
  std::vector<std::filesystem::path> needed_files() const override;

 private:
  Options options_;
};

}  // namespace diptych

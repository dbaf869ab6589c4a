#pragma once
#include "data/composed.h"

namespace diptych {

struct MitStatesCompOptions : ReaderOptions {
  std::string pairs = "compositional-split";
  std::string metadata = "metadata.t7";
  ValidationCut cut;
  static void visit(auto& self, auto& field) {
    visit_common(self, field);
    field("pairs", self.pairs,
          "folder below root with train_pairs.txt and test_pairs.txt, one \"attribute object\" a line");
    field("metadata", self.metadata,
          "file below root that lists the images: .t7 as released (a list of tables image, attr, obj), or a text table "
          "with the columns image, attr, obj, tabs or commas between cells");
    ValidationCut::visit_cut(self.cut, field);
  }
};

/// MIT-States for the classification of unseen pairs (Misra et al., CVPR 2017; the split as in Nagarajan and Grauman,
/// ECCV 2018). An image's label is its pair "attribute object", which is its one caption, too; the pairs of train and
/// test are disjoint, and so are those of val, which are cut from the training pairs by val_share. Images whose
/// attribute is `NA`, and those of a pair in neither list, are left out and counted. Never mix it with the nouns of
/// mit_states: that is another split of the same pictures.
class MitStatesCompReader final : public CorpusReader {
 public:
  using Options = MitStatesCompOptions;
  explicit MitStatesCompReader(const Options& options) : options_(options) {}
  Corpus read() const override;
  std::vector<std::filesystem::path> needed_files() const override;

 private:
  Options options_;
};

}  // namespace diptych

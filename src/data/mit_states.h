#pragma once
#include "data/composed.h"

namespace diptych {

struct MitStatesOptions : ComposedOptions {
  std::string table;
  std::string file_column = "file", adjective_column = "attribute", noun_column = "object", split_column = "split";
  std::vector<std::string> test_nouns;
  bool exclude_own_adjective = true;
  ValidationCut cut;
  static void visit(auto& self, auto& field) {
    visit_composed(self, field);
    field("table", self.table,
          "text table below root with one image a line, tabs or commas between cells and the names of the columns in "
          "its first line, in place of folders called \"adjective noun\"; empty: folders");
    field("file_column", self.file_column, "of the table: path of the image below `images`");
    field("adjective_column", self.adjective_column, "of the table");
    field("noun_column", self.noun_column, "of the table");
    field(
        "split_column", self.split_column,
        "of the table: train, val or test. It counts unless test_nouns is given; where it has val, val_share does not");
    field("test_nouns", self.test_nouns,
          "nouns whose images are the test split; all others train. Empty: the split column of a table, or else the 49 "
          "test nouns of Vo et al.");
    field("exclude_own_adjective", self.exclude_own_adjective,
          "training never asks for the adjective that the source has already; false: as in the code of TIRG");
    ValidationCut::visit_cut(self.cut, field);
  }
};

/// MIT-States (Isola et al., CVPR 2015) for composed retrieval as by Vo et al. (CVPR 2019): images of a noun in a
/// state. Folders `adjective noun` below `images` hold .jpg, .jpeg or .png files; folders whose adjective is `adj` are
/// passed over. An image answers by its label "adjective noun" (in label_names with _ for spaces inside either). A
/// query's text is the adjective that is wanted. Sets of other attributes and objects come as a table.
///
/// train  a change for every ordered pair of adjectives of a noun, from and to any image
/// val    nouns cut from the training nouns by val_share; asked as test
/// test   every image with every other adjective of its noun in the split
class MitStatesReader final : public CorpusReader {
 public:
  using Options = MitStatesOptions;
  explicit MitStatesReader(const Options& options) : options_(options) {}
  Corpus read() const override;
  std::vector<std::filesystem::path> needed_files() const override {
    return {options_.table.empty() ? std::filesystem::path(options_.root) : options_.below_root(options_.table)};
  }

 private:
  Options options_;
};

}  // namespace diptych

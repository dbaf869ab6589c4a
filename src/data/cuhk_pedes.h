#pragma once
#include "data/reading.h"
#include "data/split_shares.h"

namespace diptych {

struct CuhkPedesOptions : ReaderOptions {
  CuhkPedesOptions() { images = "imgs", cut.val_share = 0; }
  std::string annotations = "reid_raw.json";
  Tokens tokens = Tokens::own;
  ValidationCut cut;  // of people
  static void visit(auto& self, auto& field) {
    visit_common(self, field);
    field("annotations", self.annotations, "JSON file below root");
    field("tokens", self.tokens,
          "annotated: processed_tokens of the file; own: lower case, punctuation deleted, split at spaces");
    ValidationCut::visit_cut(self.cut, field,
                             "share of the training people who become the split val, with all their images, in a set "
                             "without one, such as ICFG-PEDES; 0 = none");
  }
};

/// `[{split, captions, file_path, processed_tokens, id}]`: CUHK-PEDES (Li et al. 2017), ICFG-PEDES (Ding et al. 2021)
/// and sets in their format. Labels are person ids, renumbered; Corpus::label_names keeps the annotated ones.
class CuhkPedesReader final : public CorpusReader {
 public:
  using Options = CuhkPedesOptions;
  explicit CuhkPedesReader(const Options& options) : options_(options) {}
  Corpus read() const override;
  std::vector<std::filesystem::path> needed_files() const override {
    return {options_.below_root(options_.annotations)};
  }

 private:
  Options options_;
};

}  // namespace diptych

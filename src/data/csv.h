#pragma once
#include "data/reading.h"
#include "data/split_shares.h"

namespace diptych {

struct CsvOptions : ReaderOptions {
  std::string annotations = "captions.csv";
  std::string image_column = "image";
  std::string caption_column = "caption";
  std::string split_column = "split";
  std::string identity_column;
  SplitShares split;
  static void visit(auto& self, auto& field) {
    visit_common(self, field);
    field("annotations", self.annotations, "CSV or TSV file below root; the first row names the columns");
    field("image_column", self.image_column,
          "column with the path of the image below `images`; it is the image's id too");
    field("caption_column", self.caption_column, "column with the caption");
    field("split_column", self.split_column,
          "column with train, val, test or restval; a file without it needs the shares of `split`");
    field("identity_column", self.identity_column,
          "column with the identity or class that says who matches whom; empty: none");
    field("split", self.split, "drawn splits, for a file without the split column");
  }
};

/// One caption a row, rows of an image anywhere in the file, cells quoted as in RFC 4180. The separator (, ; tab |) is
/// found in the header and noted. The captions of an image are ordered by their text, so that the order of the rows
/// does not matter. Columns that are not named are ignored. Without a split column, images (with an identity column:
/// identities) are dealt to train, val and test by the shares in `split`, always the same way for the same seed.
class CsvReader final : public CorpusReader {
 public:
  using Options = CsvOptions;
  explicit CsvReader(const Options& options) : options_(options) {}
  Corpus read() const override;
  std::vector<std::filesystem::path> needed_files() const override {
    return {options_.below_root(options_.annotations)};
  }

 private:
  Options options_;
};

}  // namespace diptych

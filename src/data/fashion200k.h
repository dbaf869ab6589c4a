#pragma once
#include "data/composed.h"

namespace diptych {

enum class EditWords { all, captions };
constexpr auto enum_names(EditWords) {
  return std::array{std::pair{EditWords::all, "all"}, std::pair{EditWords::captions, "captions"}};
}
enum class UnknownQueries { fail, drop };
constexpr auto enum_names(UnknownQueries) {
  return std::array{std::pair{UnknownQueries::fail, "fail"}, std::pair{UnknownQueries::drop, "drop"}};
}

struct Fashion200kOptions : ComposedOptions {
  std::string labels = "labels";
  std::string queries = "test_queries.txt";
  EditWords edit_words = EditWords::all;
  UnknownQueries unknown_queries = UnknownQueries::fail;
  int64_t siblings = 0;
  int64_t val_queries = 1;
  ValidationCut cut;
  static void visit(auto& self, auto& field) {
    visit_composed(self, field);
    field("labels", self.labels,
          "folder below root with the label files: every .txt whose name holds train or test, lines "
          "PATH<TAB>SCORE<TAB>CAPTION");
    field("queries", self.queries, "text file below root with the test queries, lines SOURCE TARGET (paths)");
    field("edit_words", self.edit_words,
          "all: the words of \"replace X with Y\" are known; captions: only those of training captions, as in the code "
          "of "
          "TIRG, so that replace and with become <unk> unless a caption holds them");
    field("unknown_queries", self.unknown_queries,
          "a test query whose source or target is in no label file stops the reading, or is dropped and counted");
    field(
        "siblings", self.siblings,
        "training edits lead from a caption to at most so many of the captions that differ in one word, drawn by seed; "
        "0 = to all of them",
        Field{.lo = 0, .hi = 1e6});
    field("val_queries", self.val_queries,
          "queries of each validation image, to different captions among the validation images",
          Field{.lo = 1, .hi = 1000});
    ValidationCut::visit_cut(self.cut, field);
  }
};

/// Fashion200k (Han et al., ICCV 2017) for composed retrieval, as prepared by Vo et al. (CVPR 2019). An image answers
/// by its cleaned caption: that string is its label and its caption.
///
/// train  a change for every ordered pair of training captions that differ in one word, "replace X with Y", from and to
///        any image with those captions
/// val    the label files have no such split: products are cut from train by val_share (the pictures ID/ID_0.jpeg,
///        ID/ID_1.jpeg of a product together), and asked as in training, each image val_queries times
/// test   the queries of the file. Those that ask for no change (both captions equal) are left out and counted; those
///        that stand twice are kept and counted
class Fashion200kReader final : public CorpusReader {
 public:
  using Options = Fashion200kOptions;
  explicit Fashion200kReader(const Options& options) : options_(options) {}
  Corpus read() const override;
  std::vector<std::filesystem::path> needed_files() const override {
    return {options_.below_root(options_.labels), options_.below_root(options_.queries)};
  }

 private:
  Options options_;
};

}  // namespace diptych

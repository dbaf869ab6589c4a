#pragma once
#include "data/reading.h"

namespace diptych {

enum class Validation { own, train };
constexpr auto enum_names(Validation) {
  return std::array{std::pair{Validation::own, "own"}, std::pair{Validation::train, "train"}};
}

struct ReedOptions : ReaderOptions {
  std::string annotations = "manifest.txt";
  std::string texts = "text_c10";
  std::string train_list, val_list, test_list;
  Validation validation = Validation::own;
  int64_t captions = 10;
  static void visit(auto& self, auto& field) {
    visit_common(self, field);
    field(
        "annotations", self.annotations,
        "list of all class names below root, one a line, with or without .t7; the lists below may name a class by its "
        "line here, from 1. Where there is no such file, the classes are the folders of texts");
    field("texts", self.texts, "folder below root with CLASS/IMAGE.txt, one caption a line");
    field("train_list", self.train_list,
          "list of the training classes below root: names, or lines of annotations; empty: trainids.txt or "
          "trainclasses.txt, or trainvalids.txt or trainvalclasses.txt without the validation classes");
    field("val_list", self.val_list, "list of the validation classes; empty: valids.txt or valclasses.txt, if any");
    field("test_list", self.test_list, "list of the test classes; empty: testclasses.txt or testids.txt");
    field("validation", self.validation,
          "own: validation classes are a split of their own; train: they are trained on, as for published numbers");
    field("captions", self.captions, "captions that every image must have; 0 = any number", Field{.lo = 0, .hi = 1000});
  }
};

/// Classes with ten captions a picture, split class by class: CUB-200-2011 and Oxford-102 Flowers as released by Reed
/// et al. (CVPR 2016). Labels are classes. The captions in texts/CLASS/IMAGE.txt say which images there are; the image
/// is CLASS/IMAGE.jpg (.jpeg, .png) below `images`, or lies anywhere there under its name. A class stands in one split,
/// two lists for one split name the same classes, and lists of training and validation together their union.
class ReedReader final : public CorpusReader {
 public:
  using Options = ReedOptions;
  explicit ReedReader(const Options& options) : options_(options) {}
  Corpus read() const override;
  std::vector<std::filesystem::path> needed_files() const override;

 private:
  Options options_;
};

}  // namespace diptych

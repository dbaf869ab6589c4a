#pragma once
#include "data/reading.h"

namespace diptych {

struct FlickrTokenOptions : ReaderOptions {
  std::string annotations = "Flickr8k.token.txt";
  std::string train_list = "Flickr_8k.trainImages.txt";
  std::string val_list = "Flickr_8k.devImages.txt";
  std::string test_list = "Flickr_8k.testImages.txt";
  static void visit(auto& self, auto& field) {
    visit_common(self, field);
    field("annotations", self.annotations, "text file below root with lines NAME.jpg#k<TAB>caption");
    field("train_list", self.train_list,
          "list of the training images below root, one name a line, with or without .jpg; empty: none");
    field("val_list", self.val_list, "list of the validation images; empty: none");
    field("test_list", self.test_list, "list of the test images; empty: none");
  }
};

/// Flickr8k and Flickr30k as first released: a token file and split lists. Images in no list are left out, with a note.
class FlickrTokenReader final : public CorpusReader {
 public:
  using Options = FlickrTokenOptions;
  explicit FlickrTokenReader(const Options& options) : options_(options) {}
  Corpus read() const override;
  std::vector<std::filesystem::path> needed_files() const override;

 private:
  Options options_;
};

}  // namespace diptych

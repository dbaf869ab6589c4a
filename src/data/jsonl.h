#pragma once
#include "data/reading.h"

namespace diptych {

struct JsonlOptions : ReaderOptions {
  std::string annotations = "set.jsonl";
  static void visit(auto& self, auto& field) {
    visit_common(self, field);
    field("annotations", self.annotations, "JSONL file below root, one image a line");
  }
};

/// The native format, one image a line:
///   {"id": "a1", "image": "a/1.jpg", "split": "train", "captions": ["..."], "identity": 4, "meta": {}}
/// image, split and captions are required; id defaults to image; identity (integer or text) is given for every image or
/// for none; any other field is an error. meta is an object for fields of one's own. Of these, "pair" and "relation"
/// (two texts, such as "p7" and "left_right") are read: CorpusImage::pair.
class JsonlReader final : public CorpusReader {
 public:
  using Options = JsonlOptions;
  explicit JsonlReader(const Options& options) : options_(options) {}
  Corpus read() const override;
  std::vector<std::filesystem::path> needed_files() const override {
    return {options_.below_root(options_.annotations)};
  }

 private:
  Options options_;
};

}  // namespace diptych

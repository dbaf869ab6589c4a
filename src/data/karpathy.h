#pragma once
#include "data/reading.h"

namespace diptych {

struct KarpathyOptions : ReaderOptions {
  std::string annotations = "dataset.json";
  Tokens tokens = Tokens::annotated;
  bool merge_restval = false;
  static void visit(auto& self, auto& field) {
    visit_common(self, field);
    field("annotations", self.annotations, "JSON file below root, such as dataset_flickr8k.json",
          Field{.required = true});
    field("tokens", self.tokens, "words of the file, or runs of [a-z0-9'] of the raw caption");
    field("merge_restval", self.merge_restval, "COCO: the restval images train too (113,287 instead of 82,783 images)");
  }
};

/// `{"images": [{filename, filepath?, imgid, split, sentences: [{raw, tokens}]}], "dataset": NAME}`: Flickr8k,
/// Flickr30k and COCO as split by Karpathy and Fei-Fei 2015. Images are looked for as NAME, filepath/NAME, then in any
/// folder.
class KarpathyReader final : public CorpusReader {
 public:
  using Options = KarpathyOptions;
  explicit KarpathyReader(const Options& options) : options_(options) {}
  Corpus read() const override;
  std::vector<std::filesystem::path> needed_files() const override {
    return {options_.below_root(options_.annotations)};
  }

 private:
  Options options_;
};

}  // namespace diptych

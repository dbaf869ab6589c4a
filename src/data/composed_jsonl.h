#pragma once
#include "data/composed.h"

namespace diptych {

struct ComposedJsonlOptions : ComposedOptions {
  std::string annotations = "set.jsonl";
  std::string queries = "queries.jsonl";
  static void visit(auto& self, auto& field) {
    visit_composed(self, field);
    field("annotations", self.annotations, "JSONL file below root, one image a line");
    field("queries", self.queries, "JSONL file below root, one query a line");
  }
};

/// One's own data for composed retrieval. Images, one a line, as in a JSONL set, but captions may be missing:
///   {"id": "a1", "image": "a/1.jpg", "split": "train", "captions": ["..."], "identity": 4, "meta": {"gallery": false}}
/// Queries, one a line, all fields required (meta is for fields of one's own):
///   {"source": "a1", "text": "replace blue with black", "targets": ["a7"], "split": "test"}
/// source and targets are ids of images of the query's split. Who answers: with identities, every image with the
/// targets' identity, which they share; without, the targets, and then two queries name the same targets or wholly
/// different ones. An image with meta.gallery false asks but is never an answer. restval counts as train.
class ComposedJsonlReader final : public CorpusReader {
 public:
  using Options = ComposedJsonlOptions;
  explicit ComposedJsonlReader(const Options& options) : options_(options) {}
  Corpus read() const override;
  std::vector<std::filesystem::path> needed_files() const override {
    return {options_.below_root(options_.annotations), options_.below_root(options_.queries)};
  }

 private:
  Options options_;
};

}  // namespace diptych

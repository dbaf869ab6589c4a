#pragma once
#include <gmock/gmock.h>

#include <string>

#include "diptych/core/config_node.h"
#include "diptych/data/corpus.h"
#include "support/temp_dir.h"

namespace diptych::testing {

/// A reader from YAML: read_corpus("{type: jsonl, root: /tmp/x}").
inline std::shared_ptr<CorpusReader> corpus_reader(const std::string& yaml) {
  static const CorpusRegistry* registry = [] {
    auto* corpora = new CorpusRegistry("corpus");
    register_corpora(*corpora);
    return corpora;
  }();
  Choice<CorpusRegistry> choice(*registry, "");
  Complaints complaints;
  choice.read(parse_config(yaml, "test.yaml"), "data.corpus", complaints);
  complaints.throw_if_any();
  return choice.make();
}
inline Corpus read_corpus(const std::string& yaml) { return corpus_reader(yaml)->read(); }

/// All issues of the DataError that `act` throws, one a line; fails when it throws none or another exit code than 3.
template <class Act>
std::string data_error(Act&& act) {
  try {
    act();
  } catch (const DataError& error) {
    EXPECT_EQ(error.exit_code(), 3);
    std::string text;
    for (const Issue& issue : error.issues()) text += to_text(issue) + "\n";
    return text;
  }
  ADD_FAILURE() << "no DataError was thrown";
  return "";
}

/// A JSONL set in a folder of its own, read by the reader jsonl.
struct JsonlSet {
  TempDir folder;
  explicit JsonlSet(const std::string& lines) { folder.write("set.jsonl", lines); }
  Corpus read(const std::string& more = "") const {
    return read_corpus("{type: jsonl, root: " + folder.path().string() + more + "}");
  }
};

/// One line of a JSONL set.
inline std::string image_line(const std::string& name, const std::string& split, const std::string& caption,
                              int identity = -1) {
  return R"({"image": ")" + name + R"(", "split": ")" + split + R"(", "captions": [")" + caption + R"("])" +
         (identity < 0 ? "" : R"(, "identity": )" + std::to_string(identity)) + "}\n";
}

}  // namespace diptych::testing

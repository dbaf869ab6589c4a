#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "diptych/data/corpus.h"

namespace diptych {

/// Lower-case runs of [a-z0-9'] (ASCII; other bytes separate words, UTF-8 letters are kept whole).
std::vector<std::string> tokenize(std::string_view text);

struct TextOptions {
  int64_t max_length = 40;
  int64_t min_count = 3;
  bool start_end = false;
  std::string word_vectors;
  static void visit(auto& self, auto& field) {
    field("max_length", self.max_length, "captions are cut after this many tokens", Field{.lo = 1, .hi = 4096});
    field("min_count", self.min_count, "words rarer than this in the training captions become <unk>",
          Field{.lo = 1, .hi = 1e6});
    field("start_end", self.start_end, "put <start> before and <end> after every caption");
    field("word_vectors", self.word_vectors,
          "GloVe or word2vec text file that initialises the word table; empty = random", Field{.path = true});
  }
};

/// Words with ids: 0 padding, 1 <unk>, 2 <start>, 3 <end>, then words by descending count, ties alphabetical.
/// Built from training captions only, of composed retrieval from the texts of training modifications, too; stored with
/// the run as one word a line.
class Vocabulary {
 public:
  static constexpr int64_t kPadding = 0, kUnknown = 1, kStart = 2, kEnd = 3;

  static Vocabulary build(const Corpus& corpus, int64_t min_count);
  /// One word a line, line n = id n. throws DataError on duplicates, CRLF, missing specials.
  static Vocabulary from_text(std::string_view text, const std::string& name);
  std::string to_text() const;

  int64_t size() const { return static_cast<int64_t>(words_.size()); }
  int64_t id(const std::string& word) const;  // kUnknown if absent
  const std::string& word(int64_t id) const { return words_[static_cast<size_t>(id)]; }
  std::vector<int64_t> encode(const std::vector<std::string>& tokens, const TextOptions& options) const;
  std::string hash() const;

 private:
  std::vector<std::string> words_;
  std::unordered_map<std::string, int64_t> ids_;
};

}  // namespace diptych

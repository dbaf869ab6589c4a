#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "diptych/data/corpus.h"

namespace diptych {

/// Lower-case runs of [a-z0-9'] (ASCII; other bytes separate words, UTF-8 letters are kept whole).
std::vector<std::string> tokenize(std::string_view text);

/// The characters of a text one by one, a code point each, ASCII letters lower-case; invalid bytes one by one.
std::vector<std::string> characters(std::string_view text);

/// What has an id of its own.
enum class TextUnit { word, character };
constexpr auto enum_names(TextUnit) {
  return std::array{std::pair{TextUnit::word, "word"}, std::pair{TextUnit::character, "character"}};
}
/// tokenize or characters.
std::vector<std::string> units_of(std::string_view text, TextUnit unit);

struct TextOptions {
  TextUnit unit = TextUnit::word;
  int64_t max_length = 40;
  int64_t min_count = 3;
  bool start_end = false;
  std::string word_vectors;
  static void visit(auto& self, auto& field) {
    field("unit", self.unit,
          "captions are read by words, or by characters of a fixed alphabet of 70 (Reed et al.; char_cnn_rnn)");
    field("max_length", self.max_length, "captions are cut after this many words or characters (Reed et al.: 201)",
          Field{.lo = 1, .hi = 4096});
    field("min_count", self.min_count, "words rarer than this in the training captions become <unk>; not of characters",
          Field{.lo = 1, .hi = 1e6});
    field("start_end", self.start_end, "put <start> before and <end> after every caption");
    field("word_vectors", self.word_vectors,
          "GloVe or word2vec text file that initialises the word table; empty = random", Field{.path = true});
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const;
};

/// How many training captions (of composed retrieval: training texts) lose their end at max_length.
struct CutTexts {
  const char* what = "captions";
  int64_t texts = 0, cut = 0;
  int64_t longest = 0;  // in words or characters
  /// More than a tenth.
  bool many() const { return cut * 10 > texts; }
};
CutTexts count_cut_texts(const Corpus& corpus, const TextOptions& options);
/// "1,204 of 30,000 training captions (4 %) are longer than data.text.max_length = 50 words and are cut; the longest
/// has 81".
std::string cut_text(const CutTexts& counted, const TextOptions& options);

/// Words, or characters, with ids: 0 padding, 1 <unk>, 2 <start>, 3 <end>, then words by descending count, ties
/// alphabetical. Built from training captions only, of composed retrieval from the texts of training modifications,
/// too; stored with the run as one word a line.
class Vocabulary {
 public:
  static constexpr int64_t kPadding = 0, kUnknown = 1, kStart = 2, kEnd = 3;

  static Vocabulary build(const Corpus& corpus, int64_t min_count);
  /// The alphabet of Reed et al. (CVPR 2016), positions 1 to 70 as ids 4 to 73: a-z, 0-9, then punctuation, last the
  /// space. The hyphen stands there twice, at 37 and 60; the later position counts and the earlier is never used.
  static Vocabulary alphabet();
  /// One word a line, line n = id n. throws DataError on duplicates, CRLF, missing specials.
  static Vocabulary from_text(std::string_view text, const std::string& name);
  std::string to_text() const;

  int64_t size() const { return static_cast<int64_t>(words_.size()); }
  int64_t id(const std::string& word) const;  // kUnknown if absent
  const std::string& word(int64_t id) const { return words_[static_cast<size_t>(id)]; }
  std::vector<int64_t> encode(const std::vector<std::string>& tokens, const TextOptions& options) const;
  /// The same of an annotated text: its own tokens, or the characters of its raw form.
  std::vector<int64_t> encode(std::string_view text, const std::vector<std::string>& tokens,
                              const TextOptions& options) const;
  std::string hash() const;

 private:
  static Vocabulary of(const std::vector<std::string>& words);
  std::vector<std::string> words_;
  std::unordered_map<std::string, int64_t> ids_;
};

}  // namespace diptych

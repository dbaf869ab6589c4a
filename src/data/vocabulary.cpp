#include "diptych/data/vocabulary.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "diptych/core/io/hash.h"

namespace diptych {
namespace vocabulary {

constexpr std::array<const char*, 4> kSpecials = {"<pad>", "<unk>", "<start>", "<end>"};

bool is_special(const std::string& word) {
  return std::find(kSpecials.begin(), kSpecials.end(), word) != kSpecials.end();
}

std::unordered_map<std::string, int64_t> count_training_words(const Corpus& corpus) {
  std::unordered_map<std::string, int64_t> count;
  for (const CorpusCaption& caption : corpus.captions)
    if (corpus.images[caption.image_row].split == Split::train)
      for (const std::string& token : caption.tokens) ++count[token];
  for (const Modification& change : corpus.modifications)
    if (change.split == Split::train)
      for (const std::string& token : change.tokens) ++count[token];
  for (const char* special : kSpecials) count.erase(special);
  return count;
}

std::string at_line(const std::string& name, size_t line) { return concat(escape_for_log(name, 200), ":", line); }

void check_line(const std::string& word, size_t id, const std::string& name) {
  const std::string where = at_line(name, id + 1);
  if (id < kSpecials.size() && word != kSpecials[id])
    throw DataError(where, concat("expected ", kSpecials[id], "; got '", escape_for_log(word), "'"),
                    "the first four lines are <pad>, <unk>, <start>, <end>");
  if (!word.empty() && word.back() == '\r')
    throw DataError(where, "the line ends with CR LF; expected LF", "dos2unix FILE");
  if (word.empty()) throw DataError(where, "the line is empty; expected one word");
  if (const auto bad = find_invalid_utf8(word)) throw DataError(where, concat("invalid UTF-8 at byte ", *bad));
}

// In the unit that `encode` cuts at.
int64_t length_of(std::string_view text, const std::vector<std::string>& tokens, const TextOptions& options) {
  return std::ssize(options.unit == TextUnit::character ? characters(text) : tokens);
}

// "4 %", "0.3 %".
std::string percent_text(int64_t part, int64_t whole) {
  const double percent = 100.0 * static_cast<double>(part) / static_cast<double>(std::max<int64_t>(whole, 1));
  if (part > 0 && percent < 0.1) return "under 0.1 %";
  if (part < whole && percent > 99.9) return "over 99.9 %";
  return concat(number_text(std::round(10 * percent) / 10), " %");
}

// Reed's alphabet after the letters and digits; position 37, the first hyphen, has a name that no character has.
constexpr std::string_view kSigns = ",;.!?:'\"/\\|_@#$%^&*~`+-=<>()[]{} ";
constexpr const char* kFirstHyphen = "<hyphen>";

}  // namespace vocabulary

void TextOptions::validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
  if (unit == TextUnit::character && !word_vectors.empty())
    complaints.add(origin, concat(path, ".unit = character has no words that ", path, ".word_vectors could be of"),
                   concat(path, ".word_vectors: \"\""));
}

Vocabulary Vocabulary::of(const std::vector<std::string>& words) {
  Vocabulary out;
  out.words_.assign(vocabulary::kSpecials.begin(), vocabulary::kSpecials.end());
  out.words_.insert(out.words_.end(), words.begin(), words.end());
  for (size_t id = 0; id < out.words_.size(); ++id) out.ids_.emplace(out.words_[id], static_cast<int64_t>(id));
  return out;
}

Vocabulary Vocabulary::alphabet() {
  std::vector<std::string> all;
  for (char letter = 'a'; letter <= 'z'; ++letter) all.emplace_back(1, letter);
  for (char digit = '0'; digit <= '9'; ++digit) all.emplace_back(1, digit);
  all.emplace_back(vocabulary::kFirstHyphen);
  for (const char sign : vocabulary::kSigns) all.emplace_back(1, sign);
  return of(all);
}

Vocabulary Vocabulary::build(const Corpus& corpus, int64_t min_count) {
  std::vector<std::pair<std::string, int64_t>> words;
  for (auto& [word, count] : vocabulary::count_training_words(corpus))
    if (count >= min_count) words.emplace_back(word, count);
  if (words.empty())
    throw DataError(concat("corpus ", escape_for_log(corpus.name)),
                    concat("no word occurs ", min_count, " times in the training ",
                           corpus.modifications.empty() ? "captions" : "texts", ", so there is no vocabulary"),
                    "is there a train split, and is data.text.min_count right?");
  std::sort(words.begin(), words.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  std::vector<std::string> sorted;
  for (auto& [word, count] : words) sorted.push_back(std::move(word));
  return of(sorted);
}

Vocabulary Vocabulary::from_text(std::string_view text, const std::string& name) {
  Vocabulary vocabulary;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string word(text.substr(begin, end - begin));
    const size_t id = vocabulary.words_.size();
    vocabulary::check_line(word, id, name);
    const auto [first, is_new] = vocabulary.ids_.emplace(word, static_cast<int64_t>(id));
    if (!is_new)
      throw DataError(vocabulary::at_line(name, id + 1),
                      concat("duplicate word '", escape_for_log(word), "', first in line ", first->second + 1));
    vocabulary.words_.push_back(std::move(word));
    begin = end + 1;
  }
  if (vocabulary.words_.size() <= vocabulary::kSpecials.size())
    throw DataError(escape_for_log(name, 200), concat("holds ", vocabulary.words_.size(),
                                                      " words; expected <pad>, <unk>, <start>, "
                                                      "<end> and at least one more, one a line"));
  return vocabulary;
}

std::string Vocabulary::to_text() const { return join(words_, "\n") + "\n"; }

int64_t Vocabulary::id(const std::string& word) const {
  const auto found = ids_.find(word);
  return found == ids_.end() ? kUnknown : found->second;
}

std::vector<int64_t> Vocabulary::encode(const std::vector<std::string>& tokens, const TextOptions& options) const {
  std::vector<int64_t> ids;
  const size_t length = std::min(tokens.size(), static_cast<size_t>(options.max_length));
  ids.reserve(length + 2);
  if (options.start_end) ids.push_back(kStart);
  for (size_t i = 0; i < length; ++i) ids.push_back(vocabulary::is_special(tokens[i]) ? kUnknown : id(tokens[i]));
  if (options.start_end) ids.push_back(kEnd);
  return ids;
}

std::vector<int64_t> Vocabulary::encode(std::string_view text, const std::vector<std::string>& tokens,
                                        const TextOptions& options) const {
  if (options.unit == TextUnit::character) return encode(characters(text), options);
  return encode(tokens, options);
}

CutTexts count_cut_texts(const Corpus& corpus, const TextOptions& options) {
  CutTexts out;
  const auto add = [&](Split split, const auto& each) {
    if (split != Split::train) return;
    const int64_t length = vocabulary::length_of(each.text, each.tokens, options);
    ++out.texts, out.cut += length > options.max_length, out.longest = std::max(out.longest, length);
  };
  if (corpus.modifications.empty()) {
    for (const CorpusCaption& caption : corpus.captions) add(corpus.images[caption.image_row].split, caption);
    return out;
  }
  out.what = "texts";
  for (const Modification& change : corpus.modifications) add(change.split, change);
  return out;
}

std::string cut_text(const CutTexts& counted, const TextOptions& options) {
  const char *be = counted.cut == 1 ? "is" : "are", *unit = options.unit == TextUnit::word ? "words" : "characters";
  return concat(with_commas(counted.cut), " of ", with_commas(counted.texts), " training ", counted.what, " (",
                vocabulary::percent_text(counted.cut, counted.texts), ") ", be,
                " longer than data.text.max_length = ", options.max_length, " ", unit, " and ", be,
                " cut; the longest has ", with_commas(counted.longest));
}

std::string Vocabulary::hash() const { return xxh128(to_text()); }

}  // namespace diptych

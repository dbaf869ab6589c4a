#include "data/sibling_captions.h"

#include <algorithm>
#include <map>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {
namespace siblings {

using WordList = std::vector<std::string>;

WordList words_of(const std::string& caption) {
  WordList words;
  for (std::string& word : split(caption, ' '))
    if (!word.empty()) words.push_back(std::move(word));
  return words;
}

std::string without(const WordList& words, size_t left_out) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i)
    if (i != left_out) out += (out.empty() ? "" : " ") + words[i];
  return out;
}

const std::string& first_other_word(const WordList& words, const WordList& others) {
  const auto strange = std::ranges::find_if(words, [&](const auto& word) { return !std::ranges::count(others, word); });
  if (strange != words.end()) return *strange;
  const auto [place, there] = std::ranges::mismatch(words, others);
  return place != words.end() ? *place : words.back();
}

}  // namespace siblings

std::string clean_fashion_caption(std::string_view caption) {
  std::string out;
  for (const char c : caption) switch (c) {
      case '.':
        out += "dotmark";
        break;
      case '?':
        out += "questionmark";
        break;
      case '&':
        out += "andmark";
        break;
      case '*':
        out += "starmark";
        break;
      default:
        out += c;
    }
  return std::string(trim(out));
}

std::vector<std::vector<int64_t>> sibling_captions(const std::vector<std::string>& captions, uint64_t max_pairs) {
  std::map<std::string, std::vector<int64_t>> children;
  for (size_t c = 0; c < captions.size(); ++c) {
    const siblings::WordList words = siblings::words_of(captions[c]);
    for (size_t i = 0; i < words.size(); ++i) {
      std::vector<int64_t>& of_parent = children[siblings::without(words, i)];
      const auto child = static_cast<int64_t>(c);
      if (of_parent.empty() || of_parent.back() != child) of_parent.push_back(child);
    }
  }
  uint64_t pairs = 0;
  for (const auto& [parent, list] : children) pairs += uint64_t{list.size()} * (list.size() - 1);
  if (pairs > max_pairs)
    throw DataError(
        "captions",
        concat("have ", pairs, " pairs that differ in one word; at most ", max_pairs, " can be held in memory"),
        "data.corpus.siblings=50 keeps some siblings of each caption");
  std::vector<std::vector<int64_t>> out(captions.size());
  for (const auto& [parent, list] : children)
    for (const int64_t child : list)
      for (const int64_t other : list)
        if (other != child) out[static_cast<size_t>(child)].push_back(other);
  for (auto& list : out) {
    std::ranges::sort(list);
    list.erase(std::unique(list.begin(), list.end()), list.end());
  }
  return out;
}

std::string replacement_text(const std::string& source, const std::string& target) {
  const siblings::WordList from = siblings::words_of(source), to = siblings::words_of(target);
  return concat("replace ", siblings::first_other_word(from, to), " with ", siblings::first_other_word(to, from));
}

}  // namespace diptych

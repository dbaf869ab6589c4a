#include <algorithm>
#include <iterator>

#include "diptych/core/text.h"
#include "diptych/data/python.h"
#include "diptych/data/vocabulary.h"

namespace diptych {
namespace tokenizing {

struct Range {
  uint32_t first, last;
};
// Code points above ASCII that are no part of a word: punctuation, symbols, arrows, emoji, private use.
constexpr Range kGaps[] = {{0x80, 0xA9},     {0xAB, 0xAC},     {0xAE, 0xB4},       {0xB6, 0xB9},       {0xBB, 0xBF},
                           {0xD7, 0xD7},     {0xF7, 0xF7},     {0x2000, 0x200B},   {0x2010, 0x2029},   {0x202F, 0x205F},
                           {0x20A0, 0x20CF}, {0x2190, 0x2BFF}, {0x3000, 0x3004},   {0x3008, 0x3020},   {0x3030, 0x3030},
                           {0xFE10, 0xFE1F}, {0xFE30, 0xFE6F}, {0xFF01, 0xFF0F},   {0xFF1A, 0xFF20},   {0xFF3B, 0xFF40},
                           {0xFF5B, 0xFF65}, {0xFFE0, 0xFFFF}, {0x1F000, 0x1FAFF}, {0xE0000, 0x10FFFF}};
// Invisible ones: soft hyphen, joiners, direction marks, variation selectors, byte-order mark. Left out inside words.
constexpr Range kInvisible[] = {{0xAD, 0xAD},     {0x200C, 0x200F}, {0x202A, 0x202E},
                                {0x2060, 0x206F}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}};
constexpr uint32_t kCurlyApostrophe = 0x2019, kInvalid = 0xFFFFFFFF;

template <size_t N>
bool is_in(const Range (&ranges)[N], uint32_t code) {
  return std::any_of(std::begin(ranges), std::end(ranges), [&](Range r) { return code >= r.first && code <= r.last; });
}

struct CodePoint {
  uint32_t code;
  size_t bytes;
};

// Invalid bytes count as gaps; corpora with such bytes are refused elsewhere.
CodePoint decode(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t bytes = byte(0) < 0x80 ? 1 : byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : byte(0) >= 0xC0 ? 2 : 0;
  if (bytes == 0 || bytes > text.size()) return {kInvalid, 1};
  uint32_t code = bytes == 1 ? byte(0) : byte(0) & (0xFF >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {kInvalid, 1};
    code = code << 6 | (byte(i) & 0x3F);
  }
  return {code, bytes};
}

bool is_ascii_word(uint32_t c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '\''; }

}  // namespace tokenizing

std::vector<std::string> tokenize(std::string_view text) {
  using namespace tokenizing;
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (size_t at = 0; at < text.size();) {
    auto [code, bytes] = decode(text.substr(at));
    if (code >= 'A' && code <= 'Z') code += 'a' - 'A';
    if (code < 0x80)
      is_ascii_word(code) ? word.push_back(static_cast<char>(code)) : end_word();
    else if (code == kCurlyApostrophe)
      word += '\'';
    else if (code == kInvalid || is_in(kGaps, code))
      end_word();
    else if (!is_in(kInvisible, code))
      word += text.substr(at, bytes);
    at += bytes;
  }
  end_word();
  return words;
}

std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size(); at += out.back().size()) {
    out.emplace_back(text.substr(at, tokenizing::decode(text.substr(at)).bytes));
    char& first = out.back().front();
    if (first >= 'A' && first <= 'Z') first = static_cast<char>(first + ('a' - 'A'));
  }
  return out;
}

std::vector<std::string> units_of(std::string_view text, TextUnit unit) {
  return unit == TextUnit::word ? tokenize(text) : characters(text);
}

std::string python_tokenizer(TextUnit unit) {
  if (unit == TextUnit::character)
    return R"py(def tokenize(text):
    """The characters one by one, ASCII letters lower-case."""
    return [c.lower() if c < "\x80" else c for c in text]
)py";

  using namespace tokenizing;
  const auto table = [](const char* name, const auto& ranges) {
    std::vector<std::string> pairs;
    for (const Range& range : ranges) pairs.push_back(concat("(", range.first, ", ", range.last, ")"));
    return concat(name, " = [\n    ", join(pairs, ", "), ",\n]\n");
  };
  return "# Code points that separate words, and invisible ones that are left out.\n" + table("GAPS", kGaps) +
         table("INVISIBLE", kInvisible) + R"py(

def tokenize(text):
    """Lower-case (ASCII) words: runs of letters, digits and apostrophes."""
    words, word = [], ""
    for character in text + " ":
        code = ord(character)
        if code < 0x80:
            gap = not (character.isalnum() or character == "'")
        elif code == )py" +
         concat(kCurlyApostrophe) + R"py(:
            character, code, gap = "'", ord("'"), False
        else:
            gap = any(first <= code <= last for first, last in GAPS)
        if gap:
            if word:
                words.append(word)
            word = ""
        elif code < 0x80:
            word += character.lower()
        elif not any(first <= code <= last for first, last in INVISIBLE):
            word += character
    return words
)py";
}

}  // namespace diptych

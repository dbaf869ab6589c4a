#include "yaml_scan.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr size_t kNowhere = std::string_view::npos;

bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// Walks the text line by line with just enough of YAML's grammar to know where a token starts.
class YamlScanner {
 public:
  YamlScanner(const std::string& file, Complaints& complaints) : file_(file), complaints_(complaints) {}

  void scan_line(std::string_view line) {
    ++number_;
    line_ = line;
    if (inside_block_scalar()) return;
    size_t at = 0;
    if (flow_depth_ == 0 && scan_marker(at)) return;
    check_indentation(at);
    while (at < line_.size()) at = scan_token(at);
  }

 private:
  // A sequence may stand in the column of the key that owns it, so it counts as deeper than a map of that column.
  struct Level {
    size_t column;
    bool is_sequence;
    auto operator<=>(const Level&) const = default;  // NOLINT(modernize-use-nullptr): clang-tidy 14 errs on <=>
  };

  void complain(size_t at, std::string message, std::string hint) {
    complaints_.add({file_, number_, static_cast<int>(at) + 1}, std::move(message), std::move(hint));
  }

  bool inside_block_scalar() {
    if (!block_scalar_in_) return false;
    const size_t indent = line_.find_first_not_of(' ');
    if (indent == kNowhere || static_cast<int>(indent) > *block_scalar_in_) return true;
    block_scalar_in_.reset();
    return false;
  }

  // `---`, `...` and `%` at the start of a line. True if the rest of the line needs no look.
  bool scan_marker(size_t& at) {
    if (line_.starts_with('%')) {
      complain(0, "YAML directives are not supported", "remove the line");
      return true;
    }
    const bool begins = line_.starts_with("---"), ends = line_.starts_with("...");
    if ((!begins && !ends) || (line_.size() > 3 && !is_blank(line_[3]))) return false;
    if (begins && (content_seen_ || begun_ || ended_))
      complain(0, "one document expected; another one begins here",
               "share values between files with _base_ and ${key}");
    (begins ? begun_ : ended_) = true;
    at = 3;
    return false;
  }

  void check_indentation(size_t from) const {
    const size_t tab = line_.find_first_not_of(' ', from);
    if (from == 0 && tab != kNowhere && line_[tab] == '\t')
      complaints_.add({file_, number_, static_cast<int>(tab) + 1}, "a tab in the indentation", "indent with spaces");
  }

  bool ends_word(size_t at) const { return at >= line_.size() || is_blank(line_[at]); }
  bool ends_flow_word(size_t at) const {
    return ends_word(at) || std::string_view(",[]{}").find(line_[at]) != kNowhere;
  }

  // Returns where the next token may start.
  size_t scan_token(size_t at) {
    const char c = line_[at];
    if (is_blank(c)) return at + 1;
    if (c == '#' && (at == 0 || is_blank(line_[at - 1]))) return line_.size();
    note_content(at);
    const bool in_flow = flow_depth_ > 0;
    switch (c) {
      case '-':
        if (in_flow || !ends_word(at + 1)) return scan_plain(at);
        enter({at, true});
        return at + 1;
      case '?':
        if (!ends_word(at + 1)) return scan_plain(at);
        complain(at, "complex keys (?) are not supported", "write KEY: VALUE");
        return at + 1;
      case ':':
        return in_flow || ends_word(at + 1) ? at + 1 : scan_plain(at);
      case ',':
        return in_flow ? at + 1 : scan_plain(at);
      case '[':
      case '{':
        ++flow_depth_;
        check_depth(at);
        return at + 1;
      case ']':
      case '}':
        flow_depth_ -= in_flow ? 1 : 0;
        return at + 1;
      case '"':
      case '\'':
        return scan_quoted(at);
      case '&':
      case '*':
      case '!':
        complain(at, "anchors and tags are not supported",
                 "share values with _base_ files and ${key}; quote text that begins with & * or !");
        return std::min(line_.find_first_of(" \t,[]{}", at + 1), line_.size());
      case '|':
      case '>':
        if (in_flow) return scan_plain(at);
        block_scalar_in_ = levels_.empty() ? -1 : static_cast<int>(levels_.back().column);
        return line_.size();
      default:
        return scan_plain(at);
    }
  }

  void note_content(size_t at) {
    if (ended_ && !content_after_end_) {
      content_after_end_ = true;
      complain(at, "one document expected; there is text after the end mark '...'", "remove the mark or the text");
    }
    content_seen_ = true;
  }

  size_t scan_plain(size_t at) {
    size_t end = at;
    while (end < line_.size()) {
      const char c = line_[end];
      if (c == '#' && end > at && is_blank(line_[end - 1])) break;
      if (c == ':' && (flow_depth_ > 0 ? ends_flow_word(end + 1) : ends_word(end + 1))) break;
      if (flow_depth_ > 0 && std::string_view(",[]{}").find(c) != kNowhere && end > at) break;
      ++end;
    }
    if (end < line_.size() && line_[end] == ':' && flow_depth_ == 0) enter({at, false});
    return end;
  }

  size_t scan_quoted(size_t at) {
    const char quote = line_[at];
    size_t end = at + 1;
    for (;; ++end) {
      if (end >= line_.size()) {
        complain(at, concat("the quote opened at line ", number_, " is not closed on its line"),
                 "close it, or double an apostrophe ('') inside '...'");
        return line_.size();
      }
      if (quote == '"' && line_[end] == '\\')
        ++end;
      else if (quote == '\'' && line_.substr(end).starts_with("''"))
        ++end;
      else if (line_[end] == quote)
        break;
    }
    const size_t next = line_.find_first_not_of(" \t", ++end);
    if (flow_depth_ == 0 && next != kNowhere && line_[next] == ':') enter({at, false});
    return end;
  }

  void enter(Level level) {
    while (!levels_.empty() && levels_.back() > level) levels_.pop_back();
    if (levels_.empty() || levels_.back() < level) levels_.push_back(level);
    check_depth(level.column);
  }

  void check_depth(size_t at) const {
    if (levels_.size() + flow_depth_ > kMostConfigDepth)
      throw UsageError(concat(file_, ":", number_, ":", at + 1), concat("nested deeper than ", kMostConfigDepth));
  }

  const std::string& file_;
  Complaints& complaints_;
  std::string_view line_;
  int number_ = 0;
  size_t flow_depth_ = 0;
  std::vector<Level> levels_;           // open block maps and sequences
  std::optional<int> block_scalar_in_;  // column of the owner of a | or > text; deeper lines belong to it
  bool content_seen_ = false, begun_ = false, ended_ = false, content_after_end_ = false;
};

std::string place_of_byte(std::string_view text, size_t offset) {
  const size_t line = 1 + static_cast<size_t>(std::ranges::count(text.substr(0, offset), '\n'));
  return concat("byte offset ", offset, " (line ", line, ")");
}

const char* foreign_encoding(std::string_view text) {
  if (text.starts_with(std::string_view("\xff\xfe\0\0", 4)) || text.starts_with(std::string_view("\0\0\xfe\xff", 4)))
    return "UTF-32";
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) return "UTF-16";
  const bool wide = text.size() >= 4 && (text[0] == 0) != (text[1] == 0) && (text[0] == 0) == (text[2] == 0) &&
                    (text[1] == 0) == (text[3] == 0);
  return wide ? "UTF-16" : nullptr;
}

}  // namespace

void check_encoding(std::string_view text, const std::string& file) {
  if (text.size() > kMostConfigBytes) throw UsageError(file, "larger than 1 MiB, the limit of a configuration file");
  if (const char* encoding = foreign_encoding(text))
    throw UsageError(file, concat("looks like ", encoding, " (byte offset 0); UTF-8 is needed"),
                     "save the file as UTF-8");
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool line_end = byte == '\n' || (byte == '\r' && i + 1 < text.size() && text[i + 1] == '\n');
    if (byte == 0) throw UsageError(file, "NUL at " + place_of_byte(text, i), "is this a text file?");
    if (byte < 0x20 && byte != '\t' && !line_end)
      throw UsageError(file,
                       concat("control character ", escape_for_log(text.substr(i, 1)), " at ", place_of_byte(text, i)));
  }
  if (const auto bad = find_invalid_utf8(text))
    throw UsageError(file,
                     concat("invalid UTF-8 at ", place_of_byte(text, *bad), ": ", escape_for_log(text.substr(*bad, 1))),
                     "is it Latin-1? Save the file as UTF-8");
}

void check_yaml_text(std::string_view text, const std::string& file, Complaints& complaints) {
  YamlScanner scanner(file, complaints);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    scanner.scan_line(text.substr(0, end));
    text.remove_prefix(end == kNowhere ? text.size() : end + 1);
  }
}

}  // namespace diptych

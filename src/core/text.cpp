#include "diptych/core/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "utf8.h"

namespace diptych {

size_t decode_utf8(std::string_view text, size_t i, uint32_t& point) {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(text[k]); };
  const unsigned char lead = byte(i);
  size_t length = lead < 0x80                   ? 1
                  : lead >= 0xc2 && lead < 0xe0 ? 2
                  : lead >= 0xe0 && lead < 0xf0 ? 3
                  : lead >= 0xf0 && lead < 0xf5 ? 4
                                                : 0;
  if (length == 0 || i + length > text.size()) return 0;
  point = length == 1 ? lead : lead & (0x7f >> length);
  for (size_t k = 1; k < length; ++k) {
    if ((byte(i + k) & 0xc0) != 0x80) return 0;
    point = point << 6 | (byte(i + k) & 0x3f);
  }
  const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  return overlong || (point >= 0xd800 && point < 0xe000) || point > 0x10ffff ? 0 : length;
}

bool is_unsafe_on_terminals(uint32_t point) {
  return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x2028 || point == 0x2029 ||
         (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) || point == 0x200e ||
         point == 0x200f || point == 0x061c;
}

namespace {

std::string hex(uint32_t value, int digits) {
  std::string out;
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += "0123456789abcdef"[value >> shift & 15];
  return out;
}

std::string folded(std::string_view word) {
  std::string out = lower_ascii(word);
  std::ranges::replace(out, '-', '_');
  return out;
}

// Damerau-Levenshtein distance with adjacent transpositions.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i)
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

}  // namespace

std::string number_text(double value) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}
std::string number_text(int64_t value) { return std::to_string(value); }
std::string fixed_text(double value, int decimals) {
  char text[400];  // fixed notation of the largest double has 309 digits before the point
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, std::min(decimals, 60)).ptr};
}
std::string with_commas(int64_t count) {
  const std::string digits = concat(count);
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && digits[i - 1] != '-' && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string escape_for_log(std::string_view text, size_t limit) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    uint32_t point = 0;
    const size_t length = decode_utf8(text, i, point);
    std::string piece(text.substr(i, std::max<size_t>(length, 1)));
    if (length == 0)
      piece = "\\x" + hex(static_cast<unsigned char>(text[i]), 2);
    else if (is_unsafe_on_terminals(point))
      piece = point < 0x100 ? "\\x" + hex(point, 2) : "\\u{" + hex(point, 4) + "}";
    if (out.size() + piece.size() > limit) return out + "...";
    out += piece;
    i += std::max<size_t>(length, 1);
  }
  return out;
}

std::string escape_for_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string csv_cell(std::string_view text) {
  std::string out = "\"";
  if (!text.empty() && std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos) out += '\'';
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::optional<size_t> find_invalid_utf8(std::string_view text) {
  uint32_t point = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t length = decode_utf8(text, i, point);
    if (length == 0) return i;
    i += length;
  }
  return {};
}

std::optional<int64_t> parse_integer(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return {};
  return value;
}

std::optional<double> parse_number(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty() || !std::isfinite(value)) return {};
  return value;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> out;
  for (size_t from = 0;;) {
    const size_t at = text.find(separator, from);
    out.emplace_back(text.substr(from, at == std::string_view::npos ? at : at - from));
    if (at == std::string_view::npos) return out;
    from = at + 1;
  }
}
std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}
std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) out += (i ? std::string(separator) : "") + parts[i];
  return out;
}
std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}
bool glob_match(std::string_view pattern, std::string_view name) {
  size_t p = 0, n = 0, star = std::string_view::npos, mark = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*')
      star = p++, mark = n;
    else if (p < pattern.size() && pattern[p] == name[n])
      ++p, ++n;
    else if (star != std::string_view::npos)
      p = star + 1, n = ++mark;
    else
      return false;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}
std::string bytes_text(double bytes) {
  const std::array units = {"B", "kB", "MB", "GB", "TB"};
  size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < units.size()) bytes /= 1000, ++unit;
  return concat(fixed_text(bytes, unit >= 3 ? 1 : 0), " ", units[unit]);
}
std::string duration_text(double seconds) {
  const auto total = static_cast<int64_t>(std::isnan(seconds) ? 0 : std::clamp(seconds, 0.0, 1e9) + 0.5);
  const auto two_digits = [](int64_t n) { return concat(n < 10 ? "0" : "", n); };
  return concat(total / 3600, ":", two_digits(total / 60 % 60), ":", two_digits(total % 60));
}

std::vector<std::string> suggestions(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string wanted = folded(word.substr(0, 200));
  if (wanted.empty()) return {};
  const size_t limit = std::max<size_t>(1, wanted.size() / 3);
  std::vector<std::pair<size_t, std::string>> near;
  for (const std::string& candidate : candidates) {
    const std::string name = folded(candidate);
    if (name.size() > wanted.size() + limit + 200) continue;
    const size_t distance = edit_distance(wanted, name);
    if (distance <= limit)
      near.emplace_back(distance, candidate);
    else if (name.ends_with("." + wanted) || (wanted.size() > 2 && name.starts_with(wanted)))
      near.emplace_back(limit + 1, candidate);  // "lr" finds "optim.lr", "flickr8k" finds "flickr8k-1k"
  }
  std::ranges::stable_sort(near, {}, &std::pair<size_t, std::string>::first);
  std::vector<std::string> out;
  for (const auto& [distance, candidate] : near)
    if (out.size() < 3 && std::ranges::find(out, candidate) == out.end()) out.push_back(candidate);
  return out;
}
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  if (const auto near = suggestions(word, candidates); !near.empty()) return "did you mean: " + join(near, ", ");
  if (candidates.size() <= 20 && !candidates.empty()) return "known: " + join(candidates, ", ");
  return "";
}

}  // namespace diptych

#pragma once
#include <cstdint>
#include <locale>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace diptych {

/// Joins anything printable: concat("rows ", 3, " of ", 4). Numbers go through number_text.
template <class... Parts>
std::string concat(const Parts&... parts);

/// Shortest text that reads back equal; independent of the locale. "0.1", "1e-08", "3".
std::string number_text(double value);
std::string number_text(int64_t value);
/// Fixed notation with so many decimals, whatever the locale: fixed_text(24.66, 1) = "24.7".
std::string fixed_text(double value, int decimals);
/// "5,000".
std::string with_commas(int64_t count);

/// User text made safe for one line of a terminal or log: control characters, ESC, CR, LF, bidirectional controls and
/// invalid UTF-8 become \xNN or \u{...}; cut at `limit` bytes with an ellipsis.
std::string escape_for_log(std::string_view text, size_t limit = 80);
/// Text for HTML elements and quoted attributes: & < > " '.
std::string escape_for_html(std::string_view text);
/// Quoted CSV cell; a leading = + - @, tab or CR, which spreadsheets take for a formula, gets an apostrophe.
std::string csv_cell(std::string_view text);

/// Byte offset of the first invalid UTF-8 sequence (overlong forms and surrogates included), if any.
std::optional<size_t> find_invalid_utf8(std::string_view text);

/// Whole-text number readers: no locale, no trailing text. Integers are plain decimals with an optional minus.
std::optional<int64_t> parse_integer(std::string_view text);
std::optional<double> parse_number(std::string_view text);

std::vector<std::string> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
/// ASCII lower case; other bytes stay.
std::string lower_ascii(std::string_view text);
/// True if `name` fits `pattern`, where * stands for any run of characters.
bool glob_match(std::string_view pattern, std::string_view name);
/// "1.5 GB", "312 MB", "17 kB".
std::string bytes_text(double bytes);
/// "0:14:20".
std::string duration_text(double seconds);

/// At most three of `candidates` near to `word`: Damerau-Levenshtein, case-insensitive, - equal to _, distance at most
/// max(1, length / 3); nearest first. Then those whose last dotted part is the word: "lr" finds "optim.lr".
std::vector<std::string> suggestions(std::string_view word, const std::vector<std::string>& candidates);
/// "did you mean: a, b" or, without a near name, "known: ..." (all of them when there are at most 20).
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

namespace detail {
template <class T>
void append(std::string& out, const T& part) {
  if constexpr (std::is_same_v<T, bool>)
    out += part ? "true" : "false";
  else if constexpr (std::is_same_v<T, char>)
    out += part;
  else if constexpr (std::is_enum_v<T>)
    out += std::to_string(static_cast<int64_t>(part));
  else if constexpr (std::is_integral_v<T>)
    out += std::to_string(part);
  else if constexpr (std::is_floating_point_v<T>)
    out += number_text(static_cast<double>(part));
  else if constexpr (std::is_convertible_v<const T&, std::string_view>)
    out += std::string_view(part);
  else {
    std::ostringstream stream;  // tensors' sizes, paths
    stream.imbue(std::locale::classic());
    stream << part;
    out += stream.str();
  }
}
}  // namespace detail

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::string out;
  (detail::append(out, parts), ...);
  return out;
}

}  // namespace diptych

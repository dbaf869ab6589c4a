#include "diptych/core/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <tuple>

#include "utf8.h"

namespace diptych {
namespace {

constexpr size_t kMostComplaints = 50;

std::string under(const std::string& path, const std::string& key) { return path.empty() ? key : path + "." + key; }

}  // namespace

void Complaints::add(const Origin& origin, std::string message, std::string hint) {
  const std::string where = origin.file.empty() && origin.line == 0 ? "" : to_text(origin);
  found_.emplace_back(origin, Issue{ErrorClass::cfg, where, std::move(message), std::move(hint)});
}

void Complaints::throw_if_any() const {
  if (found_.empty()) return;
  auto sorted = found_;
  std::ranges::stable_sort(sorted, [](const auto& a, const auto& b) {
    return std::tie(a.first.file, a.first.line, a.first.column) < std::tie(b.first.file, b.first.line, b.first.column);
  });
  std::vector<Issue> issues;
  for (const auto& [origin, issue] : sorted)
    if (issues.size() < kMostComplaints) issues.push_back(issue);
  if (sorted.size() > kMostComplaints)
    issues.push_back({ErrorClass::cfg, "", concat(sorted.size() - kMostComplaints, " more errors are not shown"), ""});
  throw UsageError(issues);
}

bool Reader::has_unknown() const {
  return std::ranges::any_of(node_.entries,
                             [&](const auto& entry) { return std::ranges::find(known_, entry.key) == known_.end(); });
}

void Reader::complain_unknown(const std::vector<Row>& below) {
  std::vector<std::string> candidates = known_;
  for (const Row& row : below)
    if (row.path != row.key) candidates.push_back(row.path);
  for (const auto& entry : node_.entries) {
    if (std::ranges::find(known_, entry.key) != known_.end()) continue;
    const std::string value = entry.value.is_scalar() ? " = " + escape_for_log(entry.value.text) : "";
    const auto near = suggestions(entry.key, candidates);
    std::string hint = near.empty() ? "" : "did you mean: " + join(near, ", ") + "      ";
    hint += "keys here: " + join(known_, ", ");
    complaints_.add(entry.key_origin, escape_for_log(under(path_, entry.key)) + value + ": unknown key", hint);
  }
}

std::string Reader::hint_required(const char* key) const { return concat("add a line `", key, ": VALUE`"); }

namespace detail {
namespace {

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}
std::string_view without_sign(std::string_view text) {
  return text.starts_with('-') || text.starts_with('+') ? text.substr(1) : text;
}
// 010 is eight to some readers of YAML and ten to others.
bool has_leading_zero(std::string_view text) {
  text = without_sign(text);
  return text.size() > 1 && text[0] == '0' && is_digits(text);
}
bool is_outside_of_double(std::string_view text) {
  double ignored = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ignored);
  return error == std::errc::result_out_of_range && end == text.data() + text.size();
}
bool is_word_for_nonfinite(std::string_view text) {
  std::string word = lower_ascii(without_sign(text));
  if (word.starts_with('.')) word.erase(0, 1);
  return word == "nan" || word == "inf" || word == "infinity";
}

std::string value_shown(const ConfigNode& node) {
  const bool number = !node.quoted && (parse_number(node.text) || is_word_for_nonfinite(node.text) ||
                                       is_outside_of_double(node.text) || node.text == "true" || node.text == "false");
  return number ? escape_for_log(node.text) : "\"" + escape_for_log(node.text) + "\"";
}

std::string kind_given(const ConfigNode& node) {
  if (node.is_list()) return "a list";
  if (node.is_map()) return "a map";
  if (node.quoted) return "quoted text";
  if (node.text == "true" || node.text == "false") return node.text;
  if (has_leading_zero(node.text)) return "a number with a leading zero";
  if (is_word_for_nonfinite(node.text)) return "what is not a finite number";
  if (is_outside_of_double(node.text)) return "a number out of range of double precision";
  if (parse_number(node.text)) return escape_for_log(node.text);
  return "text";
}

bool complain(const ConfigNode& node, const std::string& path, const std::string& expected, Complaints& complaints,
              const std::string& hint = "") {
  const std::string key = escape_for_log(path, 200);
  if (node.is_null())
    complaints.add(node.origin, concat(key, ": has no value; expected ", expected), hint);
  else
    complaints.add(node.origin,
                   concat(key, node.is_scalar() ? " = " + value_shown(node) : "", ": expected ", expected, "; got ",
                          kind_given(node)),
                   hint);
  return false;
}

std::string expected_number(const char* what, const Field& field) {
  const std::string range = range_text(field);
  return range.empty() ? what : concat(what, " ", range);
}

std::string value_in_base(std::string_view digits, int base) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  return error == std::errc() && end == digits.data() + digits.size() ? number_text(value) : "";
}

// What the writer of a number in some other notation probably meant: "write 1000"; "" if nothing comes to mind.
std::string hint_for_number(const ConfigNode& node, bool integer) {
  if (!node.is_scalar()) return "";
  if (node.quoted) return "quoted text is text: remove the quotes";
  const std::string& text = node.text;
  const auto write = [](const std::string& value) { return value.empty() ? "" : "write " + value; };
  if (has_leading_zero(text)) {
    const std::string digits(without_sign(text));
    const std::string octal = value_in_base(digits, 8), decimal = value_in_base(digits, 10);
    return write(octal.empty() || octal == decimal ? decimal : octal + " or " + decimal);
  }
  if (text.starts_with("0x") || text.starts_with("0X"))
    return write(value_in_base(std::string_view(text).substr(2), 16));
  if (text.starts_with("0o")) return write(value_in_base(std::string_view(text).substr(2), 8));
  std::string plain = text;
  std::erase(plain, '_');
  if (plain != text && parse_number(plain)) return write(plain);
  std::ranges::replace(plain = text, ',', '.');
  if (plain != text && parse_number(plain)) return "the decimal separator is a point: write " + plain;
  const auto number = parse_number(text);
  if (integer && number && *number == std::floor(*number) && std::abs(*number) < 1e15)
    return write(number_text(static_cast<int64_t>(*number)));
  return "";
}

bool in_range(double value, const Field& field) { return value >= field.lo && value <= field.hi; }

// Words that a YAML reader may take for something else than text.
bool is_word_of_yaml(std::string_view text) {
  const std::string lower = lower_ascii(text);
  for (const char* word : {"", "null", "~", "true", "false", "yes", "no", "on", "off", "y", "n", "<<", "="})
    if (lower == word) return true;
  return is_word_for_nonfinite(text);
}

bool reads_back_as_plain_text(const std::string& value) {
  return !is_word_of_yaml(value) && !parse_number(value) && !is_outside_of_double(value) && !has_leading_zero(value) &&
         value.find_first_of(":#{}[],&*!|>'\"%@`\\$\x7f") == std::string::npos &&
         escape_for_log(value, std::string::npos) == value &&
         std::string_view("-? .").find(value.front()) == std::string_view::npos && value.back() != ' ';
}

// \u with the code point in hexadecimal; yaml-cpp reads 4 digits after \u.
std::string yaml_escape(uint32_t point) {
  std::string out = "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += "0123456789abcdef"[point >> shift & 15];
  return out;
}

std::string quoted_for_yaml(const std::string& value) {
  std::string out = "\"";
  for (size_t i = 0; i < value.size();) {
    uint32_t point = 0;
    const size_t length = std::max<size_t>(decode_utf8(value, i, point), 1);
    const std::string character = value.substr(i, length);
    i += length;
    if (character == "$" && i < value.size() && value[i] == '{')
      out += "$$";  // else it would read back as a reference
    else if (character == "\"" || character == "\\")
      out += "\\" + character;
    else if (character == "\n")
      out += "\\n";
    else if (character == "\t")
      out += "\\t";
    else
      out += is_unsafe_on_terminals(point) ? yaml_escape(point) : character;
  }
  return out + "\"";
}

}  // namespace

bool convert(const ConfigNode& node, const std::string& path, const Field&, bool& out, Complaints& complaints) {
  if (node.is_scalar() && !node.quoted && (node.text == "true" || node.text == "false")) {
    out = node.text == "true";
    return true;
  }
  const std::string word = lower_ascii(node.text);
  const bool yes = word == "true" || word == "yes" || word == "y" || word == "on" || word == "1";
  const bool no = word == "false" || word == "no" || word == "n" || word == "off" || word == "0";
  return complain(node, path, "true or false", complaints, yes ? "write true" : no ? "write false" : "");
}

bool convert(const ConfigNode& node, const std::string& path, const Field& field, int64_t& out,
             Complaints& complaints) {
  const auto value = parse_integer(node.text);
  const bool readable = node.is_scalar() && !node.quoted && value && !has_leading_zero(node.text);
  if (readable && in_range(static_cast<double>(*value), field)) {
    out = *value;
    return true;
  }
  const bool too_long = is_digits(without_sign(node.text)) && !value;
  return complain(node, path, expected_number("an integer", field), complaints,
                  too_long   ? "out of range of 64-bit integers"
                  : readable ? ""
                             : hint_for_number(node, true));
}

bool convert(const ConfigNode& node, const std::string& path, const Field& field, double& out, Complaints& complaints) {
  const auto value = parse_number(node.text);
  const bool readable = node.is_scalar() && !node.quoted && value && !has_leading_zero(node.text);
  if (readable && in_range(*value, field)) {
    out = *value;
    return true;
  }
  return complain(node, path, expected_number("a number", field), complaints,
                  readable ? "" : hint_for_number(node, false));
}

bool convert(const ConfigNode& node, const std::string& path, const Field& field, std::string& out,
             Complaints& complaints) {
  if (!node.is_scalar()) return complain(node, path, field.path ? "a path" : "text", complaints);
  out = node.text;
  const char* home = std::getenv("HOME");
  if (field.path && home && (out == "~" || out.starts_with("~/"))) out = home + out.substr(1);
  return true;
}

size_t convert_word(const ConfigNode& node, const std::string& path, const std::vector<std::string>& words,
                    Complaints& complaints) {
  const auto found = node.is_scalar() ? std::ranges::find(words, node.text) : words.end();
  if (found != words.end()) return static_cast<size_t>(found - words.begin());
  const auto near = node.is_scalar() ? suggestions(node.text, words) : std::vector<std::string>{};
  complain(node, path, words.size() == 1 ? words.front() : "one of " + join(words, ", "), complaints,
           near.empty() ? "" : "did you mean: " + join(near, ", "));
  return std::string::npos;
}

void complain_kind(const ConfigNode& node, const std::string& path, std::string_view expected, Complaints& complaints) {
  complain(node, path.empty() ? "the configuration" : path, std::string(expected), complaints);
}

std::string scalar_text(bool value) { return value ? "true" : "false"; }
std::string scalar_text(int64_t value) { return number_text(value); }
std::string scalar_text(double value) { return number_text(value); }
std::string scalar_text(const std::string& value) {
  return reads_back_as_plain_text(value) ? value : quoted_for_yaml(value);
}

std::string range_text(const Field& field) {
  const bool low = field.lo > -DBL_MAX, high = field.hi < DBL_MAX;
  if (low && high) return concat("in [", field.lo, ", ", field.hi, "]");
  if (low) return field.lo == DBL_MIN ? "> 0" : concat(">= ", field.lo);
  return high ? concat("<= ", field.hi) : "";
}

}  // namespace detail

namespace {

bool has_rows_below(const std::vector<Row>& rows, size_t i) {
  return i + 1 < rows.size() && rows[i + 1].depth > rows[i].depth;
}

std::string comment_of(const Row& row, const std::string& indent) {
  return row.doc.empty() ? "" : concat(indent, "# ", row.doc, row.range.empty() ? "" : " (" + row.range + ")", "\n");
}

}  // namespace

std::string to_yaml(const std::vector<Row>& rows, bool with_doc) {
  if (rows.empty()) return "{}\n";
  std::string out;
  bool after_dash = false;  // "- " is as wide as one level of indentation: the first key of an item follows it
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    const std::string indent(static_cast<size_t>(2 * row.depth), ' ');
    if (row.is_list_item) {
      after_dash = has_rows_below(rows, i);
      if (with_doc && after_dash) out += comment_of(rows[i + 1], indent);
      out += indent + (after_dash ? "- " : "- {}\n");
      continue;
    }
    if (with_doc && !after_dash) out += comment_of(row, indent);
    const bool opens = row.is_section && has_rows_below(rows, i);
    const std::string value = row.is_section && row.value.empty() ? "{}" : row.value;
    out += concat(after_dash ? "" : indent, row.key, ":", opens ? "" : " " + value, "\n");
    after_dash = false;
  }
  return out;
}

std::vector<RowDifference> difference(const std::vector<Row>& a, const std::vector<Row>& b) {
  const auto by_path = [](const std::vector<Row>& rows) {
    std::map<std::string, const Row*> out;
    for (const Row& row : rows)
      if (!row.is_section) out[row.path] = &row;
    return out;
  };
  const auto in_a = by_path(a), in_b = by_path(b);
  std::vector<RowDifference> out;
  for (const Row& row : a) {
    const auto other = in_b.find(row.path);
    const std::string value = other == in_b.end() ? "" : other->second->value;
    if (!row.is_section && value != row.value) out.push_back({row.path, row.value, value, row.field});
  }
  for (const Row& row : b)
    if (!row.is_section && !in_a.contains(row.path)) out.push_back({row.path, "", row.value, row.field});
  return out;
}

}  // namespace diptych

#include "diptych/core/options.h"

#include <algorithm>
#include <cmath>

namespace diptych {

void Complaints::add(const Origin& origin, std::string message, std::string hint) {
  found_.emplace_back(origin, Issue{ErrorClass::cfg, to_text(origin), std::move(message), std::move(hint)});
}

void Complaints::throw_if_any() const {
  if (found_.empty()) return;
  auto sorted = found_;
  std::ranges::stable_sort(sorted, [](const auto& a, const auto& b) {
    return std::tie(a.first.file, a.first.line, a.first.column) < std::tie(b.first.file, b.first.line, b.first.column);
  });
  std::vector<Issue> issues;
  for (const auto& [origin, issue] : sorted)
    if (issues.size() < 50) issues.push_back(issue);
  throw UsageError(issues);
}

void Reader::complain_unknown() {
  for (const auto& entry : node_.entries) {
    if (std::ranges::find(known_, entry.key) != known_.end()) continue;
    const std::string path = path_.empty() ? entry.key : path_ + "." + entry.key;
    const std::string value = entry.value.is_scalar() ? " = " + escape_for_log(entry.value.text) : "";
    std::string hint = did_you_mean(entry.key, known_);
    if (!hint.starts_with("known")) hint += (hint.empty() ? "" : "; ") + ("keys here: " + join(known_, ", "));
    complaints_.add(entry.key_origin, escape_for_log(path) + value + ": unknown key", hint);
  }
}

std::string Reader::hint_required(const char* key) const { return std::string("add a line ") + key + ": VALUE"; }

namespace detail {
namespace {

std::string shown(const ConfigNode& node) {
  switch (node.kind) {
    case ConfigNode::Kind::null: return "null";
    case ConfigNode::Kind::list: return "a list";
    case ConfigNode::Kind::map: return "a map";
    default: return node.quoted ? "\"" + escape_for_log(node.text) + "\"" : escape_for_log(node.text);
  }
}

bool complain(const ConfigNode& node, const std::string& path, const std::string& expected, Complaints& complaints, const std::string& hint = "") {
  complaints.add(node.origin, concat(path, " = ", shown(node), ": expected ", expected, node.is_null() ? "; it has no value" : ""), hint);
  return false;
}

std::string expected_number(const char* what, const Field& field) {
  const std::string range = range_text(field);
  return range.empty() ? what : concat(what, " ", range);
}

bool in_range(double value, const Field& field) { return value >= field.lo && value <= field.hi; }

bool looks_octal(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return text.size() > 1 && text[0] == '0' && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_word_of_yaml(std::string_view text) {
  const std::string lower = lower_ascii(text);
  for (const char* word : {"", "null", "~", "true", "false", "yes", "no", "on", "off", ".nan", ".inf", "-.inf", "+.inf"})
    if (lower == word) return true;
  return false;
}

}  // namespace

bool convert(const ConfigNode& node, const std::string& path, const Field&, bool& out, Complaints& complaints) {
  if (!node.is_scalar() || node.quoted || (node.text != "true" && node.text != "false")) return complain(node, path, "true or false", complaints);
  out = node.text == "true";
  return true;
}

bool convert(const ConfigNode& node, const std::string& path, const Field& field, int64_t& out, Complaints& complaints) {
  const std::string expected = expected_number("an integer", field);
  if (!node.is_scalar()) return complain(node, path, expected, complaints);
  if (node.quoted) return complain(node, path, expected, complaints, "quoted text is text: remove the quotes");
  if (looks_octal(node.text)) {
    const auto decimal = node.text.substr(node.text.find_first_not_of('0') == std::string::npos ? 0 : node.text.find_first_not_of('0'));
    return complain(node, path, expected, complaints, "a leading zero is ambiguous: write " + decimal);
  }
  const auto value = parse_integer(node.text);
  if (!value) {
    const auto number = parse_number(node.text);
    if (number && *number == std::floor(*number) && std::abs(*number) < 1e15)
      return complain(node, path, expected, complaints, "write " + std::to_string(static_cast<int64_t>(*number)));
    return complain(node, path, expected, complaints);
  }
  if (!in_range(static_cast<double>(*value), field)) return complain(node, path, expected, complaints);
  out = *value;
  return true;
}

bool convert(const ConfigNode& node, const std::string& path, const Field& field, double& out, Complaints& complaints) {
  const std::string expected = expected_number("a finite number", field);
  if (!node.is_scalar()) return complain(node, path, expected, complaints);
  if (node.quoted) return complain(node, path, expected, complaints, "quoted text is text: remove the quotes");
  if (looks_octal(node.text)) return complain(node, path, expected, complaints, "write it without the leading zero");
  const auto value = parse_number(node.text);
  if (!value || !in_range(*value, field)) return complain(node, path, expected, complaints);
  out = *value;
  return true;
}

bool convert(const ConfigNode& node, const std::string& path, const Field& field, std::string& out, Complaints& complaints) {
  if (!node.is_scalar()) return complain(node, path, "text", complaints);
  out = node.text;
  if (field.path && out.starts_with("~/"))
    if (const char* home = std::getenv("HOME")) out = home + out.substr(1);
  return true;
}

size_t convert_word(const ConfigNode& node, const std::string& path, const std::vector<std::string>& words, Complaints& complaints) {
  const auto it = node.is_scalar() ? std::ranges::find(words, node.text) : words.end();
  if (it != words.end()) return static_cast<size_t>(it - words.begin());
  complain(node, path, words.size() <= 20 ? "one of " + join(words, ", ") : "a known name", complaints, node.is_scalar() ? did_you_mean(node.text, words) : "");
  return std::string::npos;
}

void complain_kind(const ConfigNode& node, const std::string& path, std::string_view expected, Complaints& complaints) {
  complain(node, path.empty() ? "the configuration" : path, std::string(expected), complaints);
}

std::string scalar_text(bool value) { return value ? "true" : "false"; }
std::string scalar_text(int64_t value) { return number_text(value); }
std::string scalar_text(double value) { return number_text(value); }
std::string scalar_text(const std::string& value) {
  const bool plain = !is_word_of_yaml(value) && !parse_number(value) && !parse_integer(value) && !looks_octal(value) && value.find_first_of(":#{}[],&*!|>'\"%@`\n\t\\$") == std::string::npos &&
                     value.find_first_of("-? ") != 0 && value.back() != ' ' && !find_invalid_utf8(value);
  if (plain) return value;
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\', out += c;
    else if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (static_cast<unsigned char>(c) < 0x20) out += concat("\\x", "0123456789abcdef"[c >> 4 & 15], "0123456789abcdef"[c & 15]);
    else out += c;
  }
  // A literal ${ must not be read back as a reference.
  for (size_t at = out.find("${"); at != std::string::npos; at = out.find("${", at + 3)) out.insert(at, "$");
  return out + "\"";
}
std::string range_text(const Field& field) {
  const bool low = field.lo > -DBL_MAX, high = field.hi < DBL_MAX;
  if (low && high) return concat("in [", field.lo, ", ", field.hi, "]");
  if (low) return concat(">= ", field.lo);
  if (high) return concat("<= ", field.hi);
  return "";
}

}  // namespace detail

namespace {

// A section without rows below it: an empty list or map.
bool is_empty_section(const std::vector<Row>& rows, size_t i) {
  return rows[i].is_section && (i + 1 == rows.size() || rows[i + 1].depth <= rows[i].depth);
}

}  // namespace

std::string to_yaml(const std::vector<Row>& rows, bool with_doc) {
  std::string out;
  bool after_dash = false;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    const std::string indent(static_cast<size_t>(2 * row.depth), ' ');
    if (row.is_list_item) {
      out += indent + (is_empty_section(rows, i) ? "- {}\n" : "- ");
      after_dash = !is_empty_section(rows, i);
      continue;
    }
    if (with_doc && !row.doc.empty() && !after_dash) out += indent + "# " + row.doc + (row.range.empty() ? "" : " (" + row.range + ")") + "\n";
    out += (after_dash ? "" : indent) + row.key + ":";
    after_dash = false;
    if (row.is_section) out += is_empty_section(rows, i) ? " []\n" : "\n";
    else out += " " + row.value + "\n";
  }
  return out;
}

std::vector<RowDifference> difference(const std::vector<Row>& a, const std::vector<Row>& b) {
  std::map<std::string, const Row*> in_a, in_b;
  for (const Row& row : a)
    if (!row.is_section) in_a[row.path] = &row;
  for (const Row& row : b)
    if (!row.is_section) in_b[row.path] = &row;
  std::vector<RowDifference> out;
  for (const auto& [path, row] : in_a) {
    const auto it = in_b.find(path);
    if (it == in_b.end()) out.push_back({path, row->value, "", row->field});
    else if (it->second->value != row->value) out.push_back({path, row->value, it->second->value, row->field});
  }
  for (const auto& [path, row] : in_b)
    if (!in_a.contains(path)) out.push_back({path, "", row->value, row->field});
  return out;
}

}  // namespace diptych

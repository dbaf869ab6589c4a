#include "diptych/core/config_flow.h"

#include <algorithm>

#include "diptych/core/options.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

/// True if `text`, written without quotes inside [ ] or { }, is read as it was: a number stays a number.
bool is_plain_in_flow(const std::string& text) {
  const auto safe = [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("_.+-/~").find(static_cast<char>(c)) != std::string_view::npos;
  };
  return !text.empty() && text != "-" && std::ranges::all_of(text, safe);
}

/// Quoted text as scalar_text writes it, but with references left alone: scalar_text makes ${ into $${.
std::string quoted(const std::string& text) {
  const std::string escaped = detail::scalar_text(text);
  std::string out;
  for (size_t i = 0; i < escaped.size(); ++i)
    if (escaped.compare(i, 3, "$${") != 0) out += escaped[i];
  return out;
}

}  // namespace

std::string to_flow_text(const ConfigNode& node) {
  std::vector<std::string> parts;
  switch (node.kind) {
    case ConfigNode::Kind::null:
      return "null";
    case ConfigNode::Kind::scalar:
      return !node.quoted && is_plain_in_flow(node.text) ? node.text : quoted(node.text);
    case ConfigNode::Kind::list:
      for (const ConfigNode& item : node.items) parts.push_back(to_flow_text(item));
      return "[" + join(parts, ", ") + "]";
    case ConfigNode::Kind::map:
      for (const auto& entry : node.entries)
        parts.push_back(detail::scalar_text(entry.key) + ": " + to_flow_text(entry.value));
      return "{" + join(parts, ", ") + "}";
  }
  return "";
}

}  // namespace diptych

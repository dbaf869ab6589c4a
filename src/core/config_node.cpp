#include "diptych/core/config_node.h"

#include "config_text.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr size_t kBriefBytes = 80;

void append_flow(const ConfigNode& node, std::string& out) {
  if (out.size() > 2 * kBriefBytes) return;  // it will be cut anyway
  size_t count = 0;
  if (node.is_null()) out += "null";
  if (node.is_scalar()) out += node.quoted ? "\"" + node.text + "\"" : node.text;
  if (node.is_list()) {
    out += "[";
    for (const ConfigNode& item : node.items) out += count++ ? ", " : "", append_flow(item, out);
    out += "]";
  }
  if (node.is_map()) {
    out += "{";
    for (const auto& entry : node.entries)
      out += (count++ ? ", " : "") + entry.key + ": ", append_flow(entry.value, out);
    out += "}";
  }
}

}  // namespace

std::string brief_text(const ConfigNode& node) {
  std::string out;
  append_flow(node, out);
  return escape_for_log(out, kBriefBytes);
}

std::string to_text(const Origin& origin) {
  if (origin.file.empty()) return "default";
  return origin.line == 0 ? origin.file : concat(origin.file, ":", origin.line, ":", origin.column);
}

const ConfigNode* ConfigNode::find(std::string_view key) const {
  for (const Entry& entry : entries)
    if (entry.key == key) return &entry.value;
  return nullptr;
}

const ConfigNode* ConfigNode::at_path(std::string_view path) const {
  const ConfigNode* node = this;
  for (const std::string& part : split(path, '.')) {
    if (node->is_list()) {
      const auto index = parse_integer(part);
      if (!index || *index < 0 || *index >= static_cast<int64_t>(node->items.size())) return nullptr;
      node = &node->items[static_cast<size_t>(*index)];
    } else {
      node = node->find(part);
      if (!node) return nullptr;
    }
  }
  return node;
}

}  // namespace diptych

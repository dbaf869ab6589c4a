#include <algorithm>
#include <set>

#include "config_text.h"
#include "diptych/core/config_node.h"
#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "yaml_scan.h"

namespace diptych {
namespace {

const Origin kCommandLine{"command line", 0, 0};

struct Override {
  enum class Action { set, append, unset };
  Action action = Action::set;
  std::string path;
  std::vector<std::string> parts;
  ConfigNode value;
};

[[noreturn]] void refuse_override(std::string_view word, std::string_view why, std::string hint = "") {
  throw UsageError::command_line(concat("'", escape_for_log(word), "': ", why), std::move(hint));
}

void mark_as_command_line(ConfigNode& node) {
  node.origin = kCommandLine;
  for (ConfigNode& item : node.items) mark_as_command_line(item);
  for (auto& entry : node.entries) entry.key_origin = kCommandLine, mark_as_command_line(entry.value);
}

ConfigNode parse_value(const std::string& word, const std::string& text) {
  if (text.find('\n') != std::string::npos || text.find('\r') != std::string::npos)
    refuse_override(word, "the value has more than one line");
  if (trim(text).empty()) refuse_override(word, "has no value", "write KEY=null, or KEY='\"\"' for an empty text");
  try {
    ConfigNode value = parse_config("value: " + text, "command line").entries.at(0).value;
    mark_as_command_line(value);
    return value;
  } catch (const UsageError& error) {
    std::string message = error.issues().front().message;
    if (message.starts_with("value: ")) message.erase(0, 7);
    refuse_override(word, message, "the value is read as YAML; the shell may need quotes around the whole word");
  }
}

Override parse_override(const std::string& word) {
  Override out;
  size_t key = 0, equals = word.size();
  if (word.starts_with('~')) {
    out.action = Override::Action::unset, key = 1;
    if (word.find('=') != std::string::npos)
      refuse_override(word, "~KEY takes a key back to its default and has no value");
  } else {
    if (word.starts_with('+')) out.action = Override::Action::append, key = 1;
    equals = word.find('=');
    if (equals == std::string::npos) refuse_override(word, "expected KEY=VALUE, +LIST=ELEMENT or ~KEY");
  }
  out.path = trim(std::string_view(word).substr(key, equals - key));
  out.parts = split(out.path, '.');
  if (std::ranges::find(out.parts, "") != out.parts.end())
    refuse_override(word, "expected a key such as train.batch_size");
  if (out.parts.size() > kMostConfigDepth) refuse_override(word, concat("nested deeper than ", kMostConfigDepth));
  if (find_invalid_utf8(word)) refuse_override(word, "invalid UTF-8");
  if (out.action != Override::Action::unset) out.value = parse_value(word, word.substr(equals + 1));
  return out;
}

bool is_index(const std::string& part) {
  const auto index = parse_integer(part);
  return index && *index >= 0 && part == std::to_string(*index);
}

/// One step down the path; nullptr if the map lacks the key. `done` is the path so far.
ConfigNode* step(ConfigNode& node, const std::string& part, const std::string& done) {
  if (node.is_list()) {
    if (is_index(part) && static_cast<size_t>(*parse_integer(part)) < node.items.size())
      return &node.items[static_cast<size_t>(*parse_integer(part))];
    throw UsageError::command_line(
        concat(escape_for_log(done), " has ", node.items.size(), " elements; there is no element ",
               escape_for_log(part)),
        node.items.empty() ? "append one with +LIST=ELEMENT" : concat("they are 0 to ", node.items.size() - 1));
  }
  if (node.is_scalar())
    throw UsageError::command_line(
        concat(escape_for_log(done), " is ", brief_text(node), ", and has no key ", escape_for_log(part)));
  const auto it = std::ranges::find(node.entries, part, &ConfigNode::Entry::key);
  return it == node.entries.end() ? nullptr : &it->value;
}

ConfigNode& make_key(ConfigNode& node, const std::string& part, const std::string& done) {
  if (is_index(part))
    throw UsageError::command_line(concat(done.empty() ? "the configuration" : escape_for_log(done), " has no element ",
                                          part, ": the list is not written in the configuration"),
                                   "set the whole list: " + (done.empty() ? "KEY" : escape_for_log(done)) + "=[...]");
  if (node.is_null()) node = ConfigNode::make_map(), node.origin = kCommandLine;
  node.entries.push_back({part, kCommandLine, {}});
  node.entries.back().value.origin = kCommandLine;
  return node.entries.back().value;
}

/// The node at the path; with `create`, made as a null where it is missing.
ConfigNode* find_target(ConfigNode& tree, const std::vector<std::string>& parts, bool create, bool& existed) {
  ConfigNode* node = &tree;
  std::string done;
  existed = true;
  for (const std::string& part : parts) {
    ConfigNode* next = step(*node, part, done);
    if (!next && !create) return nullptr;
    if (!next) existed = false, next = &make_key(*node, part, done);
    node = next;
    done += (done.empty() ? "" : ".") + part;
  }
  return node;
}

std::string set_value(ConfigNode& tree, const Override& each) {
  bool existed = false;
  ConfigNode& target = *find_target(tree, each.parts, true, existed);
  const std::string old = brief_text(target), place = to_text(target.origin);
  target = each.value;
  const std::string now = escape_for_log(each.path, 200);
  if (!existed) return concat(now, " (default) -> ", brief_text(each.value));
  target.replaced = concat(old, ", ", place);
  return concat(now, " ", old, " -> ", brief_text(each.value), " (was ", place, ")");
}

// A key that is not written becomes a list of one element; only the schema knows whether it is one of an open map.
std::string append_value(ConfigNode& tree, const Override& each, const std::string& word) {
  bool existed = false;
  ConfigNode& target = *find_target(tree, each.parts, true, existed);
  if (target.is_null())
    target.kind = ConfigNode::Kind::list, target.origin = kCommandLine, target.appended = true;
  else
    target.appended = false;
  if (!target.is_list())
    refuse_override(word, concat(escape_for_log(each.path), " is ", brief_text(target), ", no list"), "use KEY=VALUE");
  target.items.push_back(each.value);
  return concat(escape_for_log(each.path, 200), " + ", brief_text(each.value));
}

std::string unset_value(ConfigNode& tree, const Override& each, const std::string& word) {
  bool existed = false;
  const std::vector<std::string> parents(each.parts.begin(), each.parts.end() - 1);
  ConfigNode* parent = find_target(tree, parents, false, existed);
  const std::string& key = each.parts.back();
  const std::string path = escape_for_log(each.path, 200);
  if (parent && parent->is_list()) refuse_override(word, "an element of a list has no default", "set the whole list");
  const auto it = parent ? std::ranges::find(parent->entries, key, &ConfigNode::Entry::key) : tree.entries.end();
  if (!parent || it == parent->entries.end()) return path + " was not set: it has its default";
  std::string line = concat(path, " ", brief_text(it->value), " -> (default) (was ", to_text(it->value.origin), ")");
  parent->entries.erase(it);
  return line;
}

}  // namespace

std::vector<std::string> apply_overrides(ConfigNode& tree, const std::vector<std::string>& overrides) {
  std::vector<std::string> lines;
  std::set<std::string> seen;
  for (const std::string& word : overrides) {
    const Override each = parse_override(word);
    if (each.action == Override::Action::append) {
      lines.push_back(append_value(tree, each, word));
      continue;
    }
    if (!seen.insert(each.path).second) refuse_override(word, escape_for_log(each.path) + " is given twice");
    lines.push_back(each.action == Override::Action::set ? set_value(tree, each) : unset_value(tree, each, word));
  }
  return lines;
}

}  // namespace diptych

#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace diptych {

/// Where a value was written: 1-based line and column, or a file of "" for a value that no file holds.
struct Origin {
  std::string file;  // "configs/a.yaml", "command line", or "" (default)
  int line = 0, column = 0;
};
/// "configs/a.yaml:14:5", "command line", "default".
std::string to_text(const Origin& origin);

/// One node of a configuration tree, as written: values stay text until options.h converts them.
/// Plain and quoted scalars differ: quoted text is always text.
struct ConfigNode {
  enum class Kind { null, scalar, list, map };
  struct Entry;

  Kind kind = Kind::null;
  std::string text;               // scalar
  bool quoted = false;            // scalar
  std::vector<ConfigNode> items;  // list
  std::vector<Entry> entries;     // map, in the order written
  Origin origin;
  bool appended = false;  // list that a `+key=value` made: one element, or the new key of an open map
  std::string replaced;   // for `config show --origin`: "0.0002, configs/base/a.yaml:7:7" when an override replaced it

  bool is_map() const { return kind == Kind::map; }
  bool is_list() const { return kind == Kind::list; }
  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_null() const { return kind == Kind::null; }
  const ConfigNode* find(std::string_view key) const;  // nullptr if absent or not a map
  /// Node at "objective.0.margin", or nullptr.
  const ConfigNode* at_path(std::string_view path) const;

  static ConfigNode make_map();
};
struct ConfigNode::Entry {
  std::string key;
  Origin key_origin;
  ConfigNode value;
};
inline ConfigNode ConfigNode::make_map() {  // here, where Entry is complete
  ConfigNode node;
  node.kind = Kind::map;
  return node;
}

/// The strict YAML subset of Diptych (one document; no anchors, aliases, tags, merge keys; duplicate keys, tabs,
/// unclosed quotes, depth > 64, > 1 MiB and invalid UTF-8 are refused, all errors at once). throws UsageError.
ConfigNode parse_config(std::string_view yaml, const std::string& file_name);

/// The node as YAML on one line, which parse_config reads back to the same node: "0.1", "[a, \"5\"]", "{type: cmpm}".
std::string to_flow_text(const ConfigNode& node);

struct LoadedConfig {
  ConfigNode tree;
  std::vector<std::filesystem::path> files;  // the file itself first, then its _base_ files in the order read
};
/// Reads `path`, merges its `_base_` files (relative to the including file; maps merge key by key, lists replace,
/// `_delete_: true` drops what the bases put there). `${...}` is left alone. throws UsageError.
LoadedConfig load_config(const std::filesystem::path& path);

/// Applies command-line overrides in order: `a.b=1`, `list.0.key=x`, `+list={...}`, `~a.b`. Values are parsed as YAML.
/// Returns one line per override: "optim.lr 0.0002 -> 0.0003 (was configs/base/a.yaml:7:7)". throws UsageError.
std::vector<std::string> apply_overrides(ConfigNode& tree, const std::vector<std::string>& overrides);

/// Replaces `${a.b}` and `${env:NAME}`; `$${` writes `${`. A value that is one reference keeps its type. throws
/// UsageError.
void interpolate(ConfigNode& tree);

}  // namespace diptych

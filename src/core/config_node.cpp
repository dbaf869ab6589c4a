#include "diptych/core/config_node.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>
#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "diptych/core/options.h"
#include "diptych/core/text.h"

namespace diptych {
namespace fs = std::filesystem;

std::string to_text(const Origin& o) {
  if (o.file.empty()) return o.line ? concat(o.line, ":", o.column) : "default";
  return o.line ? concat(o.file, ":", o.line, ":", o.column) : o.file;
}
const ConfigNode* ConfigNode::find(std::string_view key) const {
  for (const auto& e : entries) if (e.key == key) return &e.value;
  return nullptr;
}
const ConfigNode* ConfigNode::at_path(std::string_view path) const {
  const ConfigNode* node = this;
  for (const auto& part : split(path, '.')) {
    if (!node) return nullptr;
    if (node->is_list()) { const auto i = parse_integer(part); node = i && *i >= 0 && *i < static_cast<int64_t>(node->items.size()) ? &node->items[static_cast<size_t>(*i)] : nullptr; }
    else node = node->find(part);
  }
  return node;
}

namespace {
class Builder : public YAML::EventHandler {
 public:
  Builder(std::string file, Complaints& complaints) : file_(std::move(file)), complaints_(complaints) {}
  ConfigNode root; bool any = false;
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& m, YAML::anchor_t a) override { check(m, "", a); put(node(m, ConfigNode::Kind::null), m); }
  void OnAlias(const YAML::Mark& m, YAML::anchor_t) override { refuse(m); put(node(m, ConfigNode::Kind::null), m); }
  void OnScalar(const YAML::Mark& m, const std::string& tag, YAML::anchor_t a, const std::string& v) override {
    check(m, tag, a);
    ConfigNode n = node(m, ConfigNode::Kind::scalar); n.text = v; n.quoted = tag == "!";
    if (!n.quoted && (v == "~" || v == "null" || v.empty())) n.kind = ConfigNode::Kind::null, n.text.clear();
    put(std::move(n), m);
  }
  void OnSequenceStart(const YAML::Mark& m, const std::string& tag, YAML::anchor_t a, YAML::EmitterStyle::value) override { check(m, tag, a); open(node(m, ConfigNode::Kind::list)); }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& m, const std::string& tag, YAML::anchor_t a, YAML::EmitterStyle::value) override { check(m, tag, a); open(node(m, ConfigNode::Kind::map)); }
  void OnMapEnd() override { close(); }
 private:
  struct Open { ConfigNode node; bool has_key = false; std::string key; Origin key_origin; };
  Origin at(const YAML::Mark& m) const { return {file_, m.line + 1, m.column + 1}; }
  ConfigNode node(const YAML::Mark& m, ConfigNode::Kind k) const { ConfigNode n; n.kind = k; n.origin = at(m); return n; }
  void refuse(const YAML::Mark& m) { complaints_.add(at(m), "anchors and tags are not supported", "share values with _base_ files and ${key} references"); }
  void check(const YAML::Mark& m, const std::string& tag, YAML::anchor_t a) { if (a || (!tag.empty() && tag != "?" && tag != "!")) refuse(m); }
  void open(ConfigNode n) { stack_.push_back({std::move(n), false, "", {}}); }
  void close() { ConfigNode n = std::move(stack_.back().node); stack_.pop_back(); YAML::Mark m; put(std::move(n), m); }
  void put(ConfigNode n, const YAML::Mark&) {
    if (stack_.empty()) { root = std::move(n); any = true; return; }
    Open& top = stack_.back();
    if (top.node.is_list()) { top.node.items.push_back(std::move(n)); return; }
    if (!top.has_key) {
      if (!n.is_scalar()) { complaints_.add(n.origin, "a key must be plain text"); n.text = "?"; }
      if (n.text == "<<" ) complaints_.add(n.origin, "merge keys (<<) are not supported", "share values with _base_ files");
      top.key = n.text, top.key_origin = n.origin, top.has_key = true; return;
    }
    top.has_key = false;
    for (const auto& e : top.node.entries) if (e.key == top.key) { complaints_.add(top.key_origin, concat("duplicate key ", escape_for_log(top.key), "; first given at ", to_text(e.key_origin))); return; }
    top.node.entries.push_back({top.key, top.key_origin, std::move(n)});
  }
  std::string file_; Complaints& complaints_; std::vector<Open> stack_;
};

void require_depth(std::string_view text, const std::string& name) {
  int depth = 0;
  for (char c : text) { if (c == '[' || c == '{') ++depth; if (c == ']' || c == '}') --depth; if (depth > 64) throw UsageError(name, "nested deeper than 64"); }
}
}  // namespace

ConfigNode parse_config(std::string_view yaml, const std::string& name) {
  if (yaml.starts_with("\xef\xbb\xbf")) yaml.remove_prefix(3);
  if (yaml.size() > (1 << 20)) throw UsageError(name, "larger than 1 MiB");
  if (const auto bad = find_invalid_utf8(yaml)) throw UsageError(name, concat("invalid UTF-8 at byte offset ", *bad));
  if (yaml.find('\0') != std::string_view::npos) throw UsageError(name, concat("NUL at byte offset ", yaml.find('\0')));
  require_depth(yaml, name);
  Complaints complaints;
  Builder builder(name, complaints);
  std::istringstream stream{std::string(yaml)};
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder) || !builder.any || builder.root.is_null()) throw UsageError(name, "the file is empty", "a configuration is a mapping of keys to values");
    Builder second(name, complaints);
    if (parser.HandleNextDocument(second)) throw UsageError(name, "one document expected, the file holds several");
  } catch (const YAML::Exception& e) {
    throw UsageError(concat(name, ":", e.mark.line + 1, ":", e.mark.column + 1), escape_for_log(e.msg, 200));
  }
  complaints.throw_if_any();
  return builder.root;
}

namespace {
void merge(ConfigNode& base, const ConfigNode& over) {
  const ConfigNode* del = over.find("_delete_");
  if (!base.is_map() || !over.is_map() || (del && del->text == "true")) { base = over; std::erase_if(base.entries, [](const auto& e) { return e.key == "_delete_"; }); return; }
  base.origin = over.origin;
  for (const auto& e : over.entries) {
    auto it = std::ranges::find(base.entries, e.key, &ConfigNode::Entry::key);
    if (it == base.entries.end()) base.entries.push_back(e);
    else { merge(it->value, e.value); it->key_origin = e.key_origin; }
  }
}
std::string slurp(const fs::path& path) {
  std::error_code ec;
  if (!fs::exists(path, ec)) throw UsageError(path.string(), "No such file");
  if (fs::is_directory(path, ec)) throw UsageError(path.string(), "is a directory, a configuration file is needed");
  if (!fs::is_regular_file(path, ec)) throw UsageError(path.string(), "not a regular file");
  std::ifstream in(path, std::ios::binary);
  if (!in) throw UsageError(path.string(), "Permission denied");
  std::ostringstream s; s << in.rdbuf(); return s.str();
}
ConfigNode load(const fs::path& path, std::vector<fs::path>& files, std::vector<std::string> chain) {
  const std::string id = fs::weakly_canonical(path).string();
  const bool loop = std::ranges::find(chain, id) != chain.end();
  chain.push_back(id);
  if (loop || chain.size() > 16) throw UsageError(path.string(), "_base_ loop: " + join(chain, " -> "));
  files.push_back(path);
  ConfigNode tree = parse_config(slurp(path), path.string());
  if (!tree.is_map()) throw UsageError(path.string(), "expected a mapping of keys to values");
  ConfigNode bases = ConfigNode::make_map();
  if (const ConfigNode* b = tree.find("_base_")) {
    std::vector<ConfigNode> list = b->is_list() ? b->items : std::vector<ConfigNode>{*b};
    for (const auto& item : list) merge(bases, load(path.parent_path() / item.text, files, chain));
  }
  std::erase_if(tree.entries, [](const auto& e) { return e.key == "_base_"; });
  merge(bases, tree);
  return bases;
}
ConfigNode* resolve(ConfigNode& root, const std::string& path, bool create) {
  ConfigNode* node = &root; std::string done;
  for (const auto& part : split(path, '.')) {
    if (node->is_list()) {
      const auto i = parse_integer(part);
      if (!i || *i < 0 || *i >= static_cast<int64_t>(node->items.size())) throw UsageError::command_line(concat(escape_for_log(path), ": ", done, " has ", node->items.size(), " elements, no element '", escape_for_log(part), "'"));
      node = &node->items[static_cast<size_t>(*i)];
    } else {
      auto it = std::ranges::find(node->entries, part, &ConfigNode::Entry::key);
      if (it == node->entries.end()) {
        if (!create) return nullptr;
        if (node->is_null()) node->kind = ConfigNode::Kind::map;
        if (!node->is_map()) throw UsageError::command_line(concat(escape_for_log(path), ": ", done, " is not a map"));
        node->entries.push_back({part, {"command line", 0, 0}, {}}); it = node->entries.end() - 1; it->value.origin.file = "command line";
      }
      node = &it->value;
    }
    done += (done.empty() ? "" : ".") + part;
  }
  return node;
}
void set_origin(ConfigNode& n) { n.origin = {"command line", 0, 0}; for (auto& i : n.items) set_origin(i); for (auto& e : n.entries) e.key_origin = n.origin, set_origin(e.value); }
std::string brief(const ConfigNode& n) { return n.is_scalar() ? n.text : n.is_null() ? "null" : n.is_list() ? "(list)" : "(map)"; }
}  // namespace

LoadedConfig load_config(const fs::path& path) { LoadedConfig out; out.tree = load(path, out.files, {}); return out; }

std::vector<std::string> apply_overrides(ConfigNode& tree, const std::vector<std::string>& overrides) {
  std::vector<std::string> lines; std::set<std::string> seen;
  for (std::string word : overrides) {
    if (word.starts_with("~")) {
      const std::string key = word.substr(1); const auto dot = key.rfind('.');
      ConfigNode* parent = dot == std::string::npos ? &tree : resolve(tree, key.substr(0, dot), false);
      const std::string last = key.substr(dot == std::string::npos ? 0 : dot + 1);
      if (parent) std::erase_if(parent->entries, [&](const auto& e) { return e.key == last; });
      lines.push_back(key + " back to its default"); continue;
    }
    const bool append = word.starts_with("+"); if (append) word.erase(0, 1);
    const auto eq = word.find('=');
    if (eq == std::string::npos || eq == 0) throw UsageError::command_line("'" + escape_for_log(word) + "': expected KEY=VALUE");
    const std::string key = word.substr(0, eq);
    if (eq + 1 == word.size()) throw UsageError::command_line(escape_for_log(key) + "=: has no value", "write KEY=null or KEY='\"\"'");
    ConfigNode value = *parse_config("x: " + word.substr(eq + 1), "command line").find("x");
    set_origin(value);
    if (!append && !seen.insert(key).second) throw UsageError::command_line(escape_for_log(key) + " is given twice");
    ConfigNode* at = resolve(tree, key, true);
    if (append && !at->is_map()) { if (at->is_null()) at->kind = ConfigNode::Kind::list; if (!at->is_list()) throw UsageError::command_line(key + " is not a list"); at->items.push_back(value); lines.push_back(key + " + " + brief(value)); continue; }
    const bool fresh = at->is_null() && at->origin.file == "command line";
    value.replaced = fresh ? "" : concat(brief(*at), ", ", to_text(at->origin));
    lines.push_back(concat(key, " ", fresh ? "(default)" : brief(*at), " -> ", brief(value), fresh ? "" : concat(" (was ", to_text(at->origin), ")")));
    *at = std::move(value);
  }
  return lines;
}

namespace {
void walk(ConfigNode& node, ConfigNode& root, int depth) {
  for (auto& i : node.items) walk(i, root, depth);
  for (auto& e : node.entries) walk(e.value, root, depth);
  if (!node.is_scalar() || node.text.find("${") == std::string::npos) return;
  if (depth > 16) throw UsageError(to_text(node.origin), "references form a cycle");
  std::string out; size_t i = 0; const std::string text = node.text;
  while (i < text.size()) {
    if (text.compare(i, 3, "$${") == 0) { out += "${"; i += 3; continue; }
    if (text.compare(i, 2, "${") != 0) { out += text[i++]; continue; }
    const size_t end = text.find('}', i);
    if (end == std::string::npos) throw UsageError(to_text(node.origin), "a reference ${ is not closed");
    const std::string name = text.substr(i + 2, end - i - 2);
    if (name.starts_with("env:")) {
      const char* v = std::getenv(name.c_str() + 4);
      if (!v) throw UsageError(to_text(node.origin), "the environment variable " + escape_for_log(name.substr(4)) + " is not set", "export " + name.substr(4) + "=...");
      out += v;
    } else {
      const ConfigNode* t = root.at_path(name);
      if (!t) throw UsageError(to_text(node.origin), "${" + escape_for_log(name) + "}: no such key");
      ConfigNode copy = *t; walk(copy, root, depth + 1);
      if (i == 0 && end + 1 == text.size()) { const Origin o = node.origin; node = copy; node.origin = o; return; }
      out += copy.text;
    }
    i = end + 1;
  }
  node.text = out; node.quoted = true;
}
}  // namespace
void interpolate(ConfigNode& tree) { walk(tree, tree, 0); }
}  // namespace diptych

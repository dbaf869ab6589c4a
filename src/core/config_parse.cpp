#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "diptych/core/config_node.h"
#include "diptych/core/options.h"
#include "diptych/core/text.h"
#include "yaml_scan.h"

namespace diptych {
namespace {

/// yaml-cpp's events -> ConfigNode. Text stays text; keys are checked here, where both their lines are known.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, std::string file, Complaints& complaints)
      : text_(text), file_(std::move(file)), complaints_(complaints) {}

  ConfigNode root;
  bool found = false;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse_reference(mark);
    put(make(mark, ConfigNode::Kind::null));
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (anchor != 0) refuse_reference(mark);
    ConfigNode node = make(mark, ConfigNode::Kind::null);
    const bool in_list = !open_.empty() && open_.back().node.is_list();
    const bool is_value = !open_.empty() && open_.back().has_key;
    if (is_value) node.origin = open_.back().key_origin;
    if (!is_written(mark) && (in_list || is_value))
      complaints_.add(node.origin, path_here() + ": has no value",
                      "write `null` if that is meant, `KEY: VALUE` with a space after the colon, or remove the line");
    put(std::move(node));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_tag(mark, tag, anchor);
    ConfigNode node = make(mark, ConfigNode::Kind::scalar);
    node.text = value;
    node.quoted = tag == "!";
    put(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check_tag(mark, tag, anchor);
    open(make(mark, ConfigNode::Kind::list));
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check_tag(mark, tag, anchor);
    open(make(mark, ConfigNode::Kind::map));
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    ConfigNode node;
    std::map<std::string, Origin> keys;  // of a map, where they were given first
    bool has_key = false;
    std::string key;
    Origin key_origin;
  };

  Origin place(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }

  ConfigNode make(const YAML::Mark& mark, ConfigNode::Kind kind) {
    if (++nodes_ > kMostConfigNodes) throw UsageError(file_, concat("more than ", kMostConfigNodes, " values"));
    ConfigNode node;
    node.kind = kind;
    node.origin = place(mark);
    return node;
  }

  // yaml-cpp also makes nulls of keys without a value, and places them at whatever comes next.
  bool is_written(const YAML::Mark& mark) const {
    const std::string_view at = text_.substr(std::min(static_cast<size_t>(std::max(mark.pos, 0)), text_.size()));
    const size_t length = at.starts_with('~') ? 1 : lower_ascii(at.substr(0, 4)) == "null" ? 4 : 0;
    return length > 0 &&
           (at.size() == length || std::string_view(" \t\n,]}").find(at[length]) != std::string_view::npos);
  }

  void refuse_reference(const YAML::Mark& mark) {
    complaints_.add(place(mark), "anchors and tags are not supported", "share values with _base_ files and ${key}");
  }
  void check_tag(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0 || (!tag.empty() && tag != "?" && tag != "!")) refuse_reference(mark);
  }

  // "objective.0.margin": of the value that is being read.
  std::string path_here() const {
    std::string out;
    for (const Open& each : open_) {
      const std::string part = each.node.is_list() ? std::to_string(each.node.items.size()) : each.key;
      out += (out.empty() ? "" : ".") + part;
    }
    return escape_for_log(out, 200);
  }

  void open(ConfigNode node) { open_.emplace_back().node = std::move(node); }
  void close() {
    ConfigNode node = std::move(open_.back().node);
    open_.pop_back();
    put(std::move(node));
  }

  void put(ConfigNode node) {
    if (open_.empty()) {
      root = std::move(node);
      found = true;
    } else if (Open& top = open_.back(); top.node.is_list()) {
      top.node.items.push_back(std::move(node));
    } else if (!top.has_key) {
      take_key(top, node);
    } else {
      top.has_key = false;
      if (top.keys.emplace(top.key, top.key_origin).second)
        top.node.entries.push_back({top.key, top.key_origin, std::move(node)});
    }
  }

  void take_key(Open& top, const ConfigNode& node) {
    if (!node.is_scalar()) complaints_.add(node.origin, "a key must be plain text");
    if (node.text == "<<" && !node.quoted)
      complaints_.add(node.origin, "merge keys (<<) are not supported", "share values with _base_ files and ${key}");
    top.key = node.text, top.key_origin = node.origin, top.has_key = true;
    if (const auto first = top.keys.find(top.key); first != top.keys.end())
      complaints_.add(node.origin,
                      concat(path_here(), ": duplicate key; it was given first at ", to_text(first->second)),
                      "keep one of the two");
  }

  std::string_view text_;
  std::string file_;
  Complaints& complaints_;
  std::vector<Open> open_;
  size_t nodes_ = 0;
};

std::string hint_for_syntax(std::string_view message) {
  if (message.find("flow") != std::string_view::npos || message.find("end of map") != std::string_view::npos)
    return "inside [...] and {...}, put values with ${...}, braces or commas in quotes";
  return "check the indentation, and put text that holds ': ' or ' #' in quotes";
}

ConfigNode build(const std::string& text, const std::string& file, Complaints& complaints) {
  TreeBuilder builder(text, file, complaints);
  std::istringstream stream(text);
  try {
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    TreeBuilder rest(text, file, complaints);
    if (builder.found && parser.HandleNextDocument(rest))
      complaints.add(rest.root.origin, "one document expected; another one begins here",
                     "write a space after the colon of a key");
  } catch (const YAML::Exception& error) {
    const int line = std::max(error.mark.line, 0) + 1, column = std::max(error.mark.column, 0) + 1;
    complaints.add({file, line, column}, "not valid YAML: " + escape_for_log(error.msg, 200),
                   hint_for_syntax(error.msg));
  }
  return std::move(builder.root);
}

}  // namespace

ConfigNode parse_config(std::string_view yaml, const std::string& file_name) {
  if (yaml.starts_with("\xef\xbb\xbf")) yaml.remove_prefix(3);
  check_encoding(yaml, file_name);
  std::string text(yaml);
  std::erase(text, '\r');
  Complaints complaints;
  check_yaml_text(text, file_name, complaints);
  complaints.throw_if_any();
  ConfigNode root = build(text, file_name, complaints);
  complaints.throw_if_any();
  if (root.is_null()) throw UsageError(file_name, "empty: expected a mapping of keys to values");
  return root;
}

}  // namespace diptych

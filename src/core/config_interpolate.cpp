#include <algorithm>
#include <cstdlib>

#include "config_text.h"
#include "diptych/core/config_node.h"
#include "diptych/core/options.h"
#include "diptych/core/text.h"
#include "yaml_scan.h"

namespace diptych {
namespace {

constexpr size_t kLongestChain = 32;

void list_paths(const ConfigNode& node, const std::string& path, std::vector<std::string>& out) {
  if (!path.empty()) out.push_back(path);
  for (size_t i = 0; i < node.items.size(); ++i) list_paths(node.items[i], concat(path, ".", i), out);
  for (const auto& entry : node.entries)
    list_paths(entry.value, path.empty() ? entry.key : path + "." + entry.key, out);
}

/// Replaces references in a tree by what they name in the tree as it was written, so that nothing is expanded twice.
class Interpolator {
 public:
  Interpolator(const ConfigNode& original, Complaints& complaints) : original_(original), complaints_(complaints) {}

  void expand(ConfigNode& node, const std::string& path) {
    spend(node, 1);
    for (size_t i = 0; i < node.items.size(); ++i) expand(node.items[i], concat(path, ".", i));
    for (auto& entry : node.entries) {
      expand(entry.value, path.empty() ? entry.key : path + "." + entry.key);
      unescape(entry.key);
    }
    if (!node.is_scalar() || node.text.find("${") == std::string::npos) return;
    const bool entered = chain_.empty() || chain_.back() != path;
    if (entered) chain_.push_back(path);
    expand_scalar(node);
    if (entered) chain_.pop_back();
  }

 private:
  // References to references can grow without bound from a short file.
  void spend(const ConfigNode& node, size_t amount) {
    spent_ += amount;
    if (spent_ > kMostConfigNodes)
      throw UsageError(to_text(node.origin),
                       concat("the references expand to more than ", kMostConfigNodes, " values"));
  }

  void expand_scalar(ConfigNode& node) {
    const ConfigNode written = node;
    std::string_view rest = written.text;
    const bool whole = rest.starts_with("${") && rest.find('}') + 1 == rest.size();
    if (whole) {
      node = value_of(rest.substr(2, rest.size() - 3), written);
      node.origin = written.origin;
      node.replaced = written.replaced;
      return;
    }
    node.text.clear();
    while (!rest.empty()) {
      const size_t dollar = std::min(rest.find('$'), rest.size());
      node.text += rest.substr(0, dollar);
      rest.remove_prefix(dollar);
      if (rest.starts_with("$${"))
        take(rest, 3), node.text += "${";
      else if (rest.starts_with("${"))
        append_reference(node, rest, written);
      else if (!rest.empty())
        node.text += take(rest, 1);
    }
    if (node.text.size() > kMostConfigBytes)
      throw UsageError(to_text(node.origin), "the references expand to more than 1 MiB");
  }

  // Keys hold no references, but to_yaml() escapes them as it does all text.
  static void unescape(std::string& key) {
    for (size_t at = key.find("$${"); at != std::string::npos; at = key.find("$${", at + 1)) key.erase(at, 1);
  }

  static std::string_view take(std::string_view& rest, size_t count) {
    const std::string_view out = rest.substr(0, count);
    rest.remove_prefix(count);
    return out;
  }

  void append_reference(ConfigNode& node, std::string_view& rest, const ConfigNode& written) {
    const size_t end = rest.find('}');
    if (end == std::string_view::npos) {
      complaints_.add(written.origin, brief_text(written) + ": the reference ${ is not closed",
                      "write $${ for the text ${");
      rest = {};
      return;
    }
    const std::string_view name = take(rest, end + 1).substr(2, end - 2);
    const ConfigNode value = value_of(name, written);
    if (!value.is_scalar())
      complaints_.add(written.origin,
                      concat("${", escape_for_log(name), "} is ", brief_text(value), " and cannot stand inside text"));
    node.text += value.text;
    node.quoted = true;  // from here on it is text
  }

  ConfigNode value_of(std::string_view name, const ConfigNode& written) {
    spend(written, 1);
    if (name.starts_with("env:")) return environment(std::string(name.substr(4)), written);
    const std::string path(name);
    if (std::ranges::find(chain_, path) != chain_.end() || chain_.size() > kLongestChain) {
      complaints_.add(written.origin,
                      "references form a cycle: " + escape_for_log(join(chain_, " -> ") + " -> " + path, 300));
      return stand_in(written);
    }
    const ConfigNode* target = path.empty() ? nullptr : original_.at_path(path);
    if (!target) {
      std::vector<std::string> paths;
      list_paths(original_, "", paths);
      const auto near = suggestions(path, paths);
      complaints_.add(written.origin, concat("${", escape_for_log(path), "}: the configuration sets no such key"),
                      near.empty() ? "" : "did you mean: " + join(near, ", "));
      return stand_in(written);
    }
    ConfigNode value = *target;
    chain_.push_back(path);
    expand(value, path);
    chain_.pop_back();
    return value;
  }

  ConfigNode environment(const std::string& name, const ConfigNode& written) {
    const char* value = std::getenv(name.c_str());
    const std::string shown = escape_for_log(name);
    if (!value)
      complaints_.add(written.origin, concat("${env:", shown, "}: the environment variable ", shown, " is not set"),
                      "export " + shown + "=...");
    else if (find_invalid_utf8(value))
      complaints_.add(written.origin, concat("${env:", shown, "}: invalid UTF-8"));
    ConfigNode out = stand_in(written);
    if (value) out.text = value;
    return out;
  }

  // A value for what could not be resolved, after the complaint.
  static ConfigNode stand_in(const ConfigNode& written) {
    ConfigNode out;
    out.kind = ConfigNode::Kind::scalar;
    out.origin = written.origin;
    return out;
  }

  const ConfigNode& original_;
  Complaints& complaints_;
  std::vector<std::string> chain_;  // paths being expanded
  size_t spent_ = 0;
};

}  // namespace

void interpolate(ConfigNode& tree) {
  const ConfigNode original = tree;
  Complaints complaints;
  Interpolator(original, complaints).expand(tree, "");
  complaints.throw_if_any();
}

}  // namespace diptych

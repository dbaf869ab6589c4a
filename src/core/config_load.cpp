#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "diptych/core/config_node.h"
#include "diptych/core/options.h"
#include "diptych/core/text.h"
#include "yaml_scan.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

constexpr size_t kDeepestChain = 16, kMostFiles = 256;

std::string shown(const fs::path& path) { return escape_for_log(path.string(), 300); }

/// Reads a regular file of at most 1 MiB. `where` is the place that names it.
std::string read_config_file(const fs::path& path, const std::string& where) {
  const auto refuse = [&](std::string_view why) { throw UsageError(where, concat(shown(path), ": ", why)); };
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) refuse(std::strerror(errno));
  if (S_ISDIR(status.st_mode)) refuse("is a directory; a configuration file is needed");
  if (!S_ISREG(status.st_mode)) refuse("not a regular file");
  std::ifstream file(path, std::ios::binary);
  if (!file) refuse(std::strerror(errno));
  std::string bytes(kMostConfigBytes + 8, '\0');  // check_encoding refuses more than the limit (and a byte order mark)
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (file.bad()) refuse("cannot be read");
  bytes.resize(static_cast<size_t>(file.gcount()));
  return bytes;
}

ConfigNode* child(ConfigNode& map, std::string_view key) {
  const auto it = std::ranges::find(map.entries, key, &ConfigNode::Entry::key);
  return it == map.entries.end() ? nullptr : &it->value;
}

void erase_key(ConfigNode& map, std::string_view key) {
  std::erase_if(map.entries, [&](const auto& entry) { return entry.key == key; });
}

/// Takes `_delete_` out of a tree; true if the map itself asked for deletion.
bool take_delete(ConfigNode& map, Complaints& complaints) {
  const ConfigNode* mark = map.find("_delete_");
  if (!mark) return false;
  if (mark->quoted || (mark->text != "true" && mark->text != "false"))
    complaints.add(mark->origin, "_delete_: expected true or false");
  const bool deletes = mark->text == "true";
  erase_key(map, "_delete_");
  return deletes;
}

void strip_deletes(ConfigNode& node, Complaints& complaints) {
  if (node.is_map()) take_delete(node, complaints);
  for (auto& entry : node.entries) strip_deletes(entry.value, complaints);
}

/// Lays `over` on `base`: maps merge key by key, everything else replaces.
void merge(ConfigNode& base, ConfigNode over, Complaints& complaints) {
  const bool replaces = over.is_map() && take_delete(over, complaints);
  if (!base.is_map() || !over.is_map() || replaces) {
    strip_deletes(over, complaints);
    base = std::move(over);
    return;
  }
  base.origin = over.origin;
  for (auto& entry : over.entries) {
    if (ConfigNode* below = child(base, entry.key)) {
      merge(*below, std::move(entry.value), complaints);
      std::ranges::find(base.entries, entry.key, &ConfigNode::Entry::key)->key_origin = entry.key_origin;
    } else {
      strip_deletes(entry.value, complaints);
      base.entries.push_back(std::move(entry));
    }
  }
}

bool same_place(const Origin& a, const Origin& b) {
  return a.file == b.file && a.line == b.line && a.column == b.column;
}

/// Two bases of one file must not set the same leaf, or their order would decide silently. A leaf that both inherit
/// from one common base has one place, and is no conflict.
void complain_conflicts(const ConfigNode& a, const ConfigNode& b, const std::string& path, Complaints& complaints) {
  for (const auto& entry : b.entries) {
    const ConfigNode* other = a.find(entry.key);
    if (!other) continue;
    const std::string at = path.empty() ? entry.key : path + "." + entry.key;
    if (other->is_map() && entry.value.is_map())
      complain_conflicts(*other, entry.value, at, complaints);
    else if (!same_place(other->origin, entry.value.origin))
      complaints.add(
          entry.value.origin,
          concat(escape_for_log(at, 200), " is set by two _base_ files, here and at ", to_text(other->origin)),
          "let one of them be the _base_ of the other, or remove one");
  }
}

class ConfigLoader {
 public:
  std::vector<fs::path> files;

  ConfigNode load(const fs::path& path, const std::string& where) {
    enter(path, where);
    ConfigNode tree = parse_config(read_config_file(path, where), shown(path));
    if (!tree.is_map()) throw UsageError(to_text(tree.origin), "expected a mapping of keys to values");
    Complaints complaints;
    ConfigNode out = load_bases(tree, path.parent_path(), complaints);
    erase_key(tree, "_base_");
    merge(out, std::move(tree), complaints);
    complaints.throw_if_any();
    chain_.pop_back();
    return out;
  }

 private:
  void enter(const fs::path& path, const std::string& where) {
    std::error_code ignored;
    const std::string id = fs::weakly_canonical(path, ignored).string();
    const bool loops = std::ranges::find(chain_, id, &Link::id) != chain_.end();
    chain_.push_back({id, shown(path)});
    if (loops || chain_.size() > kDeepestChain) {
      std::string text;
      for (const Link& link : chain_) text += (text.empty() ? "" : " -> ") + link.name;
      throw UsageError(where,
                       concat(loops ? "_base_ files form a loop: " : "_base_ files nest deeper than 16: ", text));
    }
    if (++loads_ > kMostFiles) throw UsageError(where, concat("more than ", kMostFiles, " _base_ files"));
    if (std::ranges::find(files, path) == files.end()) files.push_back(path);
  }

  ConfigNode load_bases(const ConfigNode& tree, const fs::path& folder, Complaints& complaints) {
    ConfigNode out = ConfigNode::make_map();
    out.origin = tree.origin;
    const ConfigNode* base = tree.find("_base_");
    if (!base) return out;
    for (const ConfigNode& item : base->is_list() ? base->items : std::vector<ConfigNode>{*base}) {
      if (!item.is_scalar()) {
        complaints.add(item.origin, "_base_: expected a path or a list of paths");
        continue;
      }
      ConfigNode each = load(base_path(item.text, folder), to_text(item.origin));
      complain_conflicts(out, each, "", complaints);
      merge(out, std::move(each), complaints);
    }
    return out;
  }

  static fs::path base_path(const std::string& text, const fs::path& folder) {
    const char* home = std::getenv("HOME");
    if (home && text.starts_with("~/")) return fs::path(home) / text.substr(2);
    return (folder / text).lexically_normal();
  }

  struct Link {
    std::string id, name;
  };
  std::vector<Link> chain_;
  size_t loads_ = 0;
};

}  // namespace

LoadedConfig load_config(const fs::path& path) {
  ConfigLoader loader;
  LoadedConfig out;
  out.tree = loader.load(path, "command line");
  out.files = std::move(loader.files);
  return out;
}

}  // namespace diptych

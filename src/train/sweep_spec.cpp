#include <algorithm>
#include <cctype>
#include <set>

#include "diptych/core/config_flow.h"
#include "diptych/core/text.h"
#include "diptych/train/sweep.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;
constexpr int64_t kLongestRange = 10000;
constexpr size_t kLongestName = 100;

/// A value as a table shows it: text without quotes, everything else as YAML.
std::string label_of(const ConfigNode& node) { return node.is_scalar() ? node.text : to_flow_text(node); }

bool check_map(const ConfigNode& node, const std::string& path, std::string_view expected, Complaints& complaints) {
  if (node.is_map()) return true;
  detail::complain_kind(node, path, expected, complaints);
  return false;
}

std::string list_text(const std::vector<std::string>& items) { return "[" + join(items, ", ") + "]"; }

std::string map_text(const std::vector<SweepAssignment>& assignments) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : assignments) parts.push_back(detail::scalar_text(key) + ": " + value);
  return "{" + join(parts, ", ") + "}";
}

/// "1..3" -> 1, 2, 3; nothing for anything else.
std::vector<int64_t> integer_range(const std::string& text) {
  const size_t dots = text.find("..");
  if (dots == std::string::npos) return {};
  const auto first = parse_integer(std::string_view(text).substr(0, dots));
  const auto last = parse_integer(std::string_view(text).substr(dots + 2));
  if (!first || !last || *first > *last || *last - *first >= kLongestRange) return {};
  std::vector<int64_t> out;
  for (int64_t i = *first; i <= *last; ++i) out.push_back(i);
  return out;
}

[[noreturn]] void refuse_word(const std::string& word, const std::string& why) {
  throw UsageError::command_line(concat("-m '", escape_for_log(word), "': ", why),
                                 "-m KEY=A,B or -m KEY=1..3; the shell may need quotes around the whole word");
}

ConfigNode values_of(const std::string& word, const std::string& text) {
  try {
    return parse_config("values: [" + text + "]", "-m").entries.at(0).value;
  } catch (const UsageError& error) {
    refuse_word(word, error.issues().front().message);
  }
}

}  // namespace

void SweepSet::read(const ConfigNode& node, const std::string& path, Complaints& complaints) {
  assignments.clear();
  if (!check_map(node, path, "a map, {KEY: VALUE}", complaints)) return;
  for (const auto& entry : node.entries) assignments.emplace_back(entry.key, to_flow_text(entry.value));
}

void SweepGrid::read(const ConfigNode& node, const std::string& path, Complaints& complaints) {
  axes.clear();
  if (!check_map(node, path, "a map, {KEY: [VALUE, ...]}", complaints)) return;
  for (const auto& entry : node.entries) {
    if (!entry.value.is_list() || entry.value.items.empty()) {
      detail::complain_kind(entry.value, path + "." + entry.key, "a list of at least one value", complaints);
      continue;
    }
    Axis axis{entry.key, {}, {}};
    for (const ConfigNode& value : entry.value.items) {
      axis.values.push_back(to_flow_text(value));
      axis.labels.push_back(label_of(value));
    }
    axes.push_back(std::move(axis));
  }
}

void SweepList::read(const ConfigNode& node, const std::string& path, Complaints& complaints) {
  items.clear();
  if (!node.is_list()) return detail::complain_kind(node, path, "a list of maps, [{KEY: VALUE}, ...]", complaints);
  for (size_t i = 0; i < node.items.size(); ++i) {
    if (!check_map(node.items[i], concat(path, ".", i), "a map, {label: TEXT, KEY: VALUE}", complaints)) continue;
    Item item;
    for (const auto& entry : node.items[i].entries) {
      if (entry.key == "label") {
        detail::convert(entry.value, concat(path, ".", i, ".label"), {}, item.label, complaints);
        continue;
      }
      item.assignments.emplace_back(entry.key, to_flow_text(entry.value));
      item.labels.push_back(label_of(entry.value));
    }
    items.push_back(std::move(item));
  }
}

void SweepSpec::validate(const std::string&, const Origin& origin, Complaints& complaints) const {
  std::set<std::string> keys;
  const auto take = [&](const std::string& key, const std::string& where) {
    if (!keys.insert(key).second)
      complaints.add(origin, concat(where, ": ", escape_for_log(key), " is already set elsewhere in the sweep"),
                     "a key stands in one of set, grid, list and seeds");
  };
  if (!seeds.empty()) take("seed", "seeds");
  for (const auto& [key, value] : set.assignments) take(key, "set");
  for (const SweepGrid::Axis& axis : grid.axes) take(axis.key, "grid");
  std::set<std::string> of_list;
  for (const SweepList::Item& item : choices.items)
    for (const auto& [key, value] : item.assignments) of_list.insert(key);
  for (const std::string& key : of_list) take(key, "list");
  if (select != "auto" && keys.contains("evaluate.select"))
    complaints.add(origin, "select: evaluate.select is set elsewhere in the sweep", "give one of the two");
  if (select.starts_with("test/"))
    complaints.add(origin, concat("select = \"", escape_for_log(select), "\": nothing is selected on the test split"),
                   "use val/" + select.substr(5));
  std::set<int64_t> unique(seeds.begin(), seeds.end());
  if (unique.size() != seeds.size()) complaints.add(origin, "seeds: a seed is given twice");
  const auto name_is_safe = [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '_' || c == '-'; };
  if (name.empty() || name.size() > kLongestName || name.front() == '.' || !std::ranges::all_of(name, name_is_safe))
    complaints.add(origin,
                   concat("name = \"", escape_for_log(name), "\": expected at most ", kLongestName,
                          " letters, digits, '.', '_' and '-', not beginning with '.'"),
                   "it names a directory; without name: it is that of the file");
}

SweepSpec read_sweep_spec(const fs::path& file) {
  const LoadedConfig loaded = load_config(file);
  SweepSpec spec;
  spec.name = file.stem().string();
  spec = read_options(loaded.tree, std::move(spec));
  spec.file = file;
  if (fs::path(spec.base).is_relative() && !spec.base.starts_with("~/"))
    spec.base = (file.parent_path() / spec.base).lexically_normal().string();
  return spec;
}

SweepSpec sweep_spec_of_words(const fs::path& base, const std::vector<std::string>& words) {
  SweepSpec spec;
  spec.base = base.string();
  spec.name = base.stem().string();
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == word.size())
      refuse_word(word, "expected KEY=VALUE,VALUE");
    SweepGrid::Axis axis{word.substr(0, equals), {}, {}};
    const ConfigNode values = values_of(word, word.substr(equals + 1));
    for (const ConfigNode& value : values.items) {
      const auto range = value.quoted ? std::vector<int64_t>{} : integer_range(value.text);
      for (const int64_t each : range)
        axis.values.push_back(number_text(each)), axis.labels.push_back(number_text(each));
      if (!range.empty()) continue;
      axis.values.push_back(to_flow_text(value));
      axis.labels.push_back(label_of(value));
    }
    if (axis.key != "seed") {
      spec.grid.axes.push_back(std::move(axis));
      continue;
    }
    for (const std::string& text : axis.values) {
      const auto seed = parse_integer(text);
      if (!seed || *seed < 0) refuse_word(word, "a seed is an integer of at least 0");
      spec.seeds.push_back(*seed);
    }
  }
  Complaints complaints;
  spec.validate("", {"command line", 0, 0}, complaints);
  complaints.throw_if_any();
  return spec;
}

std::string to_yaml(const SweepSpec& spec) {
  std::string out =
      concat("base: ", detail::scalar_text(fs::absolute(spec.base).lexically_normal().string()),
             "\nname: ", detail::scalar_text(spec.name), "\nset: ", map_text(spec.set.assignments), "\ngrid:");
  if (spec.grid.axes.empty()) out += " {}";
  for (const SweepGrid::Axis& axis : spec.grid.axes)
    out += concat("\n  ", detail::scalar_text(axis.key), ": ", list_text(axis.values));
  out += "\nlist:";
  if (spec.choices.items.empty()) out += " []";
  for (const SweepList::Item& item : spec.choices.items) {
    std::vector<SweepAssignment> all = item.assignments;
    if (!item.label.empty()) all.insert(all.begin(), {"label", detail::scalar_text(item.label)});
    out += "\n  - " + map_text(all);
  }
  return out + concat("\nseeds: ", detail::value_text(spec.seeds), "\nselect: ", detail::scalar_text(spec.select),
                      "\nreport: ", detail::value_text(spec.report), "\njobs: ", spec.jobs, "\n");
}

}  // namespace diptych

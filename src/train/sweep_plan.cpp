#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "diptych/core/config_flow.h"
#include "diptych/core/io/hash.h"
#include "diptych/core/text.h"
#include "diptych/train/sweep.h"

namespace diptych {
namespace {

constexpr size_t kMostPoints = 10000;

/// One setting before its seeds: what it assigns, and how a table shows it.
struct Setting {
  std::vector<SweepAssignment> assignments;
  std::vector<std::string> labels;
};

/// Columns of the list: its labels if there are any, otherwise its keys in the order of appearance.
std::vector<std::string> list_keys(const SweepList& list) {
  std::vector<std::string> keys;
  for (const SweepList::Item& item : list.items) {
    if (!item.label.empty()) return {"setting"};
    for (const auto& [key, value] : item.assignments)
      if (std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
  }
  return keys;
}

std::vector<std::string> list_labels(const SweepList::Item& item, const std::vector<std::string>& keys) {
  if (keys == std::vector<std::string>{"setting"}) {
    std::vector<std::string> parts;
    for (size_t i = 0; i < item.labels.size(); ++i) parts.push_back(item.assignments[i].first + "=" + item.labels[i]);
    return {item.label.empty() ? join(parts, ", ") : item.label};
  }
  std::vector<std::string> out;
  for (const std::string& key : keys) {
    const auto it = std::ranges::find(item.assignments, key, &SweepAssignment::first);
    out.push_back(it == item.assignments.end() ? "" : item.labels[static_cast<size_t>(it - item.assignments.begin())]);
  }
  return out;
}

/// grid x list, the list innermost.
std::vector<Setting> expand(const SweepSpec& spec) {
  std::vector<Setting> settings(1);
  const auto cross = [&](size_t count, const auto& extend) {
    std::vector<Setting> next;
    if (settings.size() * count > kMostPoints)
      throw UsageError(spec.file.string(), concat("the sweep has more than ", kMostPoints, " settings"));
    for (const Setting& setting : settings)
      for (size_t i = 0; i < count; ++i) extend(next.emplace_back(setting), i);
    settings = std::move(next);
  };
  for (const SweepGrid::Axis& axis : spec.grid.axes)
    cross(axis.values.size(), [&](Setting& setting, size_t i) {
      setting.assignments.emplace_back(axis.key, axis.values[i]);
      setting.labels.push_back(axis.labels[i]);
    });
  const auto keys = list_keys(spec.choices);
  if (!spec.choices.items.empty())
    cross(spec.choices.items.size(), [&](Setting& setting, size_t i) {
      const SweepList::Item& item = spec.choices.items[i];
      setting.assignments.insert(setting.assignments.end(), item.assignments.begin(), item.assignments.end());
      const auto labels = list_labels(item, keys);
      setting.labels.insert(setting.labels.end(), labels.begin(), labels.end());
    });
  return settings;
}

std::string word(const SweepAssignment& assignment) { return assignment.first + "=" + assignment.second; }

/// What a job computes: the configuration hash and, of the keys that it leaves out (class free, paths), those that the
/// sweep itself sets, and the lengths of the stages.
std::string identity(const std::vector<Row>& rows, const std::set<std::string>& mentioned) {
  const auto is_mentioned = [&](const std::string& path) {
    return std::ranges::any_of(mentioned, [&](const std::string& key) {
      return path == key || path.starts_with(key + ".") || key.starts_with(path + ".");
    });
  };
  std::string text = config_hash(rows) + "\n";
  for (const Row& row : rows) {
    if (row.is_section || !(row.field.resume == Resume::free || row.field.path)) continue;
    const bool is_length = row.path.starts_with("train.stages.") && row.path.ends_with(".epochs");
    if (is_length || row.path == "evaluate.final" || is_mentioned(row.path)) text += row.path + "=" + row.value + "\n";
  }
  return sha256(text);
}

/// What all points together complain about, each thing once, with the point it was first seen at.
class PointComplaints {
 public:
  explicit PointComplaints(std::string file) : file_(std::move(file)) {}
  void add(const SweepPoint& point, const UsageError& error) {
    for (Issue issue : error.issues()) {
      const std::string key = issue.where + issue.message;
      if (!seen_.insert(key).second || issues_.size() >= 50) continue;
      const std::string at = concat(file_.empty() ? "sweep" : file_, ", job ", point.number, " (", point.text, ")");
      issue.where = issue.where.empty() || issue.where == "command line" ? at : issue.where + " in " + at;
      issues_.push_back(std::move(issue));
    }
  }
  void throw_if_any() const {
    if (!issues_.empty()) throw UsageError(issues_);
  }

 private:
  std::string file_;
  std::set<std::string> seen_;
  std::vector<Issue> issues_;
};

void check_distinct(const SweepPlan& plan) {
  std::map<std::string, const SweepPoint*> by_hash;
  for (const SweepPoint& point : plan.points) {
    const auto [it, is_new] = by_hash.emplace(point.hash.substr(0, 8), &point);
    if (!is_new)
      throw UsageError(plan.spec.file.string(),
                       concat("jobs ", it->second->number, " (", escape_for_log(it->second->text, 300), ") and ",
                              point.number, " (", escape_for_log(point.text, 300), ") would compute the same"),
                       "drop one of the two: each setting is repeated with every seed already");
  }
}

/// Overrides of the command line; those of a key that the sweep sets for all jobs replace it.
std::vector<SweepAssignment> merged(const SweepSpec& spec, const std::vector<std::string>& overrides,
                                    const std::set<std::string>& varied) {
  std::vector<SweepAssignment> out = spec.set.assignments;
  if (spec.select != "auto") out.emplace_back("evaluate.select", spec.select);
  for (const std::string& each : overrides) {
    const size_t equals = each.find('=');
    if (equals == std::string::npos || each.front() == '+' || each.front() == '~')
      throw UsageError::command_line("'" + escape_for_log(each) + "': a sweep takes KEY=VALUE only",
                                     "write the change into a recipe and name it as base");
    const std::string key(trim(std::string_view(each).substr(0, equals)));
    if (varied.contains(key))
      throw UsageError::command_line(escape_for_log(key) + " is what the sweep varies",
                                     "change the specification, or override another key");
    const auto it = std::ranges::find(out, key, &SweepAssignment::first);
    if (it == out.end())
      out.emplace_back(key, each.substr(equals + 1));
    else
      it->second = each.substr(equals + 1);
  }
  return out;
}

/// The specification with the overrides in it, so that sweep.yaml alone names the same jobs again. `shared` is valid.
SweepSpec with_overrides(SweepSpec spec, const std::vector<SweepAssignment>& shared) {
  spec.set.assignments.clear();
  for (const auto& [key, value] : shared) {
    const ConfigNode node = parse_config("value: " + value, "command line").entries.at(0).value;
    if (key == "evaluate.select" && spec.select != "auto")
      spec.select = node.text;
    else
      spec.set.assignments.emplace_back(key, to_flow_text(node));
  }
  return spec;
}

/// What the sweep compares by: the same in all points. `is_first`: no earlier point was valid.
void take_measure(SweepPlan& plan, const Experiment& experiment, bool is_first) {
  const std::string metric = experiment.selection_metric(), final_split = experiment.evaluate.final_split;
  const std::string selection = metric.empty() ? "" : "val/" + metric;
  const std::string own = final_split == "none" ? "" : experiment.evaluate.protocol.type();
  if (!is_first && (selection != plan.selection || own != plan.own_protocol || final_split != plan.split))
    throw UsageError("", "evaluate.protocol, evaluate.select and evaluate.final must be the same in all jobs",
                     "one sweep makes one comparison: write a sweep for each");
  plan.selection = selection, plan.own_protocol = own, plan.split = final_split;
}

}  // namespace

std::string SweepPoint::name() const {
  const std::string digits = std::to_string(number);
  return std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits + "-" + hash.substr(0, 8);
}

SweepPlan plan_sweep(const Catalog& catalog, const SweepSpec& spec, const std::vector<std::string>& overrides) {
  SweepPlan plan;
  plan.spec = spec;
  for (const SweepGrid::Axis& axis : spec.grid.axes) plan.keys.push_back(axis.key);
  const auto of_list = list_keys(spec.choices);
  plan.keys.insert(plan.keys.end(), of_list.begin(), of_list.end());

  std::set<std::string> varied;
  for (const SweepGrid::Axis& axis : spec.grid.axes) varied.insert(axis.key);
  for (const SweepList::Item& item : spec.choices.items)
    for (const auto& [key, value] : item.assignments) varied.insert(key);
  if (!spec.seeds.empty()) varied.insert("seed");
  const auto shared = merged(spec, overrides, varied);
  std::set<std::string> mentioned = varied;
  for (const auto& [key, value] : shared) mentioned.insert(key);

  PointComplaints complaints(spec.file.string());
  bool is_first = true;
  for (const Setting& setting : expand(spec)) {
    for (size_t i = 0; i < std::max<size_t>(spec.seeds.size(), 1); ++i) {
      SweepPoint point;
      point.number = plan.points.size() + 1;
      point.setting = plan.settings.size();
      for (const SweepAssignment& each : shared) point.overrides.push_back(word(each));
      std::vector<std::string> shown;
      for (const SweepAssignment& each : setting.assignments) shown.push_back(word(each));
      if (!spec.seeds.empty()) shown.push_back(concat("seed=", spec.seeds[i]));
      point.overrides.insert(point.overrides.end(), shown.begin(), shown.end());
      point.text = join(shown, " ");
      try {
        const Experiment experiment = read_experiment(catalog, load_experiment_source(spec.base, point.overrides).tree);
        point.seed = experiment.seed;
        point.threads = experiment.threads;
        point.hash = identity(rows_of(experiment), mentioned);
        take_measure(plan, experiment, std::exchange(is_first, false));
      } catch (const UsageError& error) {
        complaints.add(point, error);
      }
      plan.points.push_back(std::move(point));
    }
    plan.settings.push_back(setting.labels);
  }
  complaints.throw_if_any();
  plan.spec = with_overrides(spec, shared);
  for (const std::string& name : spec.report)
    if (!catalog.protocols.find(name))
      throw UsageError(spec.file.string(), "report: no protocol called '" + escape_for_log(name) + "'",
                       did_you_mean(name, catalog.protocols.names()));
  plan.protocols = spec.report;
  if (plan.protocols.empty() && !plan.own_protocol.empty()) plan.protocols = {plan.own_protocol};
  check_distinct(plan);
  return plan;
}

}  // namespace diptych

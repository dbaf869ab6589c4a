#include "diptych/report/aggregate.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "diptych/core/text.h"
#include "diptych/eval/result_json.h"

namespace diptych {
namespace {

constexpr int64_t kSweepVersion = 1;

const ProtocolResult* result_of(const SweepJob& job, const std::string& protocol) {
  const auto it = std::ranges::find(job.evaluated, protocol, &ProtocolResult::protocol);
  return it == job.evaluated.end() ? nullptr : &*it;
}

std::optional<double> value_of(const SweepJob& job, const std::string& protocol, const std::string& metric) {
  const ProtocolResult* result = job.state == "finished" ? result_of(job, protocol) : nullptr;
  const Metric* found = result ? result->find(metric) : nullptr;
  if (!found || !found->available) return {};
  return found->value;
}

std::optional<double> selection_of(const SweepJob& job) {
  return job.state == "finished" ? job.selection : std::nullopt;
}

/// Values of the finished jobs of one setting, in the order of the jobs.
template <class F>
MeanStd over_jobs(const SweepResults& results, size_t setting, F value) {
  std::vector<double> values;
  for (const SweepJob& job : results.jobs)
    if (job.setting == setting)
      if (const std::optional<double> one = value(job)) values.push_back(*one);
  return mean_std(values);
}

std::vector<int64_t> seeds_of(const SweepResults& results) {
  std::set<int64_t> seeds;
  for (const SweepJob& job : results.jobs) seeds.insert(job.seed);
  return {seeds.begin(), seeds.end()};
}

/// Names of a protocol's metrics as the first job that has it lists them.
std::vector<std::string> metrics_of(const SweepResults& results, const std::string& protocol) {
  for (const SweepJob& job : results.jobs)
    if (const ProtocolResult* result = result_of(job, protocol)) {
      std::vector<std::string> names;
      for (const auto& [name, metric] : result->metrics) names.push_back(name);
      return names;
    }
  return {};
}

bool is_in_tables(const std::string& metric) { return !lower_is_better(metric) && metric != "mean-recall"; }

struct Counts {
  int64_t jobs = 0, finished = 0, failed = 0;
};
Counts counts_of(const SweepResults& results, std::optional<size_t> setting = {}) {
  Counts out;
  for (const SweepJob& job : results.jobs) {
    if (setting && job.setting != *setting) continue;
    ++out.jobs;
    out.finished += job.state == "finished";
    out.failed += job.state == "failed";
  }
  return out;
}

/// The row whose value in a column is clearly the best.
std::optional<size_t> bold_row(const std::vector<MeanStd>& column, bool lower) {
  std::vector<size_t> order;
  for (size_t i = 0; i < column.size(); ++i)
    if (column[i].n > 0) order.push_back(i);
  std::ranges::stable_sort(order, [&](size_t a, size_t b) {
    return lower ? column[a].mean < column[b].mean : column[a].mean > column[b].mean;
  });
  if (order.size() < 2 || !clearly_better(column[order[0]], column[order[1]], lower)) return {};
  return order[0];
}

void add_column(Table& table, const std::string& name, const std::vector<MeanStd>& column) {
  const auto bold = bold_row(column, lower_is_better(name));
  table.columns.push_back({name, true});
  for (size_t i = 0; i < column.size(); ++i) {
    Cell cell{to_text(column[i]), {}, bold == i};
    if (column[i].n > 0) cell.number = column[i].mean;
    table.rows[i].push_back(std::move(cell));
  }
}

std::string setting_text(const SweepResults& results, size_t setting) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < results.keys.size(); ++i)
    parts.push_back(results.keys[i] == "setting" ? results.settings[setting][i]
                                                 : results.keys[i] + "=" + results.settings[setting][i]);
  return parts.empty() ? results.name : join(parts, ", ");
}

std::string seeds_text(const SweepResults& results) {
  std::vector<std::string> seeds;
  for (const int64_t seed : seeds_of(results)) seeds.push_back(number_text(seed));
  return join(seeds, ", ");
}

std::vector<std::string> notes_of(const SweepResults& results) {
  std::vector<std::string> notes;
  const Counts all = counts_of(results);
  if (results.selection.empty())
    notes.emplace_back("Numbers of the last checkpoint; nothing was selected.");
  else if (const auto best = winner(results))
    notes.push_back(concat("Chosen on ", results.selection, " (mean over seeds): ", setting_text(results, *best), ", ",
                           to_text(setting_selection(results, *best)), "."));
  else
    notes.push_back(concat("Nothing is chosen: no finished job has ", results.selection, "."));
  notes.push_back(concat("Mean ± sample standard deviation over seeds ", seeds_text(results),
                         "; bold: better than the runner-up by more than the pooled standard deviation."));
  if (all.finished < all.jobs)
    notes.push_back(concat("Incomplete: ", all.finished, " of ", all.jobs, " jobs finished, ", all.failed, " failed."));
  return notes;
}

Table protocol_table(const SweepResults& results, const std::string& protocol) {
  Table table;
  table.title = results.name + ": " + (protocol.empty() ? "validation" : protocol);
  for (const SweepJob& job : results.jobs)
    if (const ProtocolResult* result = result_of(job, protocol)) {
      table.title += ": " + result->description;
      break;
    }
  const size_t count = results.settings.size();
  for (const std::string& key : results.keys) table.columns.push_back({key, false});
  table.columns.push_back({"n", true});
  for (size_t i = 0; i < count; ++i) {
    table.rows.emplace_back();
    for (const std::string& value : results.settings[i]) table.rows[i].push_back({value});
    const Counts counts = counts_of(results, i);
    table.rows[i].push_back(
        {counts.finished == counts.jobs ? concat(counts.jobs) : concat(counts.finished, "/", counts.jobs)});
  }
  std::vector<MeanStd> column(count);
  if (!results.selection.empty()) {
    for (size_t i = 0; i < count; ++i) column[i] = setting_selection(results, i);
    add_column(table, results.selection, column);
  }
  for (const std::string& metric : metrics_of(results, protocol)) {
    if (!is_in_tables(metric)) continue;
    for (size_t i = 0; i < count; ++i) column[i] = setting_value(results, i, protocol, metric);
    const bool measured = std::ranges::any_of(column, [](const MeanStd& value) { return value.n > 0; });
    if (measured) add_column(table, metric, column);
  }
  table.notes = notes_of(results);
  return table;
}

Json to_json(const MeanStd& value) {
  Json out{{"n", value.n}};
  if (value.n > 0) out["mean"] = value.mean;
  if (value.n > 1) out["std"] = value.std;
  return out;
}

Json job_json(const SweepJob& job) {
  Json out{{"job", job.name}, {"setting", job.setting}, {"seed", job.seed}, {"state", job.state}};
  if (job.state == "failed") out["exit"] = job.exit_code;
  if (job.selection) out["selection"] = *job.selection;
  out["evaluated"] = Json::array();
  for (const ProtocolResult& result : job.evaluated) out["evaluated"].push_back(to_json(result));
  return out;
}

Json setting_json(const SweepResults& results, size_t setting) {
  Json out{{"values", results.settings[setting]}, {"selection", to_json(setting_selection(results, setting))}};
  out["protocols"] = Json::object();
  for (const std::string& protocol : results.protocols)
    for (const std::string& metric : metrics_of(results, protocol))
      out["protocols"][protocol][metric] = to_json(setting_value(results, setting, protocol, metric));
  return out;
}

SweepJob job_from_json(const Json& json, const std::string& where) {
  SweepJob job;
  job.name = json.at("job").get<std::string>();
  job.setting = json.at("setting").get<size_t>();
  job.seed = json.at("seed").get<int64_t>();
  job.state = json.at("state").get<std::string>();
  job.exit_code = json.value("exit", 0);
  if (json.contains("selection")) job.selection = json.at("selection").get<double>();
  for (const Json& each : json.at("evaluated")) job.evaluated.push_back(result_from_json(each, where, ErrorClass::ckp));
  return job;
}

}  // namespace

MeanStd mean_std(std::span<const double> values) {
  MeanStd out;
  out.n = static_cast<int64_t>(values.size());
  if (values.empty()) return out;
  const auto n = static_cast<double>(values.size());
  out.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values) squares += (value - out.mean) * (value - out.mean);
  if (values.size() > 1) out.std = std::sqrt(squares / (n - 1));
  return out;
}

double pooled_std(const MeanStd& a, const MeanStd& b) {
  const auto weight_a = static_cast<double>(a.n - 1), weight_b = static_cast<double>(b.n - 1);
  return std::sqrt((weight_a * a.std * a.std + weight_b * b.std * b.std) / (weight_a + weight_b));
}

bool clearly_better(const MeanStd& best, const MeanStd& runner_up, bool lower) {
  if (best.n < 2 || runner_up.n < 2) return false;
  const double lead = lower ? runner_up.mean - best.mean : best.mean - runner_up.mean;
  return lead > pooled_std(best, runner_up);
}

bool lower_is_better(const std::string& metric) { return metric.ends_with("medr") || metric.ends_with("meanr"); }

std::string to_text(const MeanStd& value) {
  if (value.n == 0) return "";
  return value.n == 1 ? fixed_text(value.mean, 1) : concat(fixed_text(value.mean, 1), " ± ", fixed_text(value.std, 1));
}

MeanStd setting_value(const SweepResults& results, size_t setting, const std::string& protocol,
                      const std::string& metric) {
  return over_jobs(results, setting, [&](const SweepJob& job) { return value_of(job, protocol, metric); });
}

MeanStd setting_selection(const SweepResults& results, size_t setting) {
  return over_jobs(results, setting, selection_of);
}

std::optional<size_t> winner(const SweepResults& results) {
  std::optional<size_t> best;
  const bool lower = lower_is_better(results.selection);
  double best_mean = 0;
  for (size_t i = 0; i < results.settings.size(); ++i) {
    const MeanStd value = setting_selection(results, i);
    if (value.n == 0 || (best && !(lower ? value.mean < best_mean : value.mean > best_mean))) continue;
    best = i, best_mean = value.mean;
  }
  return best;
}

std::vector<Table> sweep_tables(const SweepResults& results) {
  std::vector<Table> tables;
  for (const std::string& protocol : results.protocols) tables.push_back(protocol_table(results, protocol));
  if (tables.empty()) tables.push_back(protocol_table(results, ""));  // evaluate.final = none
  return tables;
}

std::string sweep_csv(const SweepResults& results) {
  Table table;
  const size_t count = results.settings.size();
  for (const std::string& key : results.keys) table.columns.push_back({key});
  for (const char* name : {"n", "failed"}) table.columns.push_back({name});
  for (size_t i = 0; i < count; ++i) {
    const Counts counts = counts_of(results, i);
    table.rows.emplace_back();
    for (const std::string& value : results.settings[i]) table.rows[i].push_back({value});
    for (const int64_t number : {counts.finished, counts.failed})
      table.rows[i].push_back({"", static_cast<double>(number)});
  }
  const auto add = [&](const std::string& name, const auto& value) {
    table.columns.push_back({name + " mean"}), table.columns.push_back({name + " std"});
    for (const int64_t seed : seeds_of(results)) table.columns.push_back({concat(name, " seed ", seed)});
    for (size_t i = 0; i < count; ++i) {
      const MeanStd over = over_jobs(results, i, value);
      table.rows[i].push_back(over.n > 0 ? Cell{"", over.mean} : Cell{});
      table.rows[i].push_back(over.n > 1 ? Cell{"", over.std} : Cell{});
      for (const int64_t seed : seeds_of(results)) {
        Cell cell;
        for (const SweepJob& job : results.jobs)
          if (job.setting == i && job.seed == seed) cell.number = value(job);
        table.rows[i].push_back(cell);
      }
    }
  };
  if (!results.selection.empty()) add(results.selection, selection_of);
  for (const std::string& protocol : results.protocols)
    for (const std::string& metric : metrics_of(results, protocol))
      add(protocol + ":" + metric, [&](const SweepJob& job) { return value_of(job, protocol, metric); });
  return to_csv(table);
}

Json sweep_json(const SweepResults& results) {
  Json out{{"diptych", "sweep/1"},           {"v", kSweepVersion},
           {"name", results.name},           {"keys", results.keys},
           {"selection", results.selection}, {"protocols", results.protocols}};
  out["settings"] = Json::array();
  for (size_t i = 0; i < results.settings.size(); ++i) out["settings"].push_back(setting_json(results, i));
  const auto best = winner(results);
  out["winner"] = best ? Json(*best) : Json(nullptr);
  out["jobs"] = Json::array();
  for (const SweepJob& job : results.jobs) out["jobs"].push_back(job_json(job));
  return out;
}

SweepResults sweep_from_json(const Json& json, const std::string& where) {
  try {
    if (const auto version = json.at("v").get<int64_t>(); version != kSweepVersion)
      throw CheckpointError(
          where,
          concat("format ", version, " was written by another version of diptych; this one reads ", kSweepVersion),
          "build it again: diptych sweep DIR --aggregate");
    SweepResults out;
    out.name = json.at("name").get<std::string>();
    out.keys = json.at("keys").get<std::vector<std::string>>();
    out.selection = json.at("selection").get<std::string>();
    out.protocols = json.at("protocols").get<std::vector<std::string>>();
    for (const Json& each : json.at("settings")) {
      out.settings.push_back(each.at("values").get<std::vector<std::string>>());
      if (out.settings.back().size() != out.keys.size())
        throw CheckpointError(where, "a setting has not as many values as there are keys",
                              "build it again: diptych sweep DIR --aggregate");
    }
    for (const Json& each : json.at("jobs")) {
      out.jobs.push_back(job_from_json(each, where));
      if (out.jobs.back().setting >= out.settings.size())
        throw CheckpointError(where, concat("job ", escape_for_log(out.jobs.back().name), " has no setting"),
                              "build it again: diptych sweep DIR --aggregate");
    }
    return out;
  } catch (const Json::exception&) {
    throw CheckpointError(where, "is no record of a sweep: a key is missing or of another type",
                          "build it again: diptych sweep DIR --aggregate");
  }
}

}  // namespace diptych

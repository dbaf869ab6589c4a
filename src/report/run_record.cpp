#include "diptych/report/run_record.h"

#include <algorithm>

#include "diptych/core/config_node.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/text.h"
#include "diptych/eval/result_json.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMaxJson = 64 << 20;
constexpr uint64_t kMaxLines = 1 << 30;
constexpr int64_t kRowVersion = 1;
constexpr const char* kRemedy =
    "the run directory is damaged or incomplete: restore the file from a copy, or leave this run out";

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// The same complaints with a remedy.
template <class F>
auto with_remedy(F read) -> decltype(read()) {
  try {
    return read();
  } catch (const Error& error) {
    std::vector<Issue> issues = error.issues();
    for (Issue& issue : issues)
      if (issue.hint.empty()) issue.hint = kRemedy;
    throw CheckpointError(std::move(issues));
  }
}

Json load_run_json(const fs::path& file) {
  Json json = with_remedy([&] { return load_json(file, kMaxJson, ErrorClass::ckp); });
  if (!json.is_object()) throw CheckpointError(file.string(), "is no JSON object", kRemedy);
  return json;
}

void check_is_run(const fs::path& run) {
  if (is_file(run / "config.resolved.yaml")) return;
  std::error_code ignored;
  if (!fs::exists(run, ignored))
    throw CheckpointError(run.string(), "no such run directory", "diptych train prints where a run went: run: DIR");
  throw CheckpointError(run.string(), "is no run directory: it has no config.resolved.yaml",
                        "a run directory is what diptych train made; a sweep's are in its jobs/");
}

void flatten(const ConfigNode& node, const std::string& path, NamedTexts& out);

bool is_leaf(const ConfigNode& node) { return node.is_scalar() || node.is_null(); }

std::string leaf_text(const ConfigNode& node) {
  if (node.is_null()) return "null";
  if (!node.is_list()) return node.text;
  std::vector<std::string> items;
  for (const ConfigNode& item : node.items) items.push_back(leaf_text(item));
  return "[" + join(items, ", ") + "]";
}

void flatten(const ConfigNode& node, const std::string& path, NamedTexts& out) {
  const auto below = [&](const std::string& key) { return path.empty() ? key : path + "." + key; };
  if (node.is_map()) {
    for (const auto& entry : node.entries) flatten(entry.value, below(entry.key), out);
    if (node.entries.empty() && !path.empty()) out.emplace_back(path, "{}");
  } else if (node.is_list() && !std::ranges::all_of(node.items, is_leaf)) {
    for (size_t i = 0; i < node.items.size(); ++i) flatten(node.items[i], below(std::to_string(i)), out);
  } else {
    out.emplace_back(path, leaf_text(node));
  }
}

MetricsRow metrics_row(const Json& json, const std::string& where) {
  try {
    if (const auto version = json.at("v").get<int64_t>(); version != kRowVersion)
      throw CheckpointError(
          where, concat("format ", version, " was written by another version of diptych; this one reads ", kRowVersion),
          "read the run with the diptych that made it: its env.json names the version");
    MetricsRow row;
    row.kind = json.at("kind").get<std::string>();
    row.step = json.at("step").get<int64_t>();
    row.epoch = json.at("epoch").get<int64_t>();
    row.split = json.value("split", std::string());
    row.protocol = json.value("protocol", std::string());
    for (const auto& [key, value] : json.items())
      if (value.is_number() && key != "v" && key != "step" && key != "epoch")
        row.values.emplace_back(key, value.get<double>());
    return row;
  } catch (const Json::exception&) {
    throw CheckpointError(where, "is no row of metrics: v, kind, step or epoch is missing or of another type", kRemedy);
  }
}

std::vector<MetricsRow> read_metrics(const fs::path& file) {
  std::vector<MetricsRow> rows;
  for (const Json& line : read_json_lines(file))
    rows.push_back(metrics_row(line, concat(file.string(), " line ", rows.size() + 1)));
  return rows;
}

std::vector<RecordedEvaluation> read_evaluations(const fs::path& folder) {
  std::vector<RecordedEvaluation> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    const fs::path file = entry.path() / "metrics.json";
    if (!name.starts_with(".tmp-") && is_file(file))
      out.push_back(
          {name, with_remedy([&] { return result_from_json(load_run_json(file), file.string(), ErrorClass::ckp); })});
  }
  std::ranges::sort(out, {}, &RecordedEvaluation::folder);
  return out;
}

/// The checkpoint folder that `checkpoints/best` or `latest` names; "" if there is none.
std::string checkpoint_name_in(const fs::path& pointer) {
  if (!is_file(pointer)) return "";
  return with_remedy([&] { return std::string(trim(read_file(pointer, 4096, ErrorClass::ckp))); });
}

}  // namespace

std::string to_text(const RunStatus& status) {
  switch (status.state) {
    case RunState::running:
      return "running";
    case RunState::done:
      return "done";
    case RunState::failed:
      return concat("failed (exit ", status.code, ")");
    case RunState::interrupted:
      return concat("interrupted (signal ", status.code, ")");
    case RunState::crashed:
      return "crashed";
  }
  return "?";
}

RunStatus read_run_status(const fs::path& run) {
  check_is_run(run);
  const fs::path file = run / "STATUS";
  const std::string text = with_remedy([&] { return std::string(trim(read_file(file, 4096, ErrorClass::ckp))); });
  const size_t colon = std::min(text.find(':'), text.size());
  const std::string word = text.substr(0, colon);
  const auto code = parse_integer(std::string_view(text).substr(std::min(colon + 1, text.size())));
  if (text == "done") return {RunState::done, 0};
  if (text == "running") return {RunLock::is_held(run) ? RunState::running : RunState::crashed, 0};
  if (word == "failed" && code) return {RunState::failed, static_cast<int>(*code)};
  if (word == "interrupted" && code) return {RunState::interrupted, static_cast<int>(*code)};
  throw CheckpointError(
      file.string(),
      concat("holds \"", escape_for_log(text), "\"; expected running, done, failed:CODE or interrupted:SIGNAL"),
      kRemedy);
}

const double* MetricsRow::find(std::string_view name) const {
  const auto it = std::ranges::find(values, name, &std::pair<std::string, double>::first);
  return it == values.end() ? nullptr : &it->second;
}

const std::string* RunRecord::find_config(std::string_view key) const {
  const auto it = std::ranges::find(config, key, &NamedTexts::value_type::first);
  return it == config.end() ? nullptr : &it->second;
}

const RecordedEvaluation* RunRecord::find_evaluation(std::string_view protocol, std::string_view split) const {
  for (const RecordedEvaluation& each : evaluations)
    if (each.result.protocol == protocol && each.result.split == split) return &each;
  return nullptr;
}

const MetricsRow* RunRecord::best_row() const {
  const MetricsRow* found = nullptr;
  const auto step = parse_integer(std::string_view(best).substr(std::min(best.find('-') + 1, best.size())));
  for (const MetricsRow& row : metrics)
    if (row.kind == "eval" && step && row.step == *step) found = &row;
  return found;
}

NamedTexts flat_config(const fs::path& file) {
  NamedTexts out;
  try {
    flatten(parse_config(read_file(file, 16 << 20, ErrorClass::ckp), file.string()), "", out);
  } catch (const UsageError& error) {
    throw CheckpointError(error.issues().front().where, error.issues().front().message, kRemedy);
  }
  return out;
}

std::vector<Json> read_json_lines(const fs::path& file) {
  const std::string text = with_remedy([&] { return read_file(file, kMaxLines, ErrorClass::ckp); });
  std::vector<Json> rows;
  for (size_t from = 0;;) {
    const size_t end = text.find('\n', from);
    if (end == std::string::npos) return rows;  // what follows was never finished
    const std::string name = concat(file.string(), " line ", rows.size() + 1);
    rows.push_back(with_remedy(
        [&] { return parse_json(std::string_view(text).substr(from, end - from), name, ErrorClass::ckp); }));
    if (!rows.back().is_object()) throw CheckpointError(name, "is no JSON object", kRemedy);
    from = end + 1;
  }
}

RunRecord read_run_record(const fs::path& run) {
  RunRecord record;
  record.path = run;
  record.status = read_run_status(run);
  record.config = flat_config(run / "config.resolved.yaml");
  if (const std::string* name = record.find_config("experiment")) record.experiment = *name;
  for (const auto& [key, value] : record.config)
    if (key.starts_with("published.")) record.published.emplace_back(key.substr(10), value);

  const auto present = [&](const char* name) {
    if (is_file(run / name)) return true;
    record.absent.emplace_back(name);
    return false;
  };
  if (present("command.json")) record.command = load_run_json(run / "command.json");
  if (present("env.json")) record.env = load_run_json(run / "env.json");
  if (present("data.json")) record.data = load_run_json(run / "data.json");
  if (present("metrics.jsonl")) record.metrics = read_metrics(run / "metrics.jsonl");
  if (present("timing.jsonl")) record.timing = read_json_lines(run / "timing.jsonl");
  if (present("sessions.jsonl")) record.sessions = read_json_lines(run / "sessions.jsonl");
  record.best = checkpoint_name_in(run / "checkpoints" / "best");
  record.latest = checkpoint_name_in(run / "checkpoints" / "latest");
  if (record.best.empty()) record.absent.emplace_back("checkpoints/best");
  record.evaluations = read_evaluations(run / "eval");
  if (record.evaluations.empty()) record.absent.emplace_back("eval");
  return record;
}

}  // namespace diptych

#include <cmath>
#include <ctime>

#include "diptych/core/text.h"
#include "eval/result_format.h"
#include "report/parts.h"

namespace diptych::report {
namespace {

std::string text_at(const Json& object, const std::string& key) {
  if (!object.is_object() || !object.contains(key)) return "";
  const Json& value = object[key];
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::optional<int64_t> seconds_of(const std::string& stamp) {  // "2026-11-25T19:04:11+0000"
  std::tm time{};
  const char* rest = strptime(stamp.c_str(), "%Y-%m-%dT%H:%M:%S%z", &time);
  if (!rest) return {};
  const int64_t offset = time.tm_gmtoff;
  return timegm(&time) - offset;
}

/// Sum over the sessions that ended: from each start or resume to the end that follows it.
std::string wall_time(const std::vector<Json>& sessions) {
  double total = 0;
  constexpr int64_t kNone = -1;
  int64_t start = kNone;
  size_t count = 0, unfinished = 0;
  for (const Json& row : sessions) {
    const auto time = seconds_of(text_at(row, "time"));
    if (!time) continue;
    if (text_at(row, "kind") != "end") {
      unfinished += start != kNone;
      start = *time, ++count;
    } else if (start != kNone) {
      total += static_cast<double>(*time - start);
      start = kNone;
    }
  }
  unfinished += start != kNone;
  if (count == unfinished) return "";
  std::string out = duration_text(total);
  if (count > 1) out += concat(" in ", count, " sessions");
  if (unfinished) out += concat(" (", unfinished, " of them broke off and are not counted)");
  return out;
}

std::string chosen_text(const RunRecord& record) {
  if (record.best.empty()) return "";
  std::string out = record.best;
  const std::string* select = record.find_config("evaluate.select");
  if (const MetricsRow* row = record.best_row()) {
    out += concat(", epoch ", row->epoch);
    const bool named = select && select->find('/') != std::string::npos;
    std::vector<std::string> metrics{"rsum", "average-recall",
                                     "t2i/R@1"};  // of which the first is a protocol's main one
    if (named) metrics = {select->substr(select->find('/') + 1)};
    for (const std::string& metric : metrics)
      if (const double* value = row->find(metric))
        return concat(out, ", chosen on ", row->split, " ", metric, " = ", one_decimal(*value));
  }
  return out;
}

/// First digits of the hash of the checkpoint's model, from its manifest.
std::string checkpoint_hash(const RunRecord& record) {
  if (record.best.empty()) return "";
  try {
    const Json manifest =
        load_json(record.path / "checkpoints" / record.best / "MANIFEST.json", 1 << 20, ErrorClass::ckp);
    for (const Json& file : manifest.at("files"))
      if (file.at("name") == "model.safetensors") return file.at("sha256").get<std::string>().substr(0, 16);
  } catch (const std::exception&) {  // the line is left out
  }
  return "";
}

std::string data_text(const Json& data) {
  const std::string corpus = text_at(data, "corpus"), fingerprint = text_at(data, "fingerprint");
  if (corpus.empty()) return "";
  std::vector<std::string> splits;
  if (data.contains("splits") && data["splits"].is_object())
    for (const auto& [name, counts] : data["splits"].items())
      if (counts.is_object() && counts.value("images", int64_t{0}) > 0)
        splits.push_back(concat(name, " ", with_commas(counts.value("images", int64_t{0})), " images, ",
                                with_commas(counts.value("captions", int64_t{0})), " captions"));
  return concat(corpus, splits.empty() ? "" : ": ", join(splits, "; "),
                fingerprint.empty() ? "" : concat(" (fingerprint ", fingerprint.substr(0, 12), ")"));
}

std::string machine_text(const Parts& parts, const Json& env) {
  std::vector<std::string> words;
  if (const std::string device = text_at(env, "device"); !device.empty()) words.push_back(device);
  if (const std::string threads = text_at(env, "threads"); !threads.empty())
    words.push_back(threads + (threads == "1" ? " thread" : " threads"));
  if (const std::string cpu = text_at(env, "cpu_capability"); !cpu.empty()) words.push_back(cpu);
  if (const std::string torch = text_at(env, "torch"); !torch.empty()) words.push_back("torch " + torch);
  if (const std::string host = text_at(env, "host"); parts.options.include_host && !host.empty()) words.push_back(host);
  return join(words, ", ");
}

std::string program_text(const Json& env) {
  const std::string commit = text_at(env, "commit"), diff = text_at(env, "diff");
  if (commit.empty()) return "";
  return concat("diptych ", text_at(env, "diptych"), ", commit ", commit,
                diff.empty() ? "" : concat(" with changes (", diff, ")"));
}

Html run_facts(const Parts& parts, const ReportRun& run) {
  const RunRecord& record = run.record;
  std::vector<std::pair<std::string, Html>> rows;
  const auto add = [&](const std::string& term, const std::string& text) {
    if (!text.empty()) rows.emplace_back(term, Html::text(text));
  };
  add("Run", parts.options.include_host ? record.path.string() : record.path.filename().string());
  add("Experiment", record.experiment);
  add("Status", to_text(record.status));
  if (run.evaluation)
    add("Protocol", concat(run.evaluation->result.protocol, ": ", run.evaluation->result.description));
  add("Checkpoint", chosen_text(record));
  add("Model hash", checkpoint_hash(record));
  add("Data", data_text(record.data));
  add("Program", program_text(record.env));
  add("Machine", machine_text(parts, record.env));
  add("Training time", wall_time(record.sessions));
  if (!record.absent.empty()) add("Absent files", join(record.absent, ", "));
  return facts(rows);
}

}  // namespace

void add_overview(Parts& parts) {
  if (parts.runs.empty()) return;
  Html cards;
  for (const ReportRun& run : parts.runs) {
    const Html head = parts.runs.size() > 1 ? text_element("h3", run.name) : Html();
    cards += element("div", {{"class", parts.runs.size() > 1 ? "card" : ""}}, head + run_facts(parts, run));
  }
  parts.page.section("overview", parts.runs.size() > 1 ? "Runs" : "Run",
                     parts.runs.size() > 1 ? element("div", {{"class", "grid wide"}}, cards) : cards);
}

}  // namespace diptych::report

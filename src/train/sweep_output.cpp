#include <algorithm>

#include "diptych/core/io/fs.h"
#include "diptych/core/text.h"
#include "diptych/report/run_record.h"
#include "diptych/train/sweep.h"
#include "sweep_damage.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

void read_numbers(const SweepPlan& plan, const fs::path& run, SweepJob& job) {
  const RunRecord record = read_run_record(run);
  const MetricsRow* row = record.best_row();
  if (row && !plan.selection.empty())
    if (const double* value = row->find(plan.selection.substr(4))) job.selection = *value;
  const std::string split = plan.split == "none" ? "test" : plan.split;
  for (const std::string& protocol : plan.protocols)
    if (const RecordedEvaluation* found = record.find_evaluation(protocol, split))
      job.evaluated.push_back(found->result);
}

std::string joined(const std::vector<Table>& tables, std::string (*form)(const Table&)) {
  std::vector<std::string> parts;
  for (const Table& table : tables) parts.push_back(form(table));
  return join(parts, "\n");
}

}  // namespace

SweepResults collect_sweep(const SweepPlan& plan, const SweepRequest& request) {
  SweepResults out;
  out.name = plan.spec.name;
  out.keys = plan.keys;
  out.settings = plan.settings;
  out.selection = plan.selection;
  out.protocols = plan.protocols;
  for (const SweepPoint& point : plan.points) {
    const JobStatus status = job_status(plan, request, point);
    SweepJob job;
    const fs::path run = job_directory(request.directory, point);
    job.name = run.filename().string();
    job.setting = point.setting;
    job.seed = point.seed;
    job.state = enum_text(status.state);
    job.exit_code = status.state == JobState::failed ? status.exit_code : 0;
    if (status.state == JobState::finished) read_job(run, [&] { read_numbers(plan, run, job); });
    out.jobs.push_back(std::move(job));
  }
  return out;
}

void write_sweep_tables(const SweepResults& results, const fs::path& directory) {
  const std::vector<Table> tables = sweep_tables(results);
  write_file_atomically(directory / "sweep.csv", sweep_csv(results));
  write_file_atomically(directory / "sweep.md", joined(tables, to_markdown));
  write_file_atomically(directory / "sweep.tex", joined(tables, to_latex));
  write_file_atomically(directory / "sweep.json", sweep_json(results).dump(1) + "\n");
}

Table status_table(const SweepPlan& plan, const SweepResults& results) {
  Table table;
  table.columns = {{"job", false}};
  for (const std::string& key : results.keys) table.columns.push_back({key, false});
  table.columns.insert(table.columns.end(), {{"seed"}, {"state", false}, {"exit"}});
  if (!results.selection.empty()) table.columns.push_back({results.selection});
  for (size_t i = 0; i < results.jobs.size(); ++i) {
    const SweepJob& job = results.jobs[i];
    auto& row = table.rows.emplace_back();
    row.push_back({job.name});
    for (const std::string& value : results.settings[job.setting]) row.push_back({value});
    row.push_back({number_text(job.seed)});
    row.push_back({job.state});
    row.push_back({job.state == "failed" ? number_text(int64_t{job.exit_code}) : ""});
    if (!results.selection.empty())
      row.push_back(job.selection ? Cell{fixed_text(*job.selection, 1), *job.selection} : Cell{});
  }
  const auto finished = std::ranges::count(results.jobs, "finished", &SweepJob::state);
  table.notes = {concat(finished, " of ", plan.points.size(), " jobs finished")};
  return table;
}

}  // namespace diptych

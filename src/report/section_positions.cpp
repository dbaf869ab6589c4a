#include <map>

#include "diptych/core/text.h"
#include "diptych/report/positions.h"
#include "report/parts.h"
#include "report/query_card.h"

namespace diptych::report {
namespace {

Html opposites_of(Parts& parts, const EvaluationRecord& evaluation, const std::filesystem::path& folder,
                  const std::string& id) {
  std::map<std::string, int64_t> rows;
  for (size_t i = 0; i < evaluation.images.size(); ++i) rows.emplace(evaluation.images[i].id, static_cast<int64_t>(i));
  const auto show = [&](const std::string& image, const std::string& alternative) {
    const auto row = rows.find(image);
    return row == rows.end() ? text_element("code", image) : picture(parts, evaluation, row->second, alternative);
  };
  return positions(folder, show, id);
}

/// Settings of several sweeps may have one name.
std::string name_of(const Parts& parts, const ReportSweep& sweep, size_t setting) {
  const std::string name = setting_name(sweep.results, setting);
  return parts.sweeps.size() == 1 && parts.runs.empty() ? name : concat(sweep.results.name, ": ", name);
}

/// The results of a setting's jobs under the protocol and split of `shown`.
PositionsRow seed_results_of(const ReportSweep& sweep, const ReportSweep::Opposites& shown, std::string name) {
  PositionsRow row{std::move(name), {}};
  for (const auto& [job, record] : sweep.jobs)
    if (sweep.results.jobs.at(job).setting == shown.setting)
      for (const RecordedEvaluation& each : record.evaluations)
        if (each.result.protocol == shown.evaluation.result.protocol &&
            each.result.split == shown.evaluation.result.split)
          row.results.push_back(&each.result);
  return row;
}

}  // namespace

void add_positions(Parts& parts) {
  std::vector<Panel> list;
  std::vector<PositionsRow> rows;
  const auto add = [&](PositionsRow row, const EvaluationRecord& evaluation, const std::filesystem::path& folder) {
    list.push_back({row.name, opposites_of(parts, evaluation, folder, concat("opposites-", list.size()))});
    rows.push_back(std::move(row));
  };
  for (const ReportRun& run : parts.runs)
    if (run.opposites) add({run.name, {&run.opposites->result}}, *run.opposites, run.opposites_folder);
  for (const ReportSweep& sweep : parts.sweeps)
    for (const ReportSweep::Opposites& each : sweep.opposites)
      add(seed_results_of(sweep, each, name_of(parts, sweep, each.setting)), each.evaluation, each.folder);
  if (list.empty()) return;
  const Html study = rows.size() > 1 ? positions_study(rows, "opposites-study") : Html();
  const Html remark =
      parts.sweeps.empty() ? Html() : paragraph("Pairs of a sweep are those of each setting's first job.");
  parts.page.section("positions", "Opposite positions", study + remark + by_run(parts, "opposites-runs", list));
}

}  // namespace diptych::report

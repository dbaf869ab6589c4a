#include <algorithm>
#include <limits>
#include <map>

#include "diptych/core/text.h"
#include "diptych/report/svg.h"
#include "eval/result_format.h"
#include "report/parts.h"

namespace diptych::report {
namespace {

constexpr size_t kMostLines = 8;

/// "2", "6: of objective.0.margin, train.batch_size"
std::string settings_text(const SweepResults& results) {
  const bool named = results.keys == std::vector<std::string>{"setting"};  // written out one by one
  return concat(results.settings.size(), named ? "" : ": of " + join(results.keys, ", "));
}

/// "rsum" or "average-recall" of the protocol, or what the sweep selects on, or its first metric.
std::string main_metric(const SweepResults& results, const std::string& protocol) {
  const std::string selected = results.selection.substr(results.selection.find('/') + 1);
  std::string first;
  for (const SweepJob& job : results.jobs)
    for (const ProtocolResult& result : job.evaluated) {
      if (result.protocol != protocol || result.metrics.empty()) continue;
      for (const std::string& name : {std::string("rsum"), std::string("average-recall"), selected})
        if (result.find(name)) return name;
      if (first.empty()) first = result.metrics.front().first;
    }
  return first;
}

Html settings_chart(const SweepResults& results, const ChartText& text, const std::function<MeanStd(size_t)>& value) {
  BarChart chart{.text = text, .series = {{.name = ""}}};
  BarSeries& bars = chart.series[0];
  for (size_t s = 0; s < results.settings.size(); ++s) {
    const MeanStd each = value(s);
    const double none = std::numeric_limits<double>::quiet_NaN();
    chart.labels.push_back(setting_name(results, s));
    bars.values.push_back(each.n ? each.mean : none);
    bars.low.push_back(each.n > 1 ? each.mean - each.std : none);
    bars.high.push_back(each.n > 1 ? each.mean + each.std : none);
  }
  return bar_chart(chart);
}

/// The validation metric of every setting over the steps, mean of its seeds.
Html learning_chart(const ReportSweep& sweep) {
  const SweepResults& results = sweep.results;
  const std::string metric = results.selection.substr(results.selection.find('/') + 1);
  LineChart chart{.text = {.title = "Validation " + metric, .x_label = "step", .description = "Mean over the seeds."}};
  for (size_t s = 0; s < results.settings.size(); ++s) {
    std::map<int64_t, std::vector<double>> at;
    for (const auto& [job, record] : sweep.jobs)
      if (results.jobs.at(job).setting == s)
        for (const MetricsRow& row : record.metrics)
          if (const double* value = row.kind == "eval" ? row.find(metric) : nullptr) at[row.step].push_back(*value);
    Series line{.name = setting_name(results, s)};
    for (const auto& [step, values] : at)
      line.x.push_back(static_cast<double>(step)), line.y.push_back(mean_std(values).mean);
    if (!line.x.empty()) chart.series.push_back(std::move(line));
  }
  return chart.series.empty() || chart.series.size() > kMostLines ? Html() : line_chart(chart);
}

Html charts_of(const ReportSweep& sweep) {
  const SweepResults& results = sweep.results;
  Html out;
  for (const std::string& protocol : results.protocols) {
    const std::string metric = main_metric(results, protocol);
    if (metric.empty()) continue;
    out += settings_chart(results,
                          {.title = concat(protocol, ": ", metric),
                           .description = "Mean over the seeds; whiskers: one sample standard deviation."},
                          [&](size_t s) { return setting_value(results, s, protocol, metric); });
  }
  if (!results.selection.empty()) {
    out += settings_chart(results,
                          {.title = results.selection + " (chosen by)",
                           .description = "What the winner is chosen by; mean over the seeds."},
                          [&](size_t s) { return setting_selection(results, s); });
    out += learning_chart(sweep);
  }
  return out;
}

Html jobs_table(const ReportSweep& sweep, const std::string& id) {
  TableView view{id, "Jobs", {{"job"}, {"setting"}, {"seed", true}, {"state"}, {sweep.results.selection, true}},
                 {}, true,   true,
                 200};
  for (const SweepJob& job : sweep.results.jobs) {
    TableCell selection(job.selection ? one_decimal(*job.selection) : "\u2013");
    selection.number = job.selection;
    view.rows.push_back({job.name,
                         setting_name(sweep.results, job.setting),
                         {concat(job.seed), static_cast<double>(job.seed)},
                         job.state == "failed" ? concat("failed (exit ", job.exit_code, ")") : job.state,
                         selection});
  }
  return table(view);
}

Html sweep_part(Parts& parts, const ReportSweep& sweep, const std::string& id) {
  const SweepResults& results = sweep.results;
  Html out = text_element("h3", results.name);
  const auto done = std::ranges::count(results.jobs, "finished", &SweepJob::state);
  std::vector<std::pair<std::string, Html>> rows{
      {"Settings", Html::text(settings_text(results))},
      {"Jobs", Html::text(concat(done, " of ", results.jobs.size(), " finished"))}};
  if (const auto best = winner(results))
    rows.emplace_back("Winner", Html::text(concat(setting_name(results, *best), ", chosen on ", results.selection)));
  out += facts(rows);
  const std::vector<Table> tables = sweep_tables(results);
  for (size_t i = 0; i < tables.size(); ++i) {
    out += html_table(tables[i], concat(id, "-table-", i));
    parts.summary.push_back(tables[i]);
  }
  if (const Html charts = charts_of(sweep); !charts.empty()) out += grid(charts);
  return out + folded("All jobs", jobs_table(sweep, id + "-jobs"));
}

}  // namespace

std::string setting_name(const SweepResults& results, size_t setting) {
  const auto& values = results.settings.at(setting);
  if (results.keys.size() == 1) return values.at(0);
  std::vector<std::string> parts;
  for (size_t i = 0; i < values.size(); ++i)
    parts.push_back(concat(results.keys.at(i).substr(results.keys.at(i).rfind('.') + 1), "=", values[i]));
  return join(parts, " ");
}

void add_sweeps(Parts& parts) {
  if (parts.sweeps.empty()) return;
  Html body;
  for (size_t i = 0; i < parts.sweeps.size(); ++i) body += sweep_part(parts, parts.sweeps[i], concat("sweep-", i));
  parts.page.section("sweeps", parts.sweeps.size() > 1 ? "Sweeps" : "Sweep", body);
}

}  // namespace diptych::report

#include <algorithm>
#include <map>

#include "diptych/core/text.h"
#include "diptych/report/svg.h"
#include "report/parts.h"

namespace diptych::report {
namespace {

using Value = std::function<const double*(const MetricsRow&)>;

Series series_of(const std::string& name, const RunRecord& record, const std::string& kind, const std::string& key) {
  Series out{name, {}, {}};
  for (const MetricsRow& row : record.metrics)
    if (row.kind == kind)
      if (const double* value = row.find(key)) out.x.push_back(static_cast<double>(row.step)), out.y.push_back(*value);
  return out;
}

Series timing_of(const std::string& name, const RunRecord& record, const std::string& key, double factor) {
  Series out{name, {}, {}};
  for (const Json& row : record.timing)
    if (row.is_object() && row.contains(key) && row[key].is_number() && row.contains("step") && row["step"].is_number())
      out.x.push_back(row["step"].get<double>()), out.y.push_back(factor * row[key].get<double>());
  return out;
}

/// Keys of the rows of one kind, in the order met, over all runs.
std::vector<std::string> keys_of(const std::vector<ReportRun>& runs, const std::string& kind) {
  std::vector<std::string> out;
  for (const ReportRun& run : runs)
    for (const MetricsRow& row : run.record.metrics) {
      if (row.kind != kind) continue;
      for (const auto& [key, value] : row.values)
        if (!std::ranges::count(out, key)) out.push_back(key);
    }
  return out;
}

class Curves {
 public:
  explicit Curves(const Parts& parts) : parts_(parts) {}
  void add(LineChart chart) {
    const auto is_empty = [](const Series& each) { return each.x.empty(); };
    if (std::ranges::all_of(chart.series, is_empty)) return;
    if (parts_.runs.size() == 1) std::erase_if(chart.series, is_empty);  // else: each run keeps its colour
    chart.text.x_label = "step";
    if (parts_.runs.size() == 1 && !parts_.runs[0].record.best.empty())
      if (const MetricsRow* best = parts_.runs[0].record.best_row())
        chart.marks.push_back({static_cast<double>(best->step), "best"});
    html_ += line_chart(chart);
  }
  /// One key, a line for each run.
  void over_runs(const ChartText& text, const std::string& kind, const std::string& key, bool log_y = false) {
    LineChart chart{.text = text, .log_x = false, .log_y = log_y};
    for (const ReportRun& run : parts_.runs) chart.series.push_back(series_of(run.name, run.record, kind, key));
    add(std::move(chart));
  }
  void timing(const ChartText& text, const std::string& key, double factor = 1) {
    LineChart chart{.text = text, .y_low = 0.0};
    for (const ReportRun& run : parts_.runs) chart.series.push_back(timing_of(run.name, run.record, key, factor));
    add(std::move(chart));
  }
  const Html& html() const { return html_; }

 private:
  const Parts& parts_;
  Html html_;
};

bool is_loss_term(const std::string& key) { return key != "lr" && key != "grad_norm" && key != "loss"; }

void add_training(const Parts& parts, Curves& curves) {
  const std::vector<std::string> keys = keys_of(parts.runs, "train");
  if (parts.runs.size() == 1) {
    LineChart chart{.text = {.title = "Training loss", .description = "Means over the steps between two records."}};
    chart.series.push_back(series_of("total", parts.runs[0].record, "train", "loss"));
    for (const std::string& key : keys)
      if (is_loss_term(key)) chart.series.push_back(series_of(key, parts.runs[0].record, "train", key));
    if (chart.series.size() == 2) chart.series.pop_back();  // one term: it is the total, up to its weight
    curves.add(std::move(chart));
  } else {
    curves.over_runs(
        {.title = "Training loss", .description = "The weighted sum; runs with other losses are on other scales."},
        "train", "loss");
    for (const std::string& key : keys)
      if (is_loss_term(key)) curves.over_runs({.title = "Loss term: " + key}, "train", key);
  }
  curves.over_runs({.title = "Learning rate", .description = "Of the first parameter group."}, "train", "lr");
  curves.over_runs({.title = "Gradient norm", .description = "Before clipping, logarithmic."}, "train", "grad_norm",
                   true);
}

void add_validation(const Parts& parts, Curves& curves) {
  const std::vector<std::string> keys = keys_of(parts.runs, "eval");
  const auto has = [&](const std::string& key) { return std::ranges::count(keys, key) > 0; };
  if (parts.runs.size() == 1) {
    for (const std::string direction : {"i2t", "t2i"}) {
      LineChart chart{.text = {.title = concat("Validation recall, ", direction), .y_label = "%"}};
      for (const std::string k : {"R@1", "R@5", "R@10", "R@50"})
        chart.series.push_back(series_of(k, parts.runs[0].record, "eval", concat(direction, "/", k)));
      curves.add(std::move(chart));
    }
  } else {
    for (const std::string key : {"i2t/R@1", "t2i/R@1"})
      curves.over_runs({.title = "Validation " + key, .y_label = "%"}, "eval", key);
  }
  if (has("rsum")) curves.over_runs({.title = "Validation rsum"}, "eval", "rsum");
  const auto has_own_chart = [](const std::string& key) {
    return key == "average-recall" || key.find("/class-") != std::string::npos ||
           key.find("/r_sub@") != std::string::npos || key.ends_with("-top1");
  };
  for (const std::string& key : keys)
    if (has_own_chart(key)) curves.over_runs({.title = "Validation " + key, .y_label = "%"}, "eval", key);
}

}  // namespace

void add_curves(Parts& parts) {
  if (parts.runs.empty()) return;
  Curves curves(parts);
  add_training(parts, curves);
  add_validation(parts, curves);
  curves.timing({.title = "Throughput", .y_label = "pairs/s", .description = "Mean since the start of the epoch."},
                "pairs_per_s");
  curves.timing({.title = "Waiting for data", .y_label = "s", .description = "Sum since the start of the epoch."},
                "wait_s");
  curves.timing({.title = "Memory in use", .y_label = "GB"}, "memory_mb", 1e-3);
  if (curves.html().empty())
    return parts.not_available("Curves", "metrics.jsonl holds no rows: the run was stopped before its first record");
  parts.page.section("curves", "Curves", grid(curves.html()));
}

}  // namespace diptych::report

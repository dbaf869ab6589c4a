#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "diptych/core/text.h"
#include "eval/result_format.h"
#include "report/parts.h"

namespace diptych::report {
namespace {

constexpr double kSignificant = 0.05;

std::string signed_text(double value) { return concat(value > 0 ? "+" : "", one_decimal(value)); }

std::string p_text(double p) {
  if (p < 0.001) return "< 0.001";
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, p, std::chars_format::fixed, 3).ptr};
}

Html metric_table(const RunComparison& each, const std::string& id) {
  TableView view{
      id,
      "",
      {{"metric"}, {each.a, true}, {each.b, true}, {"difference", true}, {"95 % interval", true}, {"p", true}},
      {},
      true,
      false,
      200};
  for (const ComparedMetric& metric : each.comparison.metrics) {
    TableCell delta(signed_text(metric.delta), metric.delta);
    delta.strong = metric.p < kSignificant;
    view.rows.push_back({metric.name,
                         {one_decimal(metric.a), metric.a},
                         {one_decimal(metric.b), metric.b},
                         delta,
                         TableCell(concat(signed_text(metric.low), " to ", signed_text(metric.high))),
                         {p_text(metric.p), metric.p}});
  }
  return table(view);
}

Html query_table(const RunComparison& each, const std::string& id) {
  TableView view{id,
                 concat("Query by query: what ", each.b, " ranks better or worse than ", each.a),
                 {{"direction"},
                  {"queries", true},
                  {"won", true},
                  {"lost", true},
                  {"same", true},
                  {"gained rank 1", true},
                  {"lost rank 1", true}},
                 {},
                 true,
                 false,
                 200};
  for (const ComparedDirection& direction : each.comparison.directions) {
    std::vector<TableCell> row{direction.name};
    for (const int64_t count :
         {direction.queries, direction.won, direction.lost, direction.same, direction.gained_top1, direction.lost_top1})
      row.push_back({with_commas(count), static_cast<double>(count)});
    view.rows.push_back(std::move(row));
  }
  return table(view);
}

/// Keys whose values are not the same in all runs.
Html config_difference(const Parts& parts) {
  std::vector<std::string> keys;
  std::set<std::string> known;
  for (const ReportRun& run : parts.runs)
    for (const auto& [key, value] : run.record.config)
      if (known.insert(key).second) keys.push_back(key);
  TableView view{"config-difference", "", {{"key"}}, {}, false, true, 200};
  for (const ReportRun& run : parts.runs) view.columns.push_back({run.name});
  for (const std::string& key : keys) {
    if (key.starts_with("published") || key.starts_with("notes")) continue;
    std::vector<TableCell> row{TableCell(text_element("code", key))};
    std::set<std::string> values;
    for (const ReportRun& run : parts.runs) {
      const std::string* value = run.record.find_config(key);
      values.insert(value ? "=" + *value : "");
      row.push_back(TableCell(value ? shown(parts, *value) : "\u2013"));
    }
    if (values.size() > 1) view.rows.push_back(std::move(row));
  }
  return view.rows.empty() ? paragraph("The configurations are equal.") : table(view);
}

}  // namespace

void add_comparison(Parts& parts) {
  if (parts.runs.size() < 2) return;
  Html body;
  std::vector<Panel> list;
  for (size_t i = 0; i < parts.comparisons.size(); ++i) {
    const RunComparison& each = parts.comparisons[i];
    const std::string name = concat(each.b, " against ", each.a);
    list.push_back({name, each.problem.empty()
                              ? metric_table(each, concat("compared-", i)) + query_table(each, concat("queries-", i))
                              : notice("warning", Html::text(each.problem))});
  }
  if (!list.empty())
    body +=
        paragraph(
            "Both runs see the same resampled queries, so that what is hard for both cancels out. Bold: p below 0.05, "
            "one comparison at a time.") +
        panels("comparisons", "Pair of runs", list);
  body += text_element("h3", "What differs in the configurations") + config_difference(parts);
  parts.page.section("comparison", "Comparison of runs", body);
}

}  // namespace diptych::report

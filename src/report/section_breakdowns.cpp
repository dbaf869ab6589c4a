#include <algorithm>
#include <limits>

#include "diptych/core/text.h"
#include "diptych/report/breakdown.h"
#include "diptych/report/svg.h"
#include "eval/result_format.h"
#include "report/parts.h"

namespace diptych::report {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

struct Named {
  std::string run;
  Breakdown breakdown;
};

std::string title_of(const Breakdown& breakdown) { return concat(breakdown.direction, " by ", breakdown.by); }

/// R@k of every run, group by group.
Html chart_of(const std::vector<Named>& list, size_t k_index) {
  const Breakdown& first = list[0].breakdown;
  BarChart chart{.text = {.title = concat("R@", first.k[k_index], ", ", title_of(first)),
                          .y_label = "%",
                          .description = "Whiskers: 95 % intervals."}};
  for (const Named& each : list)
    for (const BreakdownRow& row : each.breakdown.rows)
      if (!std::ranges::count(chart.labels, row.group)) chart.labels.push_back(row.group);
  for (const Named& each : list) {
    const size_t n = chart.labels.size();
    BarSeries series{each.run, std::vector<double>(n, kNone), std::vector<double>(n, kNone),
                     std::vector<double>(n, kNone)};
    for (const BreakdownRow& row : each.breakdown.rows) {
      const auto at = static_cast<size_t>(std::ranges::find(chart.labels, row.group) - chart.labels.begin());
      series.values[at] = row.recall[k_index], series.low[at] = row.interval[k_index].low,
      series.high[at] = row.interval[k_index].high;
    }
    chart.series.push_back(std::move(series));
  }
  return bar_chart(chart);
}

Html table_of(const std::vector<Named>& list, const std::string& id) {
  const Breakdown& first = list[0].breakdown;
  TableView view{id, title_of(first), {{"run"}, {first.by}, {"queries", true}}, {}, true, false, 200};
  for (const int64_t k : first.k) view.columns.push_back({concat("R@", k), true, ""});
  for (const Named& each : list)
    for (const BreakdownRow& row : each.breakdown.rows) {
      std::vector<TableCell> cells{each.run, row.group, {with_commas(row.queries), static_cast<double>(row.queries)}};
      for (size_t i = 0; i < row.recall.size(); ++i) {
        TableCell cell(one_decimal(row.recall[i]), row.recall[i]);
        cell.content +=
            text_element("span", concat(one_decimal(row.interval[i].low), "\u2013", one_decimal(row.interval[i].high)),
                         {{"class", "ci"}});
        cells.push_back(std::move(cell));
      }
      view.rows.push_back(std::move(cells));
    }
  return table(view);
}

}  // namespace

void add_breakdowns(Parts& parts) {
  std::vector<std::vector<Named>> kinds;  // by direction and what they break down by
  bool any = false;
  for (const ReportRun& run : parts.runs) {
    if (!run.evaluation) continue;
    any = true;
    for (Breakdown& each : breakdowns(*run.evaluation)) {
      auto place =
          std::ranges::find_if(kinds, [&](const auto& list) { return title_of(list[0].breakdown) == title_of(each); });
      if (place == kinds.end()) place = kinds.insert(kinds.end(), std::vector<Named>());
      place->push_back({run.name, std::move(each)});
    }
  }
  if (kinds.empty())
    return parts.not_available(
        "Breakdown", any ? "all queries are alike in length and known words" : "no evaluation with its items");
  Html charts, tables;
  for (size_t i = 0; i < kinds.size(); ++i) {
    charts += chart_of(kinds[i], 0);
    tables += table_of(kinds[i], concat("breakdown-", i));
  }
  parts.page.section("breakdown", "Breakdown by kind of query", grid(charts) + folded("All numbers", tables));
}

}  // namespace diptych::report

#include <algorithm>

#include "diptych/core/text.h"
#include "diptych/report/hubness.h"
#include "diptych/report/svg.h"
#include "eval/result_format.h"
#include "report/parts.h"
#include "report/query_card.h"

namespace diptych::report {
namespace {

constexpr size_t kMostBars = 50;

/// 1, 2, 5, 10, 20, ...: counts that share a bar, so that there are at most kMostBars.
size_t bar_width(size_t counts) {
  size_t width = 1;
  for (size_t i = 0; width * kMostBars < counts; ++i) width = width * (i % 3 == 1 ? 5 : 4) / 2;
  return width;
}

/// Items by how often they are found.
Html frequency_chart(const Hubness& hubness, const std::string& run) {
  BarChart chart{.text = {.title = concat("Times found, ", hubness.direction, run.empty() ? "" : ": " + run),
                          .x_label = concat("lists of ", hubness.k, " that hold the item"),
                          .y_label = "% of gallery"},
                 .marks = {{hubness.mean + 0.5, "mean"}}};
  const size_t width = bar_width(hubness.histogram.size()), bars = (hubness.histogram.size() + width - 1) / width;
  BarSeries series{"", std::vector<double>(bars), {}, {}};
  for (size_t n = 0; n < hubness.histogram.size(); ++n)
    series.values[n / width] +=
        100.0 * static_cast<double>(hubness.histogram[n]) / static_cast<double>(std::max<int64_t>(hubness.gallery, 1));
  for (size_t n = 0; n <= bars; ++n) chart.edges.push_back(static_cast<double>(n * width));
  chart.series.push_back(std::move(series));
  return bar_chart(chart);
}

Html hub_tile(Parts& parts, const EvaluationRecord& evaluation, const Hubness& hubness, const Hub& hub) {
  const Html line = element("span", {{"class", "answer-line"}},
                            text_element("span", concat("in ", hub.times, " lists"), {{"class", "rank"}}) +
                                text_element("span", concat(hub.right, " rightly"), {{"class", "score"}}));
  if (hubness.direction == "i2t")
    return element("li", {{"class", "answer"}},
                   line + caption_box(evaluation.captions.at(static_cast<size_t>(hub.row)).text));
  return element("li", {{"class", "answer"}},
                 picture(parts, evaluation, hub.row, caption_of(evaluation, hub.row)) + line);
}

}  // namespace

void add_hubness(Parts& parts) {
  TableView view{"hubness-table",
                 "",
                 {{"run"},
                  {"direction"},
                  {"skewness", true, "0: even; large: few items crowd the lists"},
                  {"never found, %", true},
                  {"most frequent", true},
                  {"mean", true}},
                 {},
                 true,
                 false,
                 200};
  Html charts;
  std::vector<Panel> hubs;
  for (const ReportRun& run : parts.runs) {
    if (!run.evaluation) continue;
    Html lists;
    for (size_t d = 0; d < run.evaluation->result.ranks.size(); ++d) {
      const Hubness each = hubness(*run.evaluation, d);
      const auto most = static_cast<double>(each.histogram.empty() ? 0 : each.histogram.size() - 1);
      view.rows.push_back({run.name,
                           each.direction,
                           {score_text(each.skewness), each.skewness},
                           {one_decimal(each.never_percent), each.never_percent},
                           {with_commas(static_cast<int64_t>(most)), most},
                           {one_decimal(each.mean), each.mean}});
      charts += frequency_chart(each, parts.runs.size() > 1 ? run.name : "");
      Html items;
      for (size_t i = 0; i < std::min<size_t>(each.hubs.size(), 8); ++i)
        items += hub_tile(parts, *run.evaluation, each, each.hubs[i]);
      const bool texts = each.direction == "i2t";
      lists += text_element("h4", texts ? "Captions found most often" : "Images found most often") +
               element("div", {{"class", texts ? "query to-text solo" : "query to-image solo"}},
                       element("ol", {{"class", "answers"}}, items));
    }
    hubs.push_back({run.name, lists});
  }
  if (hubs.empty()) return parts.not_available("Hubness", "no evaluation with embeddings");
  parts.page.section(
      "hubness", "Hubness",
      paragraph("How unevenly the gallery is retrieved: in how many lists of the ten best an item stands. "
                "Few items that are found everywhere (hubs) take the places of right answers.") +
          table(view) + grid(charts) + by_run(parts, "hubs", hubs));
}

}  // namespace diptych::report

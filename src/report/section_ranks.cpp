#include <algorithm>

#include "diptych/core/text.h"
#include "diptych/report/rank_curve.h"
#include "diptych/report/svg.h"
#include "report/parts.h"

namespace diptych::report {
namespace {

const DirectionRanks* direction_of(const ReportRun& run, const std::string& name) {
  if (!run.evaluation) return nullptr;
  for (const DirectionRanks& ranks : run.evaluation->result.ranks)
    if (ranks.name == name) return &ranks;
  return nullptr;
}

int64_t gallery_of(const ReportRun& run, const std::string& direction) {
  return direction == "i2t" ? run.evaluation->result.captions : run.evaluation->result.images;
}

/// As the first run that has the direction calls it.
std::string words(const Parts& parts, const std::string& direction) {
  for (const ReportRun& run : parts.runs)
    if (direction_of(run, direction)) return direction_words(run.evaluation->result, direction);
  return direction;
}

Html histogram(const Parts& parts, const std::string& name) {
  BarChart chart{.text = {.title = "Rank of the best right answer, " + words(parts, name),
                          .x_label = "rank",
                          .y_label = "% of queries",
                          .description = "Best rank of a relevant item; logarithmic."},
                 .log_x = true};
  std::vector<std::vector<RankBin>> histograms;
  for (const ReportRun& run : parts.runs) {
    const DirectionRanks* ranks = direction_of(run, name);
    if (!ranks || ranks->first.empty()) continue;
    histograms.push_back(rank_histogram(ranks->first, gallery_of(run, name)));
    chart.series.push_back({run.name, {}, {}, {}});
    for (const RankBin& bin : histograms.back()) chart.series.back().values.push_back(bin.percent);
  }
  const auto& longest = *std::ranges::max_element(histograms, {}, &std::vector<RankBin>::size);
  for (const RankBin& bin : longest) chart.edges.push_back(static_cast<double>(bin.first));
  chart.edges.push_back(static_cast<double>(longest.back().last + 1));
  for (BarSeries& series : chart.series) series.values.resize(longest.size());
  return bar_chart(chart);
}

Html recalls(const Parts& parts, const std::string& name) {
  LineChart chart{.text = {.title = "Recall@K, " + words(parts, name),
                           .x_label = "K",
                           .y_label = "%",
                           .description = "Share of queries with a relevant item among the first K."},
                  .log_x = true,
                  .log_y = false,
                  .y_low = 0.0,
                  .y_high = 100.0};
  for (const ReportRun& run : parts.runs) {
    const DirectionRanks* ranks = direction_of(run, name);
    if (!ranks || ranks->first.empty()) continue;
    Series series{run.name, {}, {}};
    for (const RecallPoint& point : recall_curve(ranks->first, gallery_of(run, name)))
      series.x.push_back(static_cast<double>(point.k)), series.y.push_back(point.recall);
    chart.series.push_back(std::move(series));
  }
  return line_chart(chart);
}

}  // namespace

void add_ranks(Parts& parts) {
  std::vector<std::string> directions;
  for (const ReportRun& run : parts.runs)
    if (run.evaluation)
      for (const DirectionRanks& ranks : run.evaluation->result.ranks)
        if (!ranks.first.empty() && !std::ranges::count(directions, ranks.name)) directions.push_back(ranks.name);
  if (directions.empty()) return parts.not_available("Ranks", "no evaluation with ranks");
  Html charts;
  for (const std::string& name : directions) charts += histogram(parts, name);
  for (const std::string& name : directions) charts += recalls(parts, name);
  parts.page.section("ranks", "Ranks and recall", grid(charts));
}

}  // namespace diptych::report

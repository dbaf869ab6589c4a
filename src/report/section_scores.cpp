#include "diptych/core/text.h"
#include "diptych/report/score_distribution.h"
#include "diptych/report/svg.h"
#include "report/parts.h"
#include "report/query_card.h"

namespace diptych::report {
namespace {

BarSeries share_series(const std::string& name, const ScoreHistogram& histogram) {
  BarSeries out{concat(name, ", mean ", score_text(histogram.mean)), {}, {}, {}};
  for (const int64_t count : histogram.counts)
    out.values.push_back(histogram.pairs ? 100.0 * static_cast<double>(count) / static_cast<double>(histogram.pairs)
                                         : 0);
  return out;
}

Html distribution_chart(const ScoreDistribution& scores, const std::string& run) {
  BarChart chart{.text = {.title = concat("Scores, ", scores.direction, run.empty() ? "" : ": " + run),
                          .x_label = "score",
                          .y_label = "% of pairs"}};
  const auto bins = static_cast<int64_t>(scores.positive.counts.size());
  for (int64_t b = 0; b <= bins; ++b)
    chart.edges.push_back(scores.low + (scores.high - scores.low) * static_cast<double>(b) / static_cast<double>(bins));
  if (scores.positive.pairs) chart.series.push_back(share_series("true pairs", scores.positive));
  if (scores.hardest.pairs) chart.series.push_back(share_series("hardest negatives", scores.hardest));
  if (scores.random.pairs) chart.series.push_back(share_series("random negatives", scores.random));
  return bar_chart(chart);
}

}  // namespace

void add_scores(Parts& parts) {
  Html charts;
  for (const ReportRun& run : parts.runs)
    if (run.evaluation)
      for (size_t d = 0; d < run.evaluation->result.ranks.size(); ++d)
        charts += distribution_chart(score_distribution(*run.evaluation, d), parts.runs.size() > 1 ? run.name : "");
  if (charts.empty()) return parts.not_available("Score distributions", "no evaluation with embeddings");
  parts.page.section(
      "scores", "Score distributions",
      paragraph("Right and wrong answers are told apart where the true pairs lie to the right of the hardest "
                "negatives: of each query, the best item that is not relevant.") +
          grid(charts));
}

}  // namespace diptych::report

#include "diptych/core/text.h"
#include "diptych/report/svg.h"
#include "eval/result_format.h"
#include "report/parts.h"
#include "report/query_card.h"

namespace diptych::report {
namespace {

Series spectrum_series(const std::string& name, const Spectrum& spectrum) {
  Series out{name, {}, {}};
  for (size_t i = 0; i < spectrum.values.size(); ++i) {
    if (spectrum.values[0] <= 0) break;
    out.x.push_back(static_cast<double>(i + 1)), out.y.push_back(spectrum.values[i] / spectrum.values[0]);
  }
  return out;
}

Html spectrum_chart(const ReportRun& run) {
  return line_chart(
      {.text = {.title = concat("Singular values: ", run.name),
                .x_label = "number",
                .y_label = "relative",
                .description = "Of the centred embeddings, relative to the largest."},
       .series = {spectrum_series("images", run.image_spectrum), spectrum_series("captions", run.caption_spectrum)},
       .log_x = false,
       .log_y = false,
       .y_low = 0.0});
}

}  // namespace

void add_spectrum(Parts& parts) {
  TableView view{"spectrum-table",
                 "",
                 {{"run"},
                  {"dimensions", true},
                  {"effective rank, images", true, "exp of the entropy of the singular values"},
                  {"captions", true},
                  {"90 % of variance in, images", true},
                  {"captions", true},
                  {"modality gap", true, "distance of the views' means, unit rows: 0 to 2"},
                  {"told apart, %", true, "points nearer to the mean of their own view: 50 = one cloud, 100 = two"},
                  {"spread, images", true, "mean distance of unit rows from their mean"},
                  {"captions", true}},
                 {},
                 true,
                 false,
                 200};
  Html charts;
  for (const ReportRun& run : parts.runs) {
    if (!run.evaluation) continue;
    const auto number = [](double value, const std::string& text) { return TableCell(text, value); };
    const auto count = [&](int64_t value) { return number(static_cast<double>(value), with_commas(value)); };
    const auto decimal = [&](double value) { return number(value, one_decimal(value)); };
    const auto score = [&](double value) { return number(value, score_text(value)); };
    view.rows.push_back({run.name, count(run.evaluation->x.size(1)), decimal(run.image_spectrum.effective_rank),
                         decimal(run.caption_spectrum.effective_rank),
                         count(run.image_spectrum.directions_of_90_percent),
                         count(run.caption_spectrum.directions_of_90_percent), score(run.gap.distance),
                         decimal(run.gap.separable), score(run.gap.x_spread), score(run.gap.y_spread)});
    charts += spectrum_chart(run);
  }
  if (charts.empty()) return parts.not_available("Spectrum and modality gap", "no evaluation with embeddings");
  parts.page.section(
      "spectrum", "Spectrum and modality gap",
      paragraph("In how many directions the embeddings spread, and how far the clouds of images and captions "
                "lie apart whatever their pairs do.") +
          table(view) + grid(charts));
}

}  // namespace diptych::report

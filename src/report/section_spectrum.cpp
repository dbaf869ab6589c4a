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

const char* text_side(const ReportRun& run) {
  return run.evaluation->result.composed ? "composed queries" : "captions";
}

Html spectrum_chart(const ReportRun& run) {
  return line_chart(
      {.text = {.title = concat("Singular values: ", run.name),
                .x_label = "number",
                .y_label = "relative",
                .description = "Of the centred embeddings, relative to the largest."},
       .series = {spectrum_series("images", run.image_spectrum), spectrum_series(text_side(run), run.caption_spectrum)},
       .log_x = false,
       .log_y = false,
       .y_low = 0.0});
}

}  // namespace

void add_spectrum(Parts& parts) {
  TableView views{"spectrum-table",
                  "",
                  {{"run"},
                   {"view"},
                   {"dimensions", true},
                   {"effective rank", true, "exp of the entropy of the singular values"},
                   {"directions with 90 % of the variance", true},
                   {"spread", true, "mean distance of unit rows from their mean"}}};
  TableView gaps{"gap-table",
                 "",
                 {{"run"},
                  {"modality gap", true, "distance of the views' means, unit rows: 0 to 2"},
                  {"told apart, %", true, "points nearer to the mean of their own view: 50 = one cloud, 100 = two"}}};
  Html charts;
  for (const ReportRun& run : parts.runs) {
    if (!run.evaluation) continue;
    const auto dimensions = run.evaluation->x_points.size(1);  // where a network scores pairs there is no x
    const auto view = [&](const std::string& name, const Spectrum& spectrum, double spread) {
      views.rows.push_back(
          {run.name,
           name,
           {with_commas(dimensions), static_cast<double>(dimensions)},
           {one_decimal(spectrum.effective_rank), spectrum.effective_rank},
           {with_commas(spectrum.directions_of_90_percent), static_cast<double>(spectrum.directions_of_90_percent)},
           {score_text(spread), spread}});
    };
    view("images", run.image_spectrum, run.gap.x_spread);
    view(text_side(run), run.caption_spectrum, run.gap.y_spread);
    gaps.rows.push_back({run.name,
                         {score_text(run.gap.distance), run.gap.distance},
                         {one_decimal(run.gap.separable), run.gap.separable}});
    charts += spectrum_chart(run);
  }
  if (charts.empty()) return parts.not_available("Spectrum and modality gap", "no evaluation with embeddings");
  parts.page.section("spectrum", "Spectrum and modality gap",
                     paragraph("In how many directions the embeddings spread.") + table(views) + grid(charts) +
                         paragraph("How far the clouds of images and captions (or composed queries) lie apart, "
                                   "whatever their pairs do. A gap of 0 and 50 % "
                                   "told apart mean one common cloud.") +
                         table(gaps));
}

}  // namespace diptych::report

#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "diptych/report/html.h"

// Charts as inline SVG, coloured by the page's style sheet (page.h), so that they follow light and dark. Series differ
// by dash or shape too, never by colour alone. Each is a <figure> with its title, axes with round ticks, a legend when
// there is more than one series, a text alternative, and the description below. Numbers that are not finite are left
// out. Equal input, equal bytes.
namespace diptych::report {

struct ChartText {
  std::string title = {}, x_label = {}, y_label = {};
  std::string description = {};  // below the chart; may be empty
};

struct Series {
  std::string name = {};
  std::vector<double> x = {}, y = {};  // of one length; a value that is not finite breaks the line
};
/// A dotted line across the chart at `x`: "best epoch", "mean".
struct VerticalMark {
  double x;
  std::string name;
};
struct LineChart {
  ChartText text = {};
  std::vector<Series> series = {};
  std::vector<VerticalMark> marks = {};
  bool log_x = false, log_y = false;              // values <= 0 are left out
  std::optional<double> y_low = {}, y_high = {};  // fixed ends; otherwise from the data
};
/// Long series are thinned to about 500 points each: first, lowest, highest and last of every bucket.
Html line_chart(const LineChart& chart);

struct BarSeries {
  std::string name = {};
  std::vector<double> values = {};          // one per bin or category
  std::vector<double> low = {}, high = {};  // whiskers; empty or as long as values
};
/// With `edges` (n + 1 ascending numbers): a histogram; several series are drawn as outlines over one another. With
/// `labels` (n names): bars side by side.
struct BarChart {
  ChartText text = {};
  std::vector<double> edges = {};
  std::vector<std::string> labels = {};
  std::vector<BarSeries> series = {};
  std::vector<VerticalMark> marks = {};
  bool log_x = false;
  std::optional<double> y_high = {};
};
Html bar_chart(const BarChart& chart);

struct PointGroup {
  std::string name = {};
  std::vector<double> x = {}, y = {};
  std::vector<std::string> notes = {};  // shown on hover; empty or one per point
};
/// Equal scales on both axes, which carry no numbers: for maps of embeddings. `pairs` joins point a of the first group
/// with point b of the second.
struct ScatterChart {
  ChartText text = {};
  std::vector<PointGroup> groups = {};
  std::vector<std::pair<int64_t, int64_t>> pairs = {};
};
Html scatter_chart(const ScatterChart& chart);

/// Words in their order, shaded by weight: above zero a solid, below zero a dashed underline, the number beside.
/// Weights are shown relative to the largest magnitude.
Html heat_strip(const std::vector<std::pair<std::string, double>>& words);

/// Round tick positions, about `wanted` of them, within [low, high]: steps of 1, 2 or 5 times a power of ten. On a
/// logarithmic axis powers of ten, with 2 and 5 between when there are few.
std::vector<double> ticks(double low, double high, bool logarithmic, int wanted = 5);
/// Short text of an axis number: "0.25", "1e-04", "20k", "1.5M".
std::string tick_text(double value);

}  // namespace diptych::report

#include <algorithm>
#include <cmath>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "report/svg_axes.h"

namespace diptych::report {
namespace {

constexpr size_t kBuckets = 125;

/// Indices to draw: all of a short series; of a long one the first, lowest, highest and last of every bucket.
std::vector<size_t> thinned(const std::vector<double>& y) {
  std::vector<size_t> out;
  const size_t n = y.size();
  if (n <= 4 * kBuckets) {
    for (size_t i = 0; i < n; ++i) out.push_back(i);
    return out;
  }
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    const size_t first = bucket * n / kBuckets, last = (bucket + 1) * n / kBuckets;
    std::vector<size_t> kept{first, last - 1};
    size_t low = first, high = first;
    for (size_t i = first; i < last; ++i) {
      if (!std::isfinite(y[i])) continue;
      if (!std::isfinite(y[low]) || y[i] < y[low]) low = i;
      if (!std::isfinite(y[high]) || y[i] > y[high]) high = i;
    }
    kept.push_back(low), kept.push_back(high);
    std::ranges::sort(kept);
    for (const size_t i : kept)
      if (out.empty() || out.back() < i) out.push_back(i);
  }
  return out;
}

std::string line_path(const Series& series, const Scale& x, const Scale& y) {
  std::string out;
  bool pen_down = false;
  for (const size_t i : thinned(series.y)) {
    const bool shown = x.shows(series.x[i]) && y.shows(series.y[i]);
    if (shown) out += concat(pen_down ? 'L' : 'M', coordinate(x.at(series.x[i])), ' ', coordinate(y.at(series.y[i])));
    pen_down = shown;
  }
  return out;
}

/// A lone point is a line of length zero, which a round line cap makes visible.
std::string with_dots(const std::string& path) {
  return !path.empty() && path.find('L') == std::string::npos ? path + "h0.01" : path;
}

std::string ends_text(const Series& series) {
  std::string first, last;
  for (const double value : series.y) {
    if (!std::isfinite(value)) continue;
    if (first.empty()) first = tick_text(value);
    last = tick_text(value);
  }
  return first.empty() ? series.name + " has no values" : concat(series.name, " from ", first, " to ", last);
}

}  // namespace

Html line_chart(const LineChart& chart) {
  Extent x_extent{.logarithmic = chart.log_x}, y_extent{.logarithmic = chart.log_y};
  std::vector<std::string> names, described;
  for (const Series& series : chart.series) {
    if (series.x.size() != series.y.size())
      throw ShapeError(concat("line_chart: ", series.x.size(), " x and ", series.y.size(), " y"));
    for (const double value : series.x) x_extent.add(value);
    for (const double value : series.y) y_extent.add(value);
    const bool shown = std::ranges::any_of(series.y, [](double value) { return std::isfinite(value); });
    names.push_back(shown ? series.name : ""), described.push_back(ends_text(series));
  }
  if (chart.y_low) y_extent.add(*chart.y_low);
  if (chart.y_high) y_extent.add(*chart.y_high);
  const Frame frame;
  const Scale x = x_extent.scale(frame.left, frame.right), y = y_extent.scale(frame.bottom, frame.top + 4);
  Html drawing = axes(chart.text, frame, x, y, chart.marks);
  for (size_t i = 0; i < chart.series.size(); ++i) {
    Attributes attributes{{"class", "line " + series_class(i)}, {"d", with_dots(line_path(chart.series[i], x, y))}};
    for (Attribute& each : dash(i)) attributes.push_back(each);
    drawing += element("path", attributes, text_element("title", chart.series[i].name));
  }
  return chart_figure(chart.text, join(described, "; "), drawing, legend(names, Swatch::line));
}

}  // namespace diptych::report

#include <algorithm>
#include <cmath>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "report/svg_axes.h"

namespace diptych::report {
namespace {

std::string rectangle(double left, double right, double top, double bottom) {
  return concat("M", coordinate(left), " ", coordinate(bottom), "V", coordinate(top), "H", coordinate(right), "V",
                coordinate(bottom), "Z");
}

Html bar(double left, double right, double top, double bottom, size_t series, const std::string& note) {
  return element("path", {{"class", "bar " + series_class(series)}, {"d", rectangle(left, right, top, bottom)}},
                 text_element("title", note));
}

Html whisker(double x, double low, double high) {
  return element("path",
                 {{"class", "whisker"},
                  {"d", concat("M", coordinate(x), " ", coordinate(low), "V", coordinate(high), "M", coordinate(x - 3),
                               " ", coordinate(low), "h6M", coordinate(x - 3), " ", coordinate(high), "h6")}},
                 {});
}

Html histogram_bars(const BarChart& chart, const Scale& x, const Scale& y) {
  Html out;
  const auto& values = chart.series[0].values;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    const double left = x.at(chart.edges[i]), right = x.at(chart.edges[i + 1]);
    const double gap = right - left > 3 ? 0.5 : 0;
    out += bar(left + gap, right - gap, y.at(values[i]), y.at(0), 0,
               concat(tick_text(chart.edges[i]), " to ", tick_text(chart.edges[i + 1]), ": ", tick_text(values[i])));
  }
  return out;
}

Html histogram_outlines(const BarChart& chart, const Scale& x, const Scale& y) {
  Html out;
  for (size_t s = 0; s < chart.series.size(); ++s) {
    std::string path = concat("M", coordinate(x.at(chart.edges[0])), " ", coordinate(y.at(0)));
    for (size_t i = 0; i < chart.series[s].values.size(); ++i) {
      const double value = std::isfinite(chart.series[s].values[i]) ? chart.series[s].values[i] : 0;
      path += concat("V", coordinate(y.at(value)), "H", coordinate(x.at(chart.edges[i + 1])));
    }
    Attributes attributes{{"class", "area " + series_class(s)}, {"d", path + concat("V", coordinate(y.at(0)))}};
    for (Attribute& each : dash(s)) attributes.push_back(each);
    out += element("path", attributes, text_element("title", chart.series[s].name));
  }
  return out;
}

double slot_width(const BarChart& chart, const Frame& frame) {
  return (frame.right - frame.left) / static_cast<double>(std::max<size_t>(chart.labels.size(), 1));
}

/// True if names of groups would run into each other: the bars are numbered then, and a list below names them.
bool is_crowded(const BarChart& chart, const Frame& frame) {
  constexpr double kLetter = 6, kMost = 20;  // wide; more groups than that are an axis, of which some are named
  const double room = slot_width(chart, frame);
  return chart.labels.size() <= kMost && std::ranges::any_of(chart.labels, [&](const std::string& name) {
           return kLetter * static_cast<double>(name.size()) > room;
         });
}

Html grouped_bars(const BarChart& chart, const Frame& frame, const Scale& y) {
  Html out;
  const double slot = slot_width(chart, frame);
  const bool numbered = is_crowded(chart, frame);
  const double width = std::min(slot * 0.76 / static_cast<double>(chart.series.size()), 46.0);
  for (size_t i = 0; i < chart.labels.size(); ++i) {
    const double middle = frame.left + (static_cast<double>(i) + 0.5) * slot;
    const double first = middle - width * static_cast<double>(chart.series.size()) / 2;
    for (size_t s = 0; s < chart.series.size(); ++s) {
      const BarSeries& series = chart.series[s];
      if (!std::isfinite(series.values[i])) continue;
      const double left = first + static_cast<double>(s) * width;
      out +=
          bar(left + 1, left + width - 1, y.at(series.values[i]), y.at(0), s,
              concat(series.name, series.name.empty() ? "" : ", ", chart.labels[i], ": ", tick_text(series.values[i])));
      if (!series.low.empty() && std::isfinite(series.low[i]) && std::isfinite(series.high[i]))
        out += whisker(left + width / 2, y.at(series.low[i]), y.at(series.high[i]));
    }
    if (numbered)
      out += label(middle, frame.bottom + 18, std::to_string(i + 1), "middle");
    else if (chart.labels.size() <= 14 || i % (chart.labels.size() / 10 + 1) == 0)
      out += label(middle, frame.bottom + 18, chart.labels[i], "middle");
  }
  return out;
}

void check_bars(const BarChart& chart) {
  const size_t bins = chart.edges.empty() ? chart.labels.size() : chart.edges.size() - 1;
  for (const BarSeries& series : chart.series)
    if (series.values.size() != bins || series.low.size() != series.high.size() ||
        (!series.low.empty() && series.low.size() != bins))
      throw ShapeError(
          concat("bar_chart: '", series.name, "' has ", series.values.size(), " values for ", bins, " bins"));
}

}  // namespace

Html bar_chart(const BarChart& chart) {
  check_bars(chart);
  const Frame frame;
  Extent x_extent{.logarithmic = chart.log_x}, y_extent;
  y_extent.add(0);
  for (const double edge : chart.edges) x_extent.add(edge);
  std::vector<std::string> names, described;
  for (const BarSeries& series : chart.series) {
    names.push_back(series.name);
    double largest = 0;
    for (const double value : series.values)
      if (std::isfinite(value)) y_extent.add(value), largest = std::max(largest, value);
    for (const double value : series.high) y_extent.add(value);
    described.push_back(concat(series.name.empty() ? "bars" : series.name, " up to ", tick_text(largest)));
  }
  if (chart.y_high) y_extent.add(*chart.y_high);
  const Scale x = x_extent.scale(frame.left, frame.right), y = y_extent.scale(frame.bottom, frame.top + 4);
  const bool histogram = !chart.edges.empty();
  Html drawing = axes(chart.text, frame, x, y, histogram ? chart.marks : std::vector<VerticalMark>{}, histogram);
  if (!chart.series.empty())
    drawing += !histogram                 ? grouped_bars(chart, frame, y)
               : chart.series.size() == 1 ? histogram_bars(chart, x, y)
                                          : histogram_outlines(chart, x, y);
  Html key = legend(names, histogram ? Swatch::line : Swatch::bar);
  if (!histogram && is_crowded(chart, frame)) {
    Html list;
    for (const std::string& name : chart.labels) list += text_element("li", name);
    key += element("ol", {}, list);
  }
  return chart_figure(chart.text, join(described, "; "), drawing, key);
}

}  // namespace diptych::report

#include <algorithm>
#include <cmath>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "report/svg_axes.h"

namespace diptych::report {
namespace {

constexpr double kSide = 520, kMargin = 14;

/// One scale for both axes: the data's centre in the middle, the longer side fills the square.
struct MapScale {
  double centre_x, centre_y, unit;
  double x(double value) const { return kSide / 2 + (value - centre_x) * unit; }
  double y(double value) const { return kSide / 2 - (value - centre_y) * unit; }
};

MapScale fit(const std::vector<PointGroup>& groups) {
  Extent x, y;
  for (const PointGroup& group : groups)
    for (size_t i = 0; i < group.x.size(); ++i)
      if (std::isfinite(group.x[i]) && std::isfinite(group.y[i])) x.add(group.x[i]), y.add(group.y[i]);
  const double side = std::max({x.high - x.low, y.high - y.low, 1e-12});
  return {(x.low + x.high) / 2, (y.low + y.high) / 2, (kSide - 2 * kMargin) / side};
}

std::string shape(double x, double y, double radius, bool diamond) {
  const std::string r = coordinate(radius), d = coordinate(2 * radius);
  if (!diamond)
    return concat("M", coordinate(x - radius), " ", coordinate(y), "a", r, " ", r, " 0 1 0 ", d, " 0a", r, " ", r,
                  " 0 1 0 -", d, " 0Z");
  const std::string h = coordinate(radius * 1.25);
  return concat("M", coordinate(x), " ", coordinate(y - radius * 1.25), "l", h, " ", h, "l-", h, " ", h, "l-", h, " -",
                h, "Z");
}

Html points(const PointGroup& group, size_t index, const MapScale& scale, double radius) {
  Html out;
  std::string joined;
  for (size_t i = 0; i < group.x.size(); ++i) {
    if (!std::isfinite(group.x[i]) || !std::isfinite(group.y[i])) continue;
    const std::string path = shape(scale.x(group.x[i]), scale.y(group.y[i]), radius, index % 2 == 1);
    if (group.notes.empty())
      joined += path;
    else
      out += element("path", {{"d", path}}, text_element("title", group.notes[i]));
  }
  if (!joined.empty()) out += element("path", {{"d", joined}}, {});
  return element("g", {{"class", "dot " + series_class(index)}}, out);
}

std::string joins(const ScatterChart& chart, const MapScale& scale) {
  std::string out;
  for (const auto& [a, b] : chart.pairs) {
    const PointGroup &from = chart.groups.at(0), &to = chart.groups.at(1);
    const auto i = static_cast<size_t>(a), j = static_cast<size_t>(b);
    if (i >= from.x.size() || j >= to.x.size()) throw ShapeError(concat("scatter_chart: no pair ", a, ", ", b));
    if (!std::isfinite(from.x[i] + from.y[i] + to.x[j] + to.y[j])) continue;
    out += concat("M", coordinate(scale.x(from.x[i])), " ", coordinate(scale.y(from.y[i])), "L",
                  coordinate(scale.x(to.x[j])), " ", coordinate(scale.y(to.y[j])));
  }
  return out;
}

}  // namespace

Html scatter_chart(const ScatterChart& chart) {
  std::vector<std::string> names, described;
  size_t count = 0;
  for (const PointGroup& group : chart.groups) {
    if (group.x.size() != group.y.size() || (!group.notes.empty() && group.notes.size() != group.x.size()))
      throw ShapeError(
          concat("scatter_chart: ", group.x.size(), " x, ", group.y.size(), " y, ", group.notes.size(), " notes"));
    names.push_back(group.name), described.push_back(concat(group.x.size(), " ", group.name));
    count += group.x.size();
  }
  const MapScale scale = fit(chart.groups);
  const double radius = count > 1500 ? 2 : count > 400 ? 2.6 : 3.6;
  Html drawing;
  if (const std::string path = joins(chart, scale); !path.empty())
    drawing += element("path", {{"class", "join"}, {"d", path}}, {});
  for (size_t i = 0; i < chart.groups.size(); ++i) drawing += points(chart.groups[i], i, scale, radius);
  return chart_figure(chart.text, join(described, ", "), drawing, legend(names, Swatch::circle), {kSide, kSide, 0});
}

Html heat_strip(const std::vector<std::pair<std::string, double>>& words) {
  double largest = 0;
  for (const auto& [word, weight] : words)
    if (std::isfinite(weight)) largest = std::max(largest, std::abs(weight));
  Html out;
  for (const auto& [word, weight] : words) {
    const bool known = std::isfinite(weight);
    const double share = known && largest > 0 ? weight / largest : 0;
    const int percent = static_cast<int>(std::lround(std::abs(share) * 55));
    const Html number =
        text_element("sub", known ? (share > 0 ? "+" : "") + tick_text(std::round(weight * 1000) / 1000) : "n/a");
    out += element("span",
                   {{"class", share > 0   ? "up"
                              : share < 0 ? "down"
                                          : ""},
                    {"style", concat("--a:", percent, "%")}},
                   text_element("bdi", word) + number);
    out += Html::literal(" ");
  }
  return element("p", {{"class", "heat"}}, out);
}

}  // namespace diptych::report

#include "report/svg_axes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "diptych/core/text.h"

namespace diptych::report {
namespace {

std::string fixed(double value, int decimals) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, decimals).ptr;
  std::string out(text, end);
  if (out.find('.') != std::string::npos) {
    while (out.back() == '0') out.pop_back();
    if (out.back() == '.') out.pop_back();
  }
  return out == "-0" ? "0" : out;
}

std::string scientific(double value) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::scientific, 0).ptr};
}

std::vector<double> linear_ticks(double low, double high, int wanted) {
  const double raw = (high - low) / std::max(wanted, 1);
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double share = raw / power;
  const double step = power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
  std::vector<double> out;
  const double slack = 1e-9 * step;
  for (double k = std::ceil((low - slack) / step); k * step <= high + slack && out.size() < 100; ++k)
    out.push_back(k == 0 ? 0 : k * step);
  return out;
}

std::vector<double> log_ticks(double low, double high, int wanted) {
  const double decades = std::log10(high / low);
  const int every = std::max(1, static_cast<int>(std::ceil(decades / (wanted + 2))));
  std::vector<double> out;
  for (int power = static_cast<int>(std::floor(std::log10(low))); power <= std::log10(high) + 1e-9; ++power)
    for (const double digit : {1.0, 2.0, 5.0}) {
      const double value = digit * std::pow(10.0, power);
      const bool kept = digit == 1 ? power % every == 0 : decades < 2.2;
      if (kept && value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) out.push_back(value);
    }
  return out;
}

Html line_element(const std::string& css, double x1, double y1, double x2, double y2) {
  return element("path",
                 {{"class", css},
                  {"d", concat("M", coordinate(x1), " ", coordinate(y1), "L", coordinate(x2), " ", coordinate(y2))}},
                 {});
}

}  // namespace

std::string coordinate(double value) { return fixed(value, 2); }

std::vector<double> ticks(double low, double high, bool logarithmic, int wanted) {
  if (!(std::isfinite(low) && std::isfinite(high) && low < high) || (logarithmic && low <= 0)) return {};
  return logarithmic ? log_ticks(low, high, wanted) : linear_ticks(low, high, wanted);
}

std::string tick_text(double value) {
  const double size = std::abs(value);
  if (value == 0) return "0";
  if (size < 1e-3 || size >= 1e9) return scientific(value);
  if (size >= 1e6) return fixed(value / 1e6, 2) + "M";
  if (size >= 1e4) return fixed(value / 1e3, 1) + "k";
  return fixed(value, size < 0.1 ? 4 : size < 10 ? 2 : 1);
}

bool Scale::shows(double value) const { return std::isfinite(value) && (!logarithmic || value > 0); }

double Scale::at(double value) const {
  const double share = logarithmic ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
  return from + std::clamp(share, 0.0, 1.0) * (to - from);
}

void Extent::add(double value) {
  if (!std::isfinite(value) || (logarithmic && value <= 0)) return;
  low = any ? std::min(low, value) : value;
  high = any ? std::max(high, value) : value;
  any = true;
}

Scale Extent::scale(double from, double to) const {
  Scale out{low, high, from, to, logarithmic};
  if (!any) out.low = logarithmic ? 0.1 : 0, out.high = 1;
  if (out.low < out.high) return out;
  const double middle = out.low;
  if (!logarithmic && middle == 0) return {0, 1, from, to, false};
  if (logarithmic)
    out.low = middle / 2, out.high = middle * 2;
  else
    out.low = middle - std::abs(middle) * 0.1, out.high = middle + std::abs(middle) * 0.1;
  return out;
}

Html label(double x, double y, const std::string& text, const std::string& anchor, const std::string& css) {
  Attributes attributes{{"x", coordinate(x)}, {"y", coordinate(y)}};
  if (anchor != "start") attributes.push_back({"text-anchor", anchor});
  if (!css.empty()) attributes.push_back({"class", css});
  return text_element("text", text, attributes);
}

Html axes(const ChartText& text, const Frame& frame, const Scale& x, const Scale& y,
          const std::vector<VerticalMark>& marks, bool x_numbers) {
  Html out;
  for (const double tick : ticks(y.low, y.high, y.logarithmic)) {
    out += line_element("rule", frame.left, y.at(tick), frame.right, y.at(tick));
    out += label(frame.left - 8, y.at(tick) + 4, tick_text(tick), "end");
  }
  if (x_numbers)
    for (const double tick : ticks(x.low, x.high, x.logarithmic, 6)) {
      out += line_element("axis", x.at(tick), frame.bottom, x.at(tick), frame.bottom + 4);
      out += label(x.at(tick), frame.bottom + 18, tick_text(tick), "middle");
    }
  out += line_element("axis", frame.left, frame.bottom, frame.right, frame.bottom);
  for (const VerticalMark& mark : marks) {
    if (!x.shows(mark.x) || mark.x < x.low || mark.x > x.high) continue;
    const double at = x.at(mark.x);
    out += line_element("mark", at, frame.top, at, frame.bottom);
    const bool right_half = at > (frame.left + frame.right) / 2;
    out += label(at + (right_half ? -5 : 5), frame.top + 10, mark.name, right_half ? "end" : "start");
  }
  if (!text.y_label.empty())
    out += label(frame.left - 8, frame.top - 6, text.y_label, text.y_label.size() > 9 ? "start" : "end");
  if (!text.x_label.empty()) out += label(frame.right, Frame::kHeight - 6, text.x_label, "end");
  return out;
}

std::string series_class(size_t index) { return concat("s", index % 8); }

Attributes dash(size_t index) {
  static constexpr std::array<const char*, 5> kDashes = {"", "7 4", "2 4", "10 4 2 4", "5 3"};
  const std::string pattern = kDashes[index % kDashes.size()];
  return pattern.empty() ? Attributes{} : Attributes{{"stroke-dasharray", pattern}};
}

Html legend(const std::vector<std::string>& names, Swatch swatch) {
  if (names.size() < 2) return {};
  Html items;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) continue;
    const bool diamond = swatch == Swatch::diamond || (swatch == Swatch::circle && i % 2 == 1);
    Attributes attributes{{"class", (swatch == Swatch::line  ? "line "
                                     : swatch == Swatch::bar ? "bar "
                                                             : "dot ") +
                                        series_class(i)}};
    if (swatch == Swatch::line)
      for (Attribute& each : dash(i)) attributes.push_back(each);
    attributes.push_back({"d", swatch == Swatch::line  ? "M1 6H25"
                               : swatch == Swatch::bar ? "M6 1H20V11H6Z"
                               : diamond               ? "M13 1L18 6L13 11L8 6Z"
                                                       : "M8.5 6a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z"});
    const Html sample =
        element("svg", {{"viewBox", "0 0 26 12"}, {"aria-hidden", "true"}}, element("path", attributes, {}));
    items += element("li", sample + text_element("span", names[i]));
  }
  return element("ul", {{"class", "legend"}}, items);
}

Html chart_figure(const ChartText& text, const std::string& alternative, const Html& drawing, const Html& below,
                  const ViewBox& box) {
  const Html svg =
      element("svg",
              {{"class", "plot"},
               {"viewBox", concat("0 ", coordinate(box.top), " ", coordinate(box.width), " ", coordinate(box.height))},
               {"role", "img"},
               {"aria-label", concat(text.title, ". ", alternative)}},
              drawing);
  const Html caption = text.description.empty() ? Html() : text_element("figcaption", text.description);
  const Html title =
      text.title.empty() ? Html() : text_element("p", text.title, {{"class", "head"}, {"aria-hidden", "true"}});
  return element("figure", {{"class", "chart"}}, title + svg + below + caption);
}

}  // namespace diptych::report

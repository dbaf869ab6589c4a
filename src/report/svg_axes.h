#pragma once
#include <string>
#include <vector>

#include "diptych/report/svg.h"

namespace diptych::report {

/// Coordinates of SVG: at most two decimals, no exponent.
std::string coordinate(double value);

/// One axis: data numbers to positions.
struct Scale {
  double low = 0, high = 1, from = 0, to = 1;
  bool logarithmic = false;
  bool shows(double value) const;
  double at(double value) const;
};

/// The plot area of a chart in its viewBox.
struct Frame {
  static constexpr double kWidth = 460, kHeight = 290, kHead = 16;
  double left = 56, right = 446, top = 36, bottom = 244;
};

/// Smallest and largest of what is finite (and positive, for a logarithmic axis); grows as values are added.
struct Extent {
  bool logarithmic = false;
  double low = 0, high = 0;
  bool any = false;
  void add(double value);
  /// A scale over the extent: an empty or single-valued one is widened.
  Scale scale(double from, double to) const;
};

/// Axes with ticks and grid lines, axis names, marks.
Html axes(const ChartText& text, const Frame& frame, const Scale& x, const Scale& y,
          const std::vector<VerticalMark>& marks, bool x_numbers = true);

/// Series number `index`: class "s0".. and a dash pattern.
std::string series_class(size_t index);
Attributes dash(size_t index);

enum class Swatch { line, bar, circle, diamond };
/// Colours and dashes go by index; an empty name, of a series without values, is passed over.
Html legend(const std::vector<std::string>& names, Swatch swatch);

/// What of the drawing is shown.
struct ViewBox {
  double width = Frame::kWidth, height = Frame::kHeight - Frame::kHead, top = Frame::kHead;
};

/// The figure around the drawing, with its title above; title and `alternative` are read by screen readers.
Html chart_figure(const ChartText& text, const std::string& alternative, const Html& drawing, const Html& below,
                  const ViewBox& box = {});

/// <text> at a place; anchor "start", "middle" or "end".
Html label(double x, double y, const std::string& text, const std::string& anchor, const std::string& css = "");

}  // namespace diptych::report

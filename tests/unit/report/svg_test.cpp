#include "diptych/report/svg.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "diptych/core/error.h"

namespace diptych::report {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pointwise;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::string attribute(const std::string& markup, const std::string& css, const std::string& name) {
  const size_t at = markup.find("class=\"" + css);
  if (at == std::string::npos) return "";
  const size_t start = markup.find(name + "=\"", at) + name.size() + 2;
  return markup.substr(start, markup.find('"', start) - start);
}

TEST(Ticks, AreRound) {
  EXPECT_THAT(ticks(0, 100, false), ElementsAre(0, 20, 40, 60, 80, 100));
  EXPECT_THAT(ticks(-0.3, 0.9, false), Pointwise(DoubleNear(1e-12), {-0.2, 0.0, 0.2, 0.4, 0.6, 0.8}));
  EXPECT_THAT(ticks(3.1, 3.4, false), Pointwise(DoubleNear(1e-12), {3.1, 3.15, 3.2, 3.25, 3.3, 3.35, 3.4}));
  EXPECT_THAT(ticks(1, 1000, true), Pointwise(DoubleNear(1e-9), {1., 10., 100., 1000.}));
  EXPECT_THAT(ticks(1, 60, true), Pointwise(DoubleNear(1e-9), {1., 2., 5., 10., 20., 50.}));
  EXPECT_TRUE(ticks(1, 1, false).empty());
  EXPECT_TRUE(ticks(kNaN, 1, false).empty());
  EXPECT_TRUE(ticks(0, 1, true).empty());
}

TEST(TickText, IsShort) {
  EXPECT_EQ(tick_text(0), "0");
  EXPECT_EQ(tick_text(0.25), "0.25");
  EXPECT_EQ(tick_text(-40), "-40");
  EXPECT_EQ(tick_text(2e-4), "2e-04");
  EXPECT_EQ(tick_text(20000), "20k");
  EXPECT_EQ(tick_text(1500000), "1.5M");
  EXPECT_EQ(tick_text(1000), "1000");
}

TEST(LineChart, PutsPointsOnTheirScale) {
  LineChart chart{.text = {.title = "Loss"}, .series = {{"a", {0, 1, 2}, {0, 5, 10}}}};
  const std::string markup = line_chart(chart).markup();
  EXPECT_EQ(attribute(markup, "line s0", "d"), "M56 244L251 142L446 40");  // frame 56..446 by 244..40
  EXPECT_THAT(markup, HasSubstr("role=\"img\""));
  EXPECT_THAT(markup, HasSubstr("aria-label=\"Loss. a from 0 to 10\""));
  EXPECT_THAT(markup, Not(HasSubstr("legend")));
}

TEST(LineChart, BreaksAtWhatIsNotFinite) {
  LineChart chart{.text = {.title = "t"}, .series = {{"a", {0, 1, 2, 3}, {0, kNaN, 1, 1}}, {"b", {0}, {1}}}};
  const std::string markup = line_chart(chart).markup();
  const std::string path = attribute(markup, "line s0", "d");
  EXPECT_EQ(std::ranges::count(path, 'M'), 2);
  EXPECT_THAT(markup, HasSubstr("stroke-dasharray"));  // the second series
  EXPECT_THAT(markup, HasSubstr("class=\"legend\""));
  EXPECT_THAT(markup, Not(HasSubstr("nan")));
}

TEST(LineChart, ThinsLongSeriesButKeepsTheirPeaks) {
  Series series{"a", {}, {}};
  for (int i = 0; i < 100000; ++i) series.x.push_back(i), series.y.push_back(i == 54321 ? 1e3 : 1);
  const std::string markup = line_chart({.text = {.title = "t"}, .series = {series}}).markup();
  EXPECT_LT(markup.size(), 20'000u);
  EXPECT_THAT(attribute(markup, "line s0", "d"), HasSubstr(" 40"));  // the peak reaches the top
}

TEST(LineChart, SurvivesNothingToShow) {
  EXPECT_NO_THROW(line_chart({}));
  EXPECT_NO_THROW(line_chart({.text = {}, .series = {{"a", {1}, {kNaN}}}, .log_x = true, .log_y = true}));
  EXPECT_THROW(line_chart({.text = {}, .series = {{"a", {1}, {}}}}), ShapeError);
}

TEST(LineChart, ASeriesWithoutValuesIsNotInTheLegend) {
  LineChart chart{.text = {.title = "t"}};
  chart.series = {
      {.name = "one", .x = {1, 2}, .y = {3, 4}}, {.name = "none"}, {.name = "two", .x = {1, 2}, .y = {5, 6}}};
  const std::string html = line_chart(chart).markup();
  EXPECT_THAT(html, HasSubstr("<span>one</span>"));
  EXPECT_THAT(html, HasSubstr("<span>two</span>"));
  EXPECT_EQ(html.find("<span>none</span>"), std::string::npos);
}

TEST(BarChart, HistogramAndGroups) {
  BarChart histogram{.text = {.title = "Ranks"}, .edges = {1, 2, 3}, .series = {{"i2t", {4, 8}}}};
  const std::string markup = bar_chart(histogram).markup();
  EXPECT_THAT(markup, HasSubstr("<title>1 to 2: 4</title>"));
  EXPECT_THAT(markup, HasSubstr("V142"));  // 4 of 8: half way between 244 and 40
  BarChart groups{.text = {.title = "R@1"},
                  .edges = {},
                  .labels = {"short", "<long>"},
                  .series = {{"a", {1, 2}, {0.5, 1.5}, {1.5, 2.5}}, {"b", {kNaN, 1}}},
                  .marks = {}};
  const std::string bars = bar_chart(groups).markup();
  EXPECT_THAT(bars, HasSubstr("&lt;long&gt;"));
  EXPECT_THAT(bars, HasSubstr("class=\"whisker\""));
  EXPECT_THAT(bars, Not(HasSubstr("b, short")));
  EXPECT_THAT(bars, Not(HasSubstr("<ol")));
  groups.labels[0] = "a name that is far too long to stand under its two bars beside another";
  const std::string crowded = bar_chart(groups).markup();
  EXPECT_THAT(crowded, HasSubstr("<li>" + groups.labels[0] + "</li><li>&lt;long&gt;</li>"));
  EXPECT_THAT(crowded, HasSubstr(">1</text>"));
  groups.series[0].values.pop_back();
  EXPECT_THROW(bar_chart(groups), ShapeError);
}

TEST(BarChart, SeveralHistogramsAreOutlines) {
  BarChart chart{.text = {.title = "Scores"},
                 .edges = {0, 1, 2},
                 .labels = {},
                 .series = {{"pos", {1, 2}}, {"neg", {2, 1}}},
                 .marks = {{1.5, "mean"}}};
  const std::string markup = bar_chart(chart).markup();
  EXPECT_THAT(markup, HasSubstr("area s1"));
  EXPECT_THAT(markup, HasSubstr(">mean</text>"));
}

TEST(ScatterChart, JoinsPairsWithEqualScales) {
  ScatterChart chart{.text = {.title = "Map"},
                     .groups = {{"images", {0, 10}, {0, 0}, {"a", "<b>"}}, {"captions", {0, 10}, {5, 5}, {}}},
                     .pairs = {{0, 0}, {1, 1}}};
  const std::string markup = scatter_chart(chart).markup();
  EXPECT_EQ(attribute(markup, "join", "d"), "M14 383L14 137M506 383L506 137");  // 10 units on 492: 5 units are 246
  EXPECT_THAT(markup, HasSubstr("&lt;b&gt;"));
  chart.pairs = {{2, 0}};
  EXPECT_THROW(scatter_chart(chart), ShapeError);
  EXPECT_NO_THROW(scatter_chart({}));
}

TEST(HeatStrip, SaysSignAndNumber) {
  const std::string markup = heat_strip({{"red", 0.5}, {"<i>", -0.25}, {"a", 0}}).markup();
  EXPECT_THAT(markup, HasSubstr("class=\"up\" style=\"--a:55%\""));
  EXPECT_THAT(markup, HasSubstr("class=\"down\" style=\"--a:28%\""));
  EXPECT_THAT(markup, HasSubstr("+0.5"));
  EXPECT_THAT(markup, HasSubstr("&lt;i&gt;"));
}

}  // namespace
}  // namespace diptych::report

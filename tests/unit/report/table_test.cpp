#include "diptych/report/table.h"

#include <gmock/gmock.h>

#include "diptych/core/text.h"

namespace diptych {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Table sample() {
  Table table;
  table.title = "p test";
  table.columns = {{"loss", false}, {"rsum"}};
  table.rows = {{{"cmpm"}, {"61.2 ± 0.5", 61.25, true}}, {{"=x_1|y"}, {"-4.0", -4.0}}};
  table.notes = {"n"};
  return table;
}

TEST(Table, MarkdownIsAPipeTable) {
  EXPECT_EQ(to_markdown(sample()),
            "p test\n\n| loss | rsum |\n| --- | ---: |\n| cmpm | **61.2 ± 0.5** |\n| =x\\_1\\|y | -4.0 |\n\nn\n");
}

TEST(Table, LatexNeedsNoPackage) {
  EXPECT_EQ(
      to_latex(sample()),
      "% p test\n\\begin{tabular}{lr}\n\\hline\nloss & rsum \\\\\n\\hline\ncmpm & \\textbf{61.2 $\\pm$ 0.5} \\\\\n"
      "=x\\_1\\textbar{}y & -4.0 \\\\\n\\hline\n\\end{tabular}\n% n\n");
}

TEST(Table, CsvHoldsFullNumbersAndNoFormula) {
  EXPECT_EQ(to_csv(sample()), "\"loss\",\"rsum\"\n\"cmpm\",61.25\n\"'=x_1|y\",-4\n");
  for (const char* formula : {"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"})
    EXPECT_EQ(csv_cell(formula).substr(0, 2), "\"'") << formula;
}

TEST(Table, JsonKeepsTextAndNumber) {
  const Json json = to_json(sample());
  EXPECT_EQ(json["columns"], (Json{"loss", "rsum"}));
  EXPECT_EQ(json["rows"][0][1]["number"].get<double>(), 61.25);
  EXPECT_TRUE(json["rows"][0][1]["bold"].get<bool>());
  EXPECT_FALSE(json["rows"][0][0].contains("number"));
}

TEST(Table, TextIsAlignedByCharactersNotBytes) {
  EXPECT_EQ(to_text(sample()), "p test\n  loss           rsum\n  cmpm    61.2 ± 0.5*\n  =x_1|y         -4.0\n  n\n");
}

TEST(Table, HostileTextStaysText) {
  Table table = sample();
  table.title = "a\n\\end{document} <script>";
  table.rows[0][0].text = "x\n| y |\x1b[2J</td>${HOME}\\input{a}%";
  table.notes = {"c\n\\input{b}"};
  const std::string markdown = to_markdown(table), latex = to_latex(table);
  for (const std::string& text : {markdown, to_text(table)}) EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(markdown, Not(HasSubstr("<")));
  EXPECT_EQ(std::ranges::count(markdown, '\n'), std::ranges::count(to_markdown(sample()), '\n'));
  EXPECT_EQ(std::ranges::count(latex, '\n'), std::ranges::count(to_latex(sample()), '\n'));
  EXPECT_THAT(latex, Not(HasSubstr("\\input{a}")));
  EXPECT_THAT(latex, HasSubstr("\\$\\{HOME\\}"));
}

TEST(DisplayWidth, CountsCharacters) {
  EXPECT_EQ(display_width("a±b"), 3u);
  EXPECT_EQ(display_width(""), 0u);
}

}  // namespace
}  // namespace diptych

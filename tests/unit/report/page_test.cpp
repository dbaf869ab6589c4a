#include "diptych/report/page.h"

#include <gmock/gmock.h>

#include <regex>

#include "diptych/core/error.h"
#include "diptych/core/io/hash.h"
#include "diptych/core/io/json.h"

namespace diptych::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

size_t occurrences(const std::string& text, const std::string& word) {
  size_t out = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++out;
  return out;
}

std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const size_t start = text.find(from) + from.size();
  return text.substr(start, text.find(to, start) - start);
}

Page sample() {
  Page page("Run </title><script>alert(1)</script>");
  page.section("one", "First", paragraph("text"));
  page.section("two", "Second & last",
               table({"t", "numbers", {{"name"}, {"value", true}}, {{"a", {"1.5", 1.5}}, {"b", {"2", 2.0}}}}));
  page.data("facts", {{"x", "</script>"}});
  return page;
}

TEST(Page, HasOneScriptAndItsPolicyNamesIt) {
  const std::string html = sample().html();
  EXPECT_EQ(occurrences(html, "<script>"), 1u);
  EXPECT_EQ(occurrences(html, "</script>"), 2u);  // the script and the data
  const std::string script = between(html, "<script>", "</script>");
  EXPECT_THAT(html, HasSubstr("script-src &#39;sha256-"));
  std::string source = csp_hash(script);
  EXPECT_THAT(html, HasSubstr("script-src &#39;" + source.substr(1, source.size() - 2) + "&#39;"));
  EXPECT_THAT(html, HasSubstr("default-src &#39;none&#39;"));
  EXPECT_THAT(html, Not(HasSubstr("file:")));
}

TEST(CspHash, OfAKnownScript) {  // printf '' | openssl sha256 -binary | base64
  EXPECT_EQ(csp_hash(""), "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
}

TEST(Page, PointsToNothingOutside) {
  const std::string html = sample().html();
  EXPECT_FALSE(std::regex_search(html, std::regex(R"re((src|href)\s*=\s*"?\s*(https?:|//))re")));
  EXPECT_THAT(html, Not(HasSubstr("url(")));
  EXPECT_THAT(html, Not(HasSubstr("@import")));
}

TEST(Page, ScriptsSetTextOnly) {
  const std::string script = between(sample().html(), "<script>", "</script>");
  for (const char* word : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("})
    EXPECT_THAT(script, Not(HasSubstr(word)));
}

TEST(Page, ListsItsSections) {
  const std::string html = sample().html();
  EXPECT_THAT(html, HasSubstr("<a href=\"#two\">"));
  EXPECT_THAT(html, HasSubstr("<section id=\"two\""));
  EXPECT_THAT(html, HasSubstr("Second &amp; last"));
  EXPECT_THAT(html, HasSubstr("class=\"skip\" href=\"#main\""));
  Page page("x");
  page.section("one", "First", {});
  EXPECT_THROW(page.section("one", "Again", {}), ShapeError);
  EXPECT_THROW(page.section("One two", "Again", {}), ShapeError);
  EXPECT_THAT(page.html(), Not(HasSubstr("<nav")));
}

TEST(Table, SortsByNumbersAndHeadsItsRows) {
  const std::string markup =
      table({"t", "c", {{"name"}, {"v", true}}, {{"a", {"1.5", 1.5}}, {"<b>", {"2", 2.0}}}}).markup();
  EXPECT_THAT(markup, HasSubstr("data-sort"));
  EXPECT_THAT(markup, HasSubstr("<th scope=\"row\">&lt;b&gt;</th>"));
  EXPECT_THAT(markup, HasSubstr("<td class=\"n\" data-v=\"1.5\">1.5</td>"));
}

TEST(Table, SaysWhatItLeavesOut) {
  TableView view{"t", "ranks", {{"name"}}, {}};
  for (int i = 0; i < 1234; ++i) view.rows.push_back({TableCell("x")});
  const std::string markup = table(view).markup();
  EXPECT_EQ(occurrences(markup, "<tr data-item=\"\">"), 200u);
  EXPECT_THAT(markup, HasSubstr("ranks (showing 200 of 1,234)"));
}

TEST(Panels, AreAllVisibleWithoutScripts) {
  const std::string markup = panels("p", "kind", {{"Best", paragraph("a")}, {"Worst", paragraph("b")}}).markup();
  EXPECT_THAT(markup, Not(HasSubstr("hidden")));
  EXPECT_THAT(markup, HasSubstr("data-panel=\"Worst\""));
}

TEST(CodeBlock, EscapesWhatItShows) {
  EXPECT_THAT(code_block("c", "a <b> & \xe2\x80\xae").markup(), HasSubstr(">a &lt;b&gt; &amp; [U+202E]</pre>"));
}

}  // namespace
}  // namespace diptych::report

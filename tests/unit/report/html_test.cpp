#include "diptych/report/html.h"

#include <gmock/gmock.h>

#include "diptych/core/error.h"
#include "diptych/core/io/json.h"

namespace diptych::report {
namespace {

TEST(VisibleText, ShowsWhatWouldReorderOrHide) {
  EXPECT_EQ(visible_text("plain text, emoji \xf0\x9f\x90\x95, \xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d"),
            "plain text, emoji \xf0\x9f\x90\x95, \xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d");
  EXPECT_EQ(visible_text("a\xe2\x80\xaeg\xe2\x81\xa6"), "a[U+202E]g[U+2066]");
  EXPECT_EQ(visible_text(std::string_view("a\0b\x1b[2J\n\t", 9)), "a[U+0000]b[U+001B][2J\n\t");
  EXPECT_EQ(visible_text("x\xe2\x80\xa8y"), "x[U+2028]y");
  EXPECT_EQ(visible_text("a\xff\xc3"), "a\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(WithoutFolders, KeepsTheLastComponent) {
  EXPECT_EQ(without_folders("root: /home/me/data/flickr8k, relative/path stays"),
            "root: .../flickr8k, relative/path stays");
  EXPECT_EQ(without_folders("/a"), ".../a");
  EXPECT_EQ(without_folders("x=[/a/b/, '/c/d e']"), "x=[.../b, '.../d e']");
  EXPECT_EQ(without_folders("3 / 4, https://a/b, i2t/R@1, /"), "3 / 4, https://a/b, i2t/R@1, /");
}

TEST(JsonForScript, CannotCloseTheScriptAndReadsBack) {
  const Json value{{"caption", "</script><!-- \xe2\x80\xa8 \xe2\x80\xae \x7f"}, {"<key>", 1}};
  const std::string text = json_for_script(value);
  EXPECT_EQ(text.find('<'), std::string::npos) << text;
  EXPECT_EQ(text.find('\xe2'), std::string::npos) << text;
  EXPECT_EQ(Json::parse(text), value);
}

TEST(JsonForScript, SurvivesInvalidUtf8) { EXPECT_NO_THROW(Json::parse(json_for_script(Json("a\xff")))); }

TEST(Base64, VectorsOfRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe"), "//4=");
  EXPECT_EQ(data_uri("image/jpeg", "foo"), "data:image/jpeg;base64,Zm9v");
}

TEST(HtmlText, HoldsNoMarkup) {
  EXPECT_EQ(Html::text("<img src=x onerror=\"alert('1')\"> & co").markup(),
            "&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt; &amp; co");
}

TEST(Element, EscapesAttributesAndKeepsChildren) {
  const Html link = element("a", {{"href", "#top"}, {"title", "\"><svg onload=1>"}}, Html::text("a<b"));
  EXPECT_EQ(link.markup(), "<a href=\"#top\" title=\"&quot;&gt;&lt;svg onload=1&gt;\">a&lt;b</a>");
  EXPECT_EQ(element("p", {link, Html::literal("<br>")}).markup(), "<p>" + link.markup() + "<br></p>");
  EXPECT_EQ(element("b", {{"title", "data:image/\"><script>"}}, {}).markup(),
            "<b title=\"data:image/&quot;&gt;&lt;script&gt;\"></b>");
  EXPECT_EQ(void_element("input", {{"hidden", ""}}).markup(), "<input hidden=\"\">");
  EXPECT_EQ((Html::text("a") + Html::text("b")).markup(), "ab");
}

TEST(Element, RefusesAddressesOutsideThePage) {
  for (const char* url : {"http://example.org/a.png", "//example.org/a", "javascript:alert(1)", "/etc/passwd",
                          "file:///etc/passwd", "data:text/html,x", "\\\\host\\share", ""})
    EXPECT_THROW(element("a", {{"href", url}}, {}), ShapeError) << url;
  for (const char* url : {"#map", "data:image/jpeg;base64,AA==", "assets/t1.jpg"})
    EXPECT_NO_THROW(element("a", {{"href", url}}, {})) << url;
}

}  // namespace
}  // namespace diptych::report

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <regex>
#include <set>

#include "diptych/core/io/json.h"
#include "support/browser.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/tiny_corpus.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

const std::string kHostileName = "<img src=x onerror=alert(1)> \"q\" 'e\xcc\x81' \xe2\x80\xae.png";
const Words kHostileCaptions = {"<script>alert(1)</script>",
                                "\"><svg onload=alert(2)> 'single' & \"double\"",
                                "</script><!-- javascript:alert(3) -->",
                                "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d \xe2\x80\xae reversed \xe2\x81\xa6",
                                "a dog \xf0\x9f\x90\x95 and a family \xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9",
                                "long " + std::string(10'240, 'x')};

/// Gives the test split hostile captions and one image a hostile name.
void poison(const fs::path& set) {
  std::istringstream lines(slurp(set / "set.jsonl"));
  std::string out;
  size_t next = 0;
  bool renamed = false;
  for (std::string line; std::getline(lines, line);) {
    Json row = Json::parse(line);
    if (row["split"] == "test") {
      for (auto& caption : row["captions"])
        caption = kHostileCaptions[next % kHostileCaptions.size()] + " " + std::to_string(next), ++next;
      if (!renamed) {
        fs::rename(set / "images" / row["image"].get<std::string>(), set / "images" / kHostileName);
        row["image"] = kHostileName, renamed = true;
      }
    }
    out += row.dump() + "\n";
  }
  std::ofstream(set / "set.jsonl", std::ios::binary) << out;
}

/// Names of elements and attributes of a page, with scripts and styles passed over.
struct Markup {
  std::set<std::string> elements, attributes;
  std::vector<std::string> addresses;
  int scripts = 0;
};
Markup markup_of(const std::string& html) {
  Markup out;
  static const std::regex attribute(R"re(\s([a-zA-Z-]+)="([^"]*)")re");
  for (size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at)) {
    const size_t end = html.find('>', at);
    const std::string tag = html.substr(at + 1, end - at - 1);
    at = end;
    const std::string name = tag.substr(0, tag.find_first_of(" \n"));
    if (name.starts_with('/') || name.starts_with('!')) continue;
    out.elements.insert(name);
    if (tag.find("data:image/jpeg") == std::string::npos)
      for (std::sregex_iterator i(tag.begin(), tag.end(), attribute), none; i != none; ++i) {
        out.attributes.insert((*i)[1]);
        if ((*i)[1] == "href" || (*i)[1] == "src") out.addresses.push_back((*i)[2]);
      }
    if (name != "script" && name != "style") continue;
    out.scripts += name == "script";
    at = html.find("</" + name + ">", at);
  }
  return out;
}

size_t occurrences(const std::string& text, const std::string& word) {
  size_t out = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++out;
  return out;
}

std::string without_footer(const std::string& html) {
  return html.substr(0, html.find("<footer>")) + html.substr(html.find("</footer>"));
}

/// Two finished runs on a hostile corpus.
class Report : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempDir>();
    write_tiny_config(dir());
    poison(dir() / "set");
    for (const auto& [run, override_text] : {std::pair{"a", "seed=3"}, std::pair{"b", "seed=4"}}) {
      const auto trained = run_program({"train", "-c", "tiny.yaml", "--run-dir", run, override_text}, dir());
      ASSERT_EQ(trained.exit_code, 0) << trained.err;
    }
  }
  static void TearDownTestSuite() { shared_.reset(); }
  static fs::path dir() { return shared_->path(); }

  static ProcessResult report(Words arguments) {
    arguments.insert(arguments.begin(), "report");
    for (const char* word : {"--map-points", "12"}) arguments.push_back(word);
    return run_program(arguments, dir());
  }
  static std::string page(const Words& arguments) {
    const ProcessResult result = report(arguments);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return slurp(dir() / "page.html");
  }
  /// A copy of run a in which one file holds other bytes; the report must refuse it and keep the old page.
  static void expect_refusal(const std::string& file, const std::string& bytes, const Words& words) {
    fs::remove_all(dir() / "broken");
    fs::copy(dir() / "a", dir() / "broken", fs::copy_options::recursive);
    std::ofstream(dir() / "broken" / file, std::ios::binary) << bytes;
    std::ofstream(dir() / "page.html") << "the old page";
    const ProcessResult result = report({"broken", "-o", "page.html"});
    EXPECT_EQ(result.exit_code, 4) << file << ": " << result.err;
    for (const std::string& word : words) EXPECT_THAT(result.err, HasSubstr(word));
    EXPECT_EQ(slurp(dir() / "page.html"), "the old page");
  }
  static std::unique_ptr<TempDir> shared_;
};
std::unique_ptr<TempDir> Report::shared_;

TEST_F(Report, HasAllItsParts) {
  const std::string html = page({"a", "b", "-o", "page.html", "--csv"});
  for (const char* id : {"overview", "results", "warnings", "curves", "ranks", "galleries", "false-negatives", "scores",
                         "hubness", "breakdown", "map", "spectrum", "comparison", "reproduce"})
    EXPECT_THAT(html, HasSubstr(std::string("<section id=\"") + id + "\"")) << id;
  EXPECT_THAT(html, HasSubstr("data:image/jpeg;base64,"));
  EXPECT_THAT(slurp(dir() / "summary.md"), HasSubstr("| run |"));
  EXPECT_THAT(slurp(dir() / "metrics-2.csv"), HasSubstr("grad_norm")) << "CSV of the second run";
}

TEST_F(Report, HostileTextStaysText) {
  const std::string html = page({"a", "-o", "page.html"});
  const Markup markup = markup_of(html);
  EXPECT_FALSE(markup.elements.contains("img"));
  for (const std::string& name : markup.attributes) EXPECT_FALSE(name.starts_with("on")) << name;
  EXPECT_EQ(markup.scripts, 1 + static_cast<int>(occurrences(html, "<script type=\"application/json\"")));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"));
  EXPECT_THAT(html, HasSubstr("[U+202E]"));
  EXPECT_THAT(html, Not(HasSubstr("\xe2\x80\xae")));
  EXPECT_THAT(html, HasSubstr("\xf0\x9f\x90\x95"));
  EXPECT_THAT(html, HasSubstr(std::string(10'240, 'x')));
  for (const std::string& address : markup.addresses) EXPECT_TRUE(address.starts_with('#')) << address;
  EXPECT_THAT(html, Not(HasSubstr("url(")));
  EXPECT_THAT(html, HasSubstr("default-src &#39;none&#39;"));
}

TEST_F(Report, NamesNoFolderOfTheMachineUnlessAsked) {
  EXPECT_THAT(page({"a", "-o", "page.html"}), Not(HasSubstr(dir().string())));
  EXPECT_THAT(slurp(dir() / "summary.md"), Not(HasSubstr(dir().string())));
  EXPECT_THAT(page({"a", "-o", "page.html", "--include-host"}), HasSubstr(dir().string()));
}

TEST_F(Report, IsDeterministicApartFromTheDate) {
  const std::string first = page({"a", "b", "-o", "page.html"}), second = page({"a", "b", "-o", "page.html"});
  EXPECT_EQ(without_footer(first), without_footer(second));
}

TEST_F(Report, PicturesMayLieBesideThePage) {
  const std::string html = page({"a", "-o", "page.html", "--assets", "my pictures"});
  EXPECT_THAT(html, Not(HasSubstr("data:image/jpeg;base64,")));
  EXPECT_THAT(html, HasSubstr("href=\"my%20pictures/"));
  EXPECT_FALSE(fs::is_empty(dir() / "my pictures"));
  const Markup markup = markup_of(html);
  for (const std::string& address : markup.addresses)
    if (!address.starts_with('#')) {
      EXPECT_TRUE(fs::exists(dir() / "my pictures" / fs::path(address).filename())) << address;
    }
}

TEST_F(Report, APictureThatIsGoneIsATile) {
  const fs::path image = dir() / "set" / "images" / kHostileName;
  const std::string bytes = slurp(image);
  std::ofstream(image, std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  EXPECT_THAT(page({"a", "-o", "page.html"}), HasSubstr("class=\"tile\""));
  fs::remove(image);
  EXPECT_THAT(page({"a", "-o", "page.html"}), HasSubstr("class=\"tile\""));
  std::ofstream(image, std::ios::binary) << bytes;
}

TEST_F(Report, ARunThatWasNotEvaluatedHasTheRest) {
  fs::remove_all(dir() / "bare");
  fs::copy(dir() / "a", dir() / "bare", fs::copy_options::recursive);
  fs::remove_all(dir() / "bare" / "eval");
  const std::string html = page({"bare", "-o", "page.html"});
  EXPECT_THAT(html, HasSubstr("<section id=\"curves\""));
  EXPECT_THAT(html, HasSubstr("<section id=\"not-available\""));
  EXPECT_THAT(html, HasSubstr("diptych evaluate"));
}

TEST_F(Report, ASmallPageShowsFewerQueries) {
  const auto result = report({"a", "-o", "small.html", "--max-mb", "1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_LE(fs::file_size(dir() / "small.html"), 1'000'000u);
}

TEST_F(Report, MissingAndDamagedRuns) {
  EXPECT_EQ(report({"nowhere", "-o", "page.html"}).exit_code, 4);
  EXPECT_EQ(report({"set", "-o", "page.html"}).exit_code, 4);
  EXPECT_EQ(report({"-o", "page.html"}).exit_code, 2);
  EXPECT_EQ(report({"a", "b"}).exit_code, 2);
  const auto half = [](const std::string& file) {
    const std::string bytes = slurp(dir() / "a" / file);
    return bytes.substr(0, bytes.size() / 2);
  };
  for (const char* file : {"eval/shapes/metrics.json", "eval/shapes/items.jsonl", "eval/shapes/embeddings.safetensors",
                           "eval/shapes/ranks.npz", "eval/shapes/per_query.jsonl", "data.json"})
    expect_refusal(file, half(file), {"broken", fs::path(file).filename().string()});
  Json other = Json::parse(slurp(dir() / "a/eval/shapes/metrics.json"));
  other["v"] = 99;
  expect_refusal("eval/shapes/metrics.json", other.dump(), {"metrics.json", "99"});
}

TEST_F(Report, AnOutputThatCannotBeWrittenKeepsTheOldPage) {
  std::ofstream(dir() / "page.html") << "the old page";
  const rlimit before = [] {
    rlimit limit{};
    getrlimit(RLIMIT_FSIZE, &limit);
    return limit;
  }();
  const rlimit small{20'000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const auto result = report({"a", "-o", "page.html"});
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(result.exit_code, 5) << result.err;
  EXPECT_THAT(result.err, HasSubstr("page.html"));
  EXPECT_EQ(slurp(dir() / "page.html"), "the old page");
  for (const auto& entry : fs::directory_iterator(dir()))
    EXPECT_FALSE(entry.path().filename().string().starts_with(".tmp-"));
  std::ofstream(dir() / "file") << "x";
  EXPECT_EQ(report({"a", "-o", "file/page.html"}).exit_code, 5);
  EXPECT_EQ(report({"a", "-o", "set"}).exit_code, 5);
}

/// The page of both runs in a browser. Skipped where there is none.
class ReportInBrowser : public Report {
 protected:
  void SetUp() override {
    const std::string program = chromium_program();
    if (program.empty()) GTEST_SKIP() << "no Chromium found: set CHROMIUM to its path to run this test";
    file_ = dir() / "page.html";
    page({"a", "b", "-o", "page.html"});
    browser_ = std::make_unique<Browser>(program);
    browser_->open_page(file_);
  }
  void TearDown() override {
    if (!browser_) return;
    EXPECT_THAT(browser_->complaints(file_), ::testing::IsEmpty());
  }
  int64_t count(const std::string& expression) { return browser_->evaluate(expression).get<int64_t>(); }
  void type(const std::string& field, const std::string& text) {
    browser_->evaluate("document.getElementById('" + field + "').focus()");
    browser_->call("Input.insertText", {{"text", text}});
  }
  fs::path file_;
  std::unique_ptr<Browser> browser_;
};

constexpr const char* kVisibleCards =
    "Array.from(document.querySelectorAll('#gallery article')).filter(e => e.offsetHeight > 0).length";

TEST_F(ReportInBrowser, HostileTextMakesNoElement) {
  EXPECT_EQ(count("document.images.length"), 0);
  EXPECT_EQ(count("document.querySelectorAll('script:not([type])').length"), 1);
  EXPECT_EQ(count("document.querySelectorAll('main script, iframe, object, form, base, link').length"), 0);
  EXPECT_GT(count("document.body.textContent.split('<script>alert(1)</script>').length"), 1);
}

TEST_F(ReportInBrowser, SearchesTheGalleries) {
  const int64_t before = count(kVisibleCards);  // one group of one direction of one run
  EXPECT_GT(before, 1);
  type("gallery-filter", "<SCRIPT>alert(1) 0");
  const int64_t found = count(kVisibleCards);
  const std::string said = browser_->evaluate("document.querySelector('#galleries output').textContent");
  EXPECT_GT(found, 0);
  EXPECT_LT(found, count("document.querySelectorAll('#gallery article').length"));
  EXPECT_TRUE(said.starts_with(std::to_string(found) + " of ")) << said;
  type("gallery-filter", " nowhere");
  EXPECT_EQ(count(kVisibleCards), 0);
}

TEST_F(ReportInBrowser, ButtonsChooseAndSort) {
  const int64_t before = count(kVisibleCards);
  browser_->evaluate("document.querySelector('#gallery .chips button').click()");  // All
  EXPECT_GT(count(kVisibleCards), before);
  const std::string column =
      "Array.from(document.querySelector('#results-0').tBodies[0].rows).map(r => Number(r.cells[1].dataset.v))";
  for (const bool descending : {true, false}) {
    browser_->evaluate("document.querySelectorAll('#results-0 thead button')[1].click()");
    const auto values = browser_->evaluate(column).get<std::vector<double>>();
    EXPECT_TRUE(descending ? values[0] >= values[1] : values[0] <= values[1]);
    EXPECT_EQ(browser_->evaluate("document.querySelectorAll('#results-0 th')[1].getAttribute('aria-sort')"),
              descending ? "descending" : "ascending");
  }
}

TEST_F(ReportInBrowser, IsUsedWithTheKeyboard) {
  constexpr int kTab = 9, kEnter = 13;
  browser_->press("Tab", kTab);
  EXPECT_EQ(browser_->evaluate("document.activeElement.className"), "skip");
  EXPECT_GE(count("document.activeElement.getBoundingClientRect().left"), 0);
  for (int i = 0; i < 40; ++i) {
    browser_->press("Tab", kTab);
    EXPECT_NE(browser_->evaluate("getComputedStyle(document.activeElement).outlineStyle"), "none")
        << browser_->evaluate("document.activeElement.outerHTML.slice(0, 200)");
  }
  browser_->evaluate("document.querySelector('details > summary').focus()");
  browser_->call(
      "Input.dispatchKeyEvent",
      {{"type", "keyDown"}, {"key", "Enter"}, {"code", "Enter"}, {"text", "\r"}, {"windowsVirtualKeyCode", kEnter}});
  EXPECT_TRUE(browser_->evaluate("document.activeElement.parentElement.open").get<bool>());
}

TEST_F(ReportInBrowser, FitsAPhoneInLightAndDark) {
  browser_->call("Emulation.setDeviceMetricsOverride",
                 {{"width", 390}, {"height", 844}, {"deviceScaleFactor", 1}, {"mobile", true}});
  std::string background;
  for (const char* scheme : {"light", "dark"}) {
    browser_->call("Emulation.setEmulatedMedia",
                   {{"features", {{{"name", "prefers-color-scheme"}, {"value", scheme}}}}});
    EXPECT_LE(count("document.documentElement.scrollWidth"), 390) << scheme;
    const std::string colour = browser_->evaluate("getComputedStyle(document.body).backgroundColor");
    EXPECT_NE(colour, background);
    background = colour;
  }
}

TEST_F(ReportInBrowser, ShowsEverythingWithoutScripts) {
  browser_->call("Emulation.setScriptExecutionDisabled", {{"value", true}});
  browser_->open_page(file_);
  EXPECT_EQ(count(kVisibleCards), count("document.querySelectorAll('#gallery article').length"));
  EXPECT_EQ(count("document.querySelectorAll('.chips').length"), 0);
}

TEST_F(Report, PrintsWhatItWrote) {
  const auto result = report({"a", "-o", "page.html", "--json"});
  const Json document = Json::parse(result.out);
  EXPECT_EQ(document["files"].size(), 2u);
  EXPECT_GT(document["bytes"].get<int64_t>(), 10'000);
}

}  // namespace
}  // namespace diptych::testing

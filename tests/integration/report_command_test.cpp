#include <gmock/gmock.h>
#include <sys/resource.h>

#include <regex>
#include <set>

#include "diptych/core/io/json.h"
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

TEST_F(Report, PrintsWhatItWrote) {
  const auto result = report({"a", "-o", "page.html", "--json"});
  const Json document = Json::parse(result.out);
  EXPECT_EQ(document["files"].size(), 2u);
  EXPECT_GT(document["bytes"].get<int64_t>(), 10'000);
}

}  // namespace
}  // namespace diptych::testing

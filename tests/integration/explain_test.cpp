#include <gtest/gtest.h>

#include <fstream>

#include "diptych/core/io/json.h"
#include "support/program_suite.h"
#include "support/tiny_corpus.h"

// `data synth positions`, the protocol "positions" and `explain`, as a process.
namespace diptych::testing {
namespace {

namespace fs = std::filesystem;

/// Two runs of one epoch: on shapes and on positions.
class Explain : public ProgramSuite<Explain> {
 public:
  static void prepare() {
    write_tiny_config(dir());
    must({"train", "-c", "tiny.yaml", "--run-dir", "shapes", "train.stages.0.epochs=1", "model.image.stride=16"});
    must({"data", "synth", "positions", "-o", "pairs", "--images", "64"});
    must({"train", "-c", "tiny.yaml", "--run-dir", "positions", "data.corpus.root=pairs",
          "evaluate.protocol={type: positions}", "evaluate.select=val/t2i/left_right", "model.image.pool=grid",
          "model.image.grid=1", "data.sampler={type: unique_images, keep_pairs: true}"});
  }

 protected:
  static std::string picture() { return "set/images/test-00000.jpg"; }
};

TEST_F(Explain, PositionsAreMeasuredForARun) {
  const Json document = Json::parse(must({"evaluate", "positions", "--json", "--out", "again"}).out);
  const Json& metrics = document["results"][0]["metrics"];
  for (const char* name : {"i2t/left_right", "t2i/inside_outside", "group/all", "pair-accuracy"})
    EXPECT_TRUE(metrics.contains(name)) << name;
  EXPECT_TRUE(fs::exists(dir() / "again/positions/pairs.jsonl"));
  const std::string text = must({"evaluate", "positions", "--split", "val", "--out", "again"}).out;
  EXPECT_NE(text.find("chance 50 %"), std::string::npos) << text;
  EXPECT_NE(text.find("larger_smaller"), std::string::npos) << text;
}

TEST_F(Explain, PositionsNeedPairs) {
  expect_failure({"evaluate", "shapes", "--protocol", "positions", "--out", "none"}, 3,
                 {"no image has a partner", "data synth positions"});
  expect_failure({"data", "synth", "positions", "-o", "odd", "--images", "12"}, 2, {"multiple of 8"});
  expect_failure({"data", "synth", "shapes", "-o", "odd", "--shuffled"}, 2, {"--shuffled", "positions"});
}

TEST_F(Explain, WritesOneOfflinePage) {
  const auto result = must({"explain", "shapes", "--image", picture(), "--text", "a big red zebra", "-o", "page.html"});
  EXPECT_NE(result.out.find("zebra (unknown)"), std::string::npos) << result.out;
  const bool places = result.out.find("most relevant place") != std::string::npos;
  EXPECT_NE(places, result.out.find("no place of the picture") != std::string::npos) << result.out;
  const std::string page = slurp(dir() / "page.html");
  for (const char* word :
       {"a big red zebra", "Grad-CAM", "data:image/jpeg;base64,", "read as &lt;unk&gt;", "every word"})
    EXPECT_NE(page.find(word), std::string::npos) << word;
  for (const char* scheme : {"http:", "https:"})
    EXPECT_EQ(page.find(scheme), std::string::npos) << "an address outside the file";
}

TEST_F(Explain, ClosedFormAndAutogradAgree) {
  for (const std::string run : {"shapes", "positions"}) {
    const Json document =
        Json::parse(must({"explain", run, "--image", picture(), "--text", "a red circle", "--json"}).out);
    const Json& explanation = document["explanation"];
    ASSERT_TRUE(explanation["closed_form_difference"].is_number());
    EXPECT_LT(explanation["closed_form_difference"].get<double>(), 1e-5);
    EXPECT_EQ(explanation["words"].size(), 3u);
    EXPECT_EQ(explanation["relevance"].size(), run == "shapes" ? 2u : 1u);  // 32 pixels, strides 16 and 32
  }
}

TEST_F(Explain, HostileTextStaysText) {
  must({"explain", "shapes", "--image", picture(), "--text", "red <script>alert(1)</script> \"'&", "-o",
        "hostile.html"});
  const std::string page = slurp(dir() / "hostile.html");
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
}

TEST_F(Explain, LongAndUnknownTextsAreExplainedAndSaidToBe) {
  const auto explained = [&](const std::string& text) {
    return must({"explain", "shapes", "--image", picture(), "--text", text, "-o", "odd.html"}).out;
  };
  std::string many;
  for (int i = 0; i < 2500; ++i) many += "red ";  // 10 kB
  EXPECT_NE(explained(many).find("2460 more words"), std::string::npos);
  EXPECT_NE(slurp(dir() / "odd.html").find("2460 words beyond"), std::string::npos);
  EXPECT_NE(explained(std::string(10000, 'r')).find("none of these words"), std::string::npos);
  EXPECT_NE(slurp(dir() / "odd.html").find("none of these words"), std::string::npos);
  EXPECT_EQ(explained("red zebra").find("none of these words"), std::string::npos);
  EXPECT_NE(explained("a \xff red \xf0\x9f\x90\x95 \xd7\x9b").find("red"),
            std::string::npos);  // broken UTF-8, emoji, RTL
}

TEST_F(Explain, ADamagedOrForeignRunIsNamed) {
  const Words rest = {"--image", picture(), "--text", "a red circle"};
  const auto explain = [&](const char* run) { return Words{"explain", run, rest[0], rest[1], rest[2], rest[3]}; };
  fs::copy(dir() / "shapes", dir() / "cut", fs::copy_options::recursive);
  fs::remove_all(dir() / "cut/checkpoints");
  expect_failure(explain("cut"), 4, {"cut", "checkpoint"});
  fs::copy(dir() / "shapes", dir() / "foreign", fs::copy_options::recursive);
  std::string config = slurp(dir() / "foreign/config.resolved.yaml");
  config.insert(config.find("experiment:"), "from_the_future: 7\n");
  std::ofstream(dir() / "foreign/config.resolved.yaml") << config;
  expect_failure(explain("foreign"), 2, {"config.resolved.yaml", "from_the_future"});
}

TEST_F(Explain, NothingThatIsThereIsLost) {
  fs::copy_file(dir() / picture(), dir() / "mine.jpg");
  const std::string before = slurp(dir() / "mine.jpg");
  expect_failure({"explain", "shapes", "--image", "mine.jpg", "--text", "red", "-o", "./mine.jpg"}, 2,
                 {"the picture itself"});
  EXPECT_EQ(slurp(dir() / "mine.jpg"), before);
  fs::create_directory(dir() / "folder");
  expect_failure({"explain", "shapes", "--image", "mine.jpg", "--text", "red", "-o", "folder"}, 5, {"directory"});
}

TEST_F(Explain, PairsLandInTheRun) {
  must({"explain", "shapes", "--pairs", "worst:2"});
  const fs::path folder = dir() / "shapes/eval/shapes/explain";
  const Json document = Json::parse(slurp(folder / "explain.json"));
  ASSERT_GE(document["pairs"].size(), 2u);
  EXPECT_TRUE(document["pairs"][0]["match"].get<bool>());
  EXPECT_GT(document["pairs"][0]["rank"].get<int64_t>(), 1);
  EXPECT_TRUE(fs::exists(folder / document["pairs"][0]["picture"].get<std::string>()));
  must({"explain", "shapes", "--pairs", "test-00000#0,test-00001#2"});  // replaces them
  EXPECT_EQ(Json::parse(slurp(folder / "explain.json"))["pairs"][0]["caption"].get<std::string>(), "test-00000#0");
}

TEST_F(Explain, PointingIsMeasuredOnGeneratedCorpora) {
  for (const char* run : {"shapes", "positions"}) {
    const Json document = Json::parse(must({"explain", run, "--pointing", "--split", "val", "--json"}).out);
    const Json& pointing = document["pointing"];
    EXPECT_GT(pointing["queries"].get<int64_t>(), 100);
    EXPECT_GE(pointing["hits"].get<double>(), 0);
    EXPECT_GT(pointing["random"].get<double>(), 0.5);
    EXPECT_LE(pointing["low"].get<double>(), pointing["hits"].get<double>());
  }
}

TEST_F(Explain, MistakesAreNamed) {
  expect_failure({"explain"}, 2, {"no run", "--image"});
  expect_failure({"explain", "nowhere", "--pointing"}, 4, {"nowhere"});
  expect_failure({"explain", "shapes"}, 2, {"--pairs", "--pointing"});
  expect_failure({"explain", "shapes", "--image", picture()}, 2, {"--text"});
  expect_failure({"explain", "shapes", "--text", "x", "--pointing"}, 2, {"expected one of"});
  expect_failure({"explain", "shapes", "--pointing", "-o", "x.html"}, 2, {"-o"});
  expect_failure({"explain", "shapes", "--image", picture(), "--text", "?!"}, 2, {"holds no word"});
  expect_failure({"explain", "shapes", "--image", picture(), "--text", ""}, 2, {"holds no word"});
  expect_failure({"explain", "shapes", "--image", "set/images", "--text", "x"}, 3, {"is a directory"});
  expect_failure({"explain", "shapes", "--image", picture(), "--text", "x", "data.image.max_megapixels=0.001"}, 3,
                 {"megapixels"});
  expect_failure({"explain", "shapes", "--image", "absent.jpg", "--text", "x"}, 3, {"absent.jpg"});
  expect_failure({"explain", "shapes", "--image", "set/set.jsonl", "--text", "x"}, 3, {"set.jsonl"});
  expect_failure({"explain", "shapes", "--image", picture(), "--text", "x", "-o", "no/such/folder.html"}, 5,
                 {"folder.html"});
  expect_failure({"explain", "shapes", "--pairs", "wurst:8"}, 2, {"worst"});
  expect_failure({"explain", "shapes", "--pairs", "worst:0"}, 2, {"1 to 200"});
  expect_failure({"explain", "shapes", "--pairs", "nobody#0"}, 2, {"nobody#0"});
  expect_failure({"explain", "shapes", "--pointing", "--split", "train"}, 2, {"val or test"});
}

}  // namespace
}  // namespace diptych::testing

#include <gtest/gtest.h>

#include <fstream>

#include "diptych/core/io/json.h"
#include "support/program_suite.h"
#include "support/tiny_corpus.h"

// A model whose scorer is a network over pairs (sm_lstm), through every command that meets it.
namespace diptych::testing {
namespace {

namespace fs = std::filesystem;

class Pairwise : public ProgramSuite<Pairwise> {
 public:
  static void prepare() {
    write_tiny_config(dir());
    must(train("run"));
  }

 protected:
  static Words train(const std::string& run, const std::string& variant = "full",
                     const std::string& objective =
                         "{type: bidirectional_triplet, mining: sum}, "
                         "{type: attention_penalty, weight: 0.1}") {
    return {
        "train",
        "-c",
        "tiny.yaml",
        "--run-dir",
        run,
        "model.scorer={type: sm_lstm, steps: 2, hidden: 12, attention: 10, tile_pairs: 100, variant: " + variant + "}",
        "model.image.stride=8",
        "objective=[" + objective + "]"};
  }
};

TEST_F(Pairwise, IsEvaluatedUnderTheProtocolAndSaysWhoScored) {
  const std::string table = must({"evaluate", "run", "--out", "again"}).out;
  EXPECT_NE(table.find("sm_lstm full, 2 steps"), std::string::npos) << table;
  const Json one = Json::parse(must({"evaluate", "run", "--out", "one", "--json"}).out);
  const Json two = Json::parse(must({"evaluate", "run", "--out", "two", "--json", "evaluate.batch_size=3"}).out);
  EXPECT_EQ(one["results"][0]["metrics"]["rsum"], two["results"][0]["metrics"]["rsum"]) << "blocks changed the ranks";
}

// The second stage trains on cached maps; every stage is resumed exactly.
TEST_F(Pairwise, ResumesExactly) {
  bool killed = false;
  const ProcessResult cut = run_program(train("cut"), dir(), [&](pid_t pid) {
    if (!killed && fs::exists(dir() / "cut/checkpoints/step-00000006")) kill(pid, SIGKILL), killed = true;
  });
  ASSERT_EQ(cut.signal, SIGKILL) << "it was over before it could be killed";
  must({"train", "--resume", "cut"});
  EXPECT_EQ(slurp(dir() / "run/metrics.jsonl"), slurp(dir() / "cut/metrics.jsonl"));
}

TEST_F(Pairwise, IsExplainedWithItsAttention) {
  const Json page = Json::parse(must({"explain", "run", "--image", "set/images/test-00000.jpg", "--text",
                                      "a large red circle", "-o", "page.html", "--json"})
                                    .out);
  const Json& attention = page["explanation"]["attention"];
  ASSERT_EQ(attention.size(), 2u) << page.dump(1);
  EXPECT_EQ(attention[0]["name"], "step 1");
  EXPECT_EQ(attention[0]["map"].size(), 4u);
  EXPECT_EQ(attention[0]["words"].size(), 4u);
  EXPECT_NE(slurp(dir() / "page.html").find("attention: step 2"), std::string::npos);
}

TEST_F(Pairwise, AttentionOfChosenPairsIsSavedAndReported) {
  must({"explain", "run", "--pairs", "test-00000#0,test-00001#1"});
  const Json saved = Json::parse(slurp(dir() / "run/eval/shapes/explain/explain.json"));
  EXPECT_EQ(saved["pairs"][0]["caption"], "test-00000#0");
  for (const Json& pair : saved["pairs"]) {
    ASSERT_EQ(pair["attention"].size(), 2u) << pair.dump(1);
    for (const Json& step : pair["attention"]) {
      double places = 0, words = 0;
      for (const Json& row : step["map"])
        for (const Json& weight : row) places += weight.get<double>();
      for (const Json& weight : step["words"]) words += weight.get<double>();
      EXPECT_NEAR(places, 1, 1e-4);
      EXPECT_NEAR(words, 1, 1e-4);
    }
  }
  must({"report", "run", "-o", "report.html"});
  EXPECT_NE(slurp(dir() / "report.html").find("attention: step 2"), std::string::npos);
}

TEST_F(Pairwise, CannotBeIndexedOrExported) {
  expect_failure({"encode", "run", "--images", "set/images", "-o", "images.safetensors"}, 2, {"compares pairs"});
  expect_failure({"export", "run", "-o", "exported"}, 2, {"scorer"});
}

TEST_F(Pairwise, NeedsALossOfScores) {
  expect_failure(train("none", "full", "{type: cmpm}"), 2, {"sm_lstm", "no term", "bidirectional_triplet"});
  expect_failure(train("mean", "mean"), 2, {"attention_penalty", "no attention"});
}

}  // namespace
}  // namespace diptych::testing

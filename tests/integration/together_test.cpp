#include <gtest/gtest.h>

#include "diptych/core/io/json.h"
#include "support/program_suite.h"
#include "support/tiny_corpus.h"

// Several runs in one evaluation: ensembles, and shortlists of a run of embeddings for one that compares pairs.
namespace diptych::testing {
namespace {

namespace fs = std::filesystem;

class Together : public ProgramSuite<Together> {
 public:
  static void prepare() {
    write_tiny_config(dir());
    must({"train", "-c", "tiny.yaml", "--run-dir", "fast",
          "published={shapes: 'rsum 0.1', shapes-ensemble-2: 'rsum 900', tolerance: 1}"});
    must({"train", "-c", "tiny.yaml", "--run-dir", "pairs",
          "model.scorer={type: sm_lstm, steps: 2, hidden: 12, attention: 10}", "model.image.stride=8",
          "objective=[{type: bidirectional_triplet, mining: sum}]"});
    must({"data", "synth", "shapes", "-o", "other", "--images", "32", "--seed", "9"});
    must({"train", "-c", "tiny.yaml", "--run-dir", "elsewhere", "data.corpus.root=other"});
  }

 protected:
  static Json evaluated(Words arguments) {
    arguments.insert(arguments.begin(), "evaluate");
    arguments.push_back("--json");
    return Json::parse(must(arguments).out)["results"][0];
  }
  static std::string description(const Json& result) { return result["description"].get<std::string>(); }
  /// The one folder of pairs/eval whose name holds `part`.
  static fs::path folder(const std::string& run, const std::string& part) {
    for (const auto& entry : fs::directory_iterator(dir() / run / "eval"))
      if (entry.path().filename().string().find(part) != std::string::npos) return entry.path();
    ADD_FAILURE() << "no " << part << " in " << run << "/eval";
    return {};
  }
};

// Twice the same scores: the same ranks.
TEST_F(Together, AnEnsembleOfARunWithItselfIsTheRun) {
  for (const std::string run : {"fast", "pairs"}) {
    const Json alone = evaluated({run, "-o", "alone"}), twice = evaluated({run, "--ensemble", run, "-o", "twice"});
    EXPECT_EQ(alone["metrics"], twice["metrics"]) << run;
    EXPECT_NE(description(twice).find("ensemble of 2 runs"), std::string::npos) << description(twice);
  }
}

TEST_F(Together, AnEnsembleMixesScorersAndHasAFolderOfItsOwn) {
  const std::string before = slurp(dir() / "pairs/eval/shapes/metrics.json");
  const Json mixed = evaluated({"pairs", "--ensemble", "fast"});
  EXPECT_EQ(mixed["protocol"], "shapes-ensemble-2");
  expect_failure({"evaluate", "pairs", "--ensemble", "fast", "-o", "none", "--expect", "shapes:rsum > 1"}, 2,
                 {"protocol 'shapes' was not evaluated", "shapes-ensemble-2"});
  EXPECT_NE(description(mixed).find("sm_lstm full, 2 steps + cosine"), std::string::npos) << description(mixed);
  EXPECT_EQ(mixed["metrics"], evaluated({"fast", "--ensemble", "pairs", "-o", "turned"})["metrics"]);
  EXPECT_EQ(slurp(dir() / "pairs/eval/shapes/metrics.json"), before) << "the run's own result was overwritten";
  const Json record = Json::parse(slurp(folder("pairs", "shapes-ensemble-2-by-") / "runs.json"));
  EXPECT_EQ(record["runs"][0]["run"], "fast");
  must({"report", "pairs", "-o", "report.html"});
}

// Any run reaches the single model's number of this block, and no ensemble its own.
TEST_F(Together, ReportsCompareAnEnsembleWithAnEnsemblesNumbers) {
  EXPECT_EQ(evaluated({"fast", "--ensemble", "pairs"})["protocol"], "shapes-ensemble-2");
  EXPECT_EQ(evaluated({"fast", "--ensemble", "pairs", "--ensemble", "fast", "-o", "three"})["protocol"],
            "shapes-ensemble-3");
  must({"report", "fast", "-o", "numbers/page.html"});
  const std::string summary = slurp(dir() / "numbers/summary.md");
  const size_t single = summary.find("tiny: reproduced"), missed = summary.find("tiny: not reproduced");
  const size_t title = summary.find("shapes-ensemble-2: ");
  ASSERT_NE(title, std::string::npos) << summary;
  EXPECT_LT(single, title) << summary;
  EXPECT_TRUE(missed > title && missed != std::string::npos) << summary;
  EXPECT_EQ(summary.find("tiny: reproduced", title), std::string::npos) << summary;
}

TEST_F(Together, AShortlistOfEverythingIsTheWholeEvaluation) {
  const Json whole = evaluated({"pairs", "-o", "whole"});
  const Json listed = evaluated({"pairs", "--shortlist", "fast", "--shortlist-k", "100000", "-o", "listed"});
  // Other tiles, other last bits, which part or join equal scores of a model that has hardly learned.
  EXPECT_NEAR(listed["metrics"]["rsum"]["value"].get<double>(), whole["metrics"]["rsum"]["value"].get<double>(), 10);
  EXPECT_EQ(listed["protocol"], "shapes-shortlist-100000");
}

TEST_F(Together, AShortlistScoresFewPairsUnderAProtocolOfItsOwn) {
  const Json listed = evaluated({"pairs", "--shortlist", "fast", "--shortlist-k", "1"});
  EXPECT_EQ(listed["protocol"], "shapes-shortlist-1");
  EXPECT_NE(description(listed).find("shortlist of 1 by cosine"), std::string::npos) << description(listed);
  const Json record = Json::parse(slurp(folder("pairs", "shortlist-1-by-") / "runs.json"));
  const auto images = listed["images"].get<int64_t>(), captions = listed["captions"].get<int64_t>();
  EXPECT_EQ(record["pairs"].get<int64_t>(), images * captions);
  EXPECT_LE(record["pairs_scored"].get<int64_t>(), images + captions);
  EXPECT_GE(record["pairs_scored"].get<int64_t>(), captions);
}

// A scorer of pairs that reads the embeddings alone: over pictures here, over feature files in the recipes.
TEST_F(Together, ASimilarityNetworkIsTrainedAndShortlisted) {
  must({"train", "-c", "tiny.yaml", "--run-dir", "network", "model.scorer={type: similarity_network, hidden: [8]}",
        "objective=[{type: match_logistic}]"});
  const Json whole = evaluated({"network", "-o", "whole"});
  EXPECT_NE(description(whole).find("similarity_network of 1 hidden layers"), std::string::npos);
  const Json listed = evaluated({"network", "--shortlist", "fast", "--shortlist-k", "100000", "-o", "listed"});
  EXPECT_NEAR(listed["metrics"]["rsum"]["value"].get<double>(), whole["metrics"]["rsum"]["value"].get<double>(), 10);
  expect_failure({"encode", "network", "--images", "set/images", "-o", "g.safetensors"}, 2, {"compares pairs"});
  must({"explain", "network", "--image", "set/images/test-00000.jpg", "--text", "a large red circle", "-o", "p.html"});
}

TEST_F(Together, MistakesAreNamed) {
  expect_failure({"evaluate", "fast", "--ensemble", "elsewhere"}, 3, {"elsewhere", "not that of the first run"});
  expect_failure({"evaluate", "fast", "--ensemble", "nowhere"}, 4, {"nowhere", "no such run"});
  expect_failure({"evaluate", "pairs", "--shortlist", "elsewhere"}, 3, {"elsewhere", "not that of the first run"});
  expect_failure({"evaluate", "fast", "--shortlist", "pairs"}, 2, {"compares embeddings", "sm_lstm"});
  expect_failure({"evaluate", "pairs", "--shortlist", "pairs"}, 2, {"compares pairs itself"});
  expect_failure({"evaluate", "pairs", "--shortlist", "fast", "--ensemble", "fast"}, 2, {"do not go together"});
  expect_failure({"evaluate", "pairs", "--shortlist-k", "5"}, 2, {"needs --shortlist"});
  expect_failure({"evaluate", "pairs", "--shortlist", "fast", "--shortlist-k", "0"}, 2, {"at least 1"});
  expect_failure({"evaluate", "pairs", "--shortlist", "fast", "evaluate.rescore.method=csls"}, 2, {"rescore"});
}

}  // namespace
}  // namespace diptych::testing

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "diptych/core/io/json.h"
#include "diptych/core/text.h"
#include "support/program_suite.h"
#include "support/slurp.h"

// Composed retrieval as a user runs it: scenes are drawn, TIRG is trained on their edits, evaluated and asked.

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kComposed = R"(experiment: composed
seed: 2
threads: 1
data:
  corpus: {type: css, root: set}
  image: {height: 32, width: 32, flip: false, normalise: half}
  text: {min_count: 1}
  sampler: {type: modifications}
model:
  image: {type: resnet18, width: 0.125, stride: 16}
  text: {type: lstm, word_dim: 16, hidden: 16}
  image_head: {type: linear, dim: 16}
  text_head: {type: linear, dim: 16}
  scorer: {type: norm_scale}
  composer: {type: tirg_conv}
objective: [{type: tirg_softmax}]
train:
  batch_size: 16
  on_collapse: warn
  stages: [{name: all, epochs: 1, optim: {type: adam, lr: 1e-3}}]
evaluate:
  protocol: {type: css-3d}
)";

class ComposedRuns : public ProgramSuite<ComposedRuns> {
 public:
  static void prepare() {
    std::ofstream(dir() / "composed.yaml") << kComposed;
    must({"data", "synth", "css", "-o", "set", "--train-queries", "200", "--test-queries", "60"});
    const auto trained = must({"train", "-c", "composed.yaml", "--run-dir", "run"});
    EXPECT_THAT(trained.err + trained.out, HasSubstr("css-3d"));
  }
  static std::filesystem::path a_scene() { return dir() / "set/images/css_test_000000.png"; }
};

TEST_F(ComposedRuns, TrainingEndsWithTheRecallOfTheTestQueries) {
  const Json result = parse_json(slurp(dir() / "run/eval/css-3d/metrics.json"), "");
  EXPECT_EQ(result["split"], "test");
  EXPECT_EQ(result["captions"], 60);  // queries
  for (const char* name : {"t2i/R@1", "t2i/R@5", "t2i/R@10", "t2i/R@50"})
    EXPECT_GE(result["metrics"].at(name)["value"].get<double>(), 0) << name;
  EXPECT_FALSE(result["metrics"].contains("i2t/R@1"));
  EXPECT_GT(result["metrics"]["t2i/R@50"]["value"].get<double>(), 0);
}

TEST_F(ComposedRuns, EvaluateGivesTheSameNumbers) {
  must({"evaluate", "run", "--out", "again"});
  EXPECT_EQ(parse_json(slurp(dir() / "again/css-3d/metrics.json"), "")["metrics"],
            parse_json(slurp(dir() / "run/eval/css-3d/metrics.json"), "")["metrics"]);
}

TEST_F(ComposedRuns, AGalleryIsAskedByAPictureAndAText) {
  must({"encode", "run", "--images", "set/images", "-o", "scenes.safetensors"});
  const auto found = must({"search", "scenes.safetensors", "--model", "run", "--image", a_scene().string(), "--text",
                           "make red circle blue", "-o", "page.html", "-k", "3"});
  EXPECT_THAT(found.out, AllOf(HasSubstr("changed by \"make red circle blue\""), HasSubstr("norm_scale")));
  EXPECT_THAT(slurp(dir() / "page.html"), HasSubstr("make red circle blue"));
  const Json one = Json::parse(
      must({"search", "scenes.safetensors", "--image", a_scene().string(), "--text", "make red circle blue", "--json"})
          .out);
  const Json other = Json::parse(
      must({"search", "scenes.safetensors", "--image", a_scene().string(), "--text", "remove red circle", "--json"})
          .out);
  EXPECT_NE(one["queries"][0]["results"][0]["score"], other["queries"][0]["results"][0]["score"]);
}

TEST_F(ComposedRuns, ComposedFeaturesAreDrawn) {
  const std::vector<std::string> call{"reconstruct", "run", "-o",     "drawn.html", "--steps", "30",
                                      "--queries",   "3",   "--size", "16",         "--json"};
  const Json result = Json::parse(must(call).out);
  ASSERT_EQ(result["queries"].size(), 3u);
  for (const Json& query : result["queries"]) {
    EXPECT_EQ(query["nearest"].size(), 5u);
    for (const Json& found : query["nearest"]) EXPECT_NE(found["id"], query["source"]);
  }
  EXPECT_GT(result["test_error"].get<double>(), 0);
  EXPECT_LT(result["test_error"].get<double>(), 1);
  EXPECT_GT(result["mean_picture_error"].get<double>(), 0);
  EXPECT_THAT(slurp(dir() / "drawn.html"), AllOf(HasSubstr("decoded composed feature"), HasSubstr("data:image/jpeg"),
                                                 HasSubstr(result["queries"][0]["change"].get<std::string>())));
  EXPECT_EQ(Json::parse(must(call).out), result);  // the same seed, the same decoder
}

TEST_F(ComposedRuns, WhatCannotBeDrawnIsSaid) {
  expect_failure({"reconstruct", "-o", "x.html"}, 2, {"no run"});
  expect_failure({"reconstruct", "run"}, 2, {"no page"});
  expect_failure({"reconstruct", "run", "-o", "x.png"}, 2, {".html"});
  expect_failure({"reconstruct", "run", "-o", "x.html", "--size", "48"}, 2, {"48", "64"});
  expect_failure({"reconstruct", "run", "-o", "nowhere/x.html"}, 5, {"nowhere/x.html"});
  expect_failure({"reconstruct", "set", "-o", "x.html"}, 4, {"set"});
  must({"data", "synth", "shapes", "-o", "shapes", "--images", "32"});
  must({"train", "-c", "composed.yaml", "--run-dir", "matching",
        "data.corpus={type: jsonl, root: shapes, annotations: set.jsonl}", "data.sampler={type: shuffled_pairs}",
        "model.composer={type: none}", "objective=[{type: infonce}]", "evaluate.protocol={type: image-retrieval}"});
  expect_failure({"reconstruct", "matching", "-o", "x.html"}, 2, {"composes no queries"});
}

TEST_F(ComposedRuns, WhatDoesNotGoTogetherIsSaid) {
  must({"encode", "run", "--images", "set/images", "-o", "gallery.safetensors"});
  expect_failure({"search", "gallery.safetensors", "blue circle"}, 2, {"--image FILE --text"});
  expect_failure({"train", "-c", "composed.yaml", "--run-dir", "none", "model.composer.type=none"}, 2,
                 {"model.composer.type", "tirg_fc"});
  expect_failure({"train", "-c", "composed.yaml", "--run-dir", "none", "data.sampler.type=shuffled_pairs"}, 2,
                 {"data.sampler.type", "modifications"});
  must({"train", "-c", "composed.yaml", "--run-dir", "few", "--dry-run", "train.limit_images=150"});
  expect_failure({"export", "run", "-o", "exported"}, 2, {"model.composer", "no Python form"});
  expect_failure({"explain", "run", "--image", a_scene().string(), "--text", "x", "-o", "x.html"}, 2, {"composes"});
}

const char* const kComposeAeTerms =
    "objective=[{type: tirg_softmax}, {type: rotation_symmetry, weight: 0.01}, {type: reconstruction, weight: 0.1}, "
    "{type: reconstruction, of: text, weight: 0.1}]";

TEST_F(ComposedRuns, ComposeAeTrainsWithAllItsTerms) {
  // frozen pictures from the cache, then all of it in bf16
  must({"train", "-c", "composed.yaml", "--run-dir", "compose-ae", "model.composer={type: compose_ae, channels: 4}",
        kComposeAeTerms, "log.every_steps=1", "precision=bf16",
        "train.stages=[{name: cached, epochs: 1, freeze: [model.image], augment: none}, {name: all, epochs: 1}]"});
  std::istringstream lines(slurp(dir() / "compose-ae/metrics.jsonl"));
  int steps = 0;
  for (std::string line; std::getline(lines, line);) {
    const Json row = Json::parse(line);
    if (row["kind"] != "train") continue;
    ++steps;
    const auto term = [&](const char* name) { return row.at(name).get<double>(); };
    EXPECT_GT(term("rotation_symmetry"), 0);
    const double sum = term("tirg_softmax") + 0.01 * term("rotation_symmetry") + 0.1 * term("reconstruction") +
                       0.1 * term("reconstruction_2");
    EXPECT_NEAR(term("loss"), sum, 1e-5 * sum) << line;
  }
  EXPECT_GT(steps, 10);
  EXPECT_EQ(parse_json(slurp(dir() / "compose-ae/eval/css-3d/metrics.json"), "")["captions"], 60);
}

TEST_F(ComposedRuns, TermsThatTheModelCannotServeAreRefused) {
  expect_failure({"train", "-c", "composed.yaml", "--run-dir", "none", kComposeAeTerms}, 2,
                 {"rotation_symmetry", "no way back", "compose_ae"});
  must({"train", "-c", "composed.yaml", "--run-dir", "none", "--dry-run",
        "objective=[{type: tirg_softmax}, {type: rotation_symmetry, weight: 0}, {type: reconstruction}]"});
}

// Its score depends on query and target together: no vectors to multiply, tiles and lists come from the scorer itself.
TEST_F(ComposedRuns, ArtemisTrainsEvaluatesReportsAndSearches) {
  must({"train", "-c", "composed.yaml", "--run-dir", "artemis", "model.composer={type: artemis}",
        "model.scorer={type: artemis}",
        "train.stages=[{name: cached, epochs: 1, freeze: [model.image], augment: none}, {name: all, epochs: 1}]"});
  const Json result = parse_json(slurp(dir() / "artemis/eval/css-3d/metrics.json"), "");
  EXPECT_EQ(result["captions"], 60);
  EXPECT_GT(result["metrics"]["t2i/R@50"]["value"].get<double>(), 0);
  EXPECT_FALSE(result["collapsed"].get<bool>());
  must({"evaluate", "artemis", "--out", "artemis-again"});
  EXPECT_EQ(parse_json(slurp(dir() / "artemis-again/css-3d/metrics.json"), "")["metrics"], result["metrics"]);
  must({"evaluate", "artemis", "--ensemble", "run", "-o", "artemis-and-tirg"});
  must({"report", "artemis", "-o", "artemis.html"});
  EXPECT_THAT(slurp(dir() / "artemis.html"),
              AllOf(HasSubstr("composed queries"), HasSubstr("Spectrum and modality gap")));

  must({"encode", "artemis", "--images", "set/images", "-o", "artemis.safetensors"});
  const auto best = [](const std::string& text) {
    const auto found = must({"search", "artemis.safetensors", "--model", "artemis", "--image", a_scene().string(),
                             "--text", text, "--json"});
    return Json::parse(found.out)["queries"][0]["results"][0]["score"];
  };
  EXPECT_NE(best("make red circle blue"), best("remove red circle"));
  expect_failure({"search", "artemis.safetensors", "--model", "artemis", "--image", a_scene().string()}, 2, {"--text"});
  expect_failure({"reconstruct", "artemis", "-o", "never.html"}, 2, {"no embeddings"});
}

TEST_F(ComposedRuns, ArtemisGoesWithItsScorerAndLossesOfScoresOnly) {
  const auto refused = [](const std::string& composer, const std::string& scorer, const std::string& loss,
                          const Words& words) {
    expect_failure({"train", "-c", "composed.yaml", "--run-dir", "none", "model.composer={type: " + composer + "}",
                    "model.scorer={type: " + scorer + "}", "objective=[{type: tirg_softmax}" + loss + "]"},
                   2, words);
  };
  refused("artemis", "norm_scale", "", {"model.scorer: norm_scale", "go together"});
  refused("tirg_fc", "artemis", "", {"model.scorer: artemis", "go together"});
  refused("artemis", "artemis", ", {type: reconstruction}", {"model.composer: artemis", "compares embeddings"});
}

TEST_F(ComposedRuns, TheReportShowsQueriesWithTheirChange) {
  must({"report", "run", "-o", "report.html"});
  const std::string page = slurp(dir() / "report.html"), items = slurp(dir() / "run/eval/css-3d/items.jsonl");
  int shown = 0;  // of the changes that were asked for
  for (const std::string& line : split(items, '\n')) {
    const Json item = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (item.is_object() && item.contains("text"))
      shown += page.find(item["text"].get<std::string>()) != std::string::npos;
  }
  EXPECT_GE(shown, 12);
}

TEST_F(ComposedRuns, AnEnsembleAddsTheScoresOfTheSameQueries) {
  const Json alone = Json::parse(must({"evaluate", "run", "--json", "-o", "alone"}).out);
  const Json twice = Json::parse(must({"evaluate", "run", "--ensemble", "run", "--json", "-o", "twice"}).out);
  EXPECT_EQ(twice["results"][0]["metrics"], alone["results"][0]["metrics"]);
  must({"data", "synth", "css", "-o", "other", "--train-queries", "200", "--test-queries", "60", "--seed", "9"});
  must({"train", "-c", "composed.yaml", "--run-dir", "run-other", "data.corpus.root=other"});
  expect_failure({"evaluate", "run", "--ensemble", "run-other", "-o", "none"}, 3, {"not that of the first run"});
}

}  // namespace
}  // namespace diptych::testing

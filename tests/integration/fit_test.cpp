#include <gmock/gmock.h>

#include <fstream>

#include "diptych/core/io/json.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/tiny_corpus.h"

// Stages that fit in closed form, as a user runs them.

namespace diptych::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

class FitStages : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempDir>();
    const auto made = run_program({"data", "synth", "shapes", "-o", "set", "--images", "96"}, dir());
    ASSERT_EQ(made.exit_code, 0) << made.err;
    write("cca.yaml", "tfidf, pca: 12", "[]", "linear, dim: 8", "{name: cca, epochs: 1, fit: {type: cca, power: 2}}");
    write("deep.yaml", "tfidf", "[{type: dcca}]", "mlp, dim: 6, hidden: 16, bn: false",
          "{name: words, epochs: 1, fit: {type: text}}, "
          "{name: deep, epochs: 2, freeze: [model.image], augment: none, optim: {type: adam, lr: 1e-3}}, "
          "{name: cca, epochs: 1, fit: {type: cca, of: embeddings}}");
  }
  static void TearDownTestSuite() { shared_.reset(); }
  static void write(const std::string& file, const std::string& text, const std::string& objective,
                    const std::string& head, const std::string& stages) {
    shared_->write(file, R"(experiment: fit
seed: 3
threads: 1
data:
  corpus: {type: jsonl, root: set, annotations: set.jsonl}
  image: {height: 32, width: 32, normalise: half}
  text: {min_count: 1}
model:
  image: {type: mobilenet_v2, width: 0.1, stride: 8, blocks: 3}
  text: {type: )" + text + R"(}
  image_head: {type: )" + head +
                             R"(}
  text_head: {type: )" + head +
                             R"(}
objective: )" + objective + R"(
train:
  batch_size: 32
  on_collapse: warn
  stages: [)" + stages + R"(]
evaluate: {protocol: {type: shapes}, flip_sum: true}
log: {every_steps: 1}
)");
  }
  static ProcessResult train(const std::string& config, const std::string& run, const Words& more = {}) {
    Words arguments = {"train", "-c", config, "--run-dir", run};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments, dir());
  }
  static fs::path dir() { return shared_->path(); }
  static std::unique_ptr<TempDir> shared_;
};
std::unique_ptr<TempDir> FitStages::shared_;

TEST_F(FitStages, CcaIsARunLikeAnyOther) {
  const auto trained = train("cca.yaml", "cca");
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("cca: "));
  EXPECT_THAT(slurp(dir() / "cca/metrics.jsonl"), HasSubstr("cca_correlation_sum"));
  EXPECT_EQ(slurp(dir() / "cca/STATUS"), "done\n");
  const Json result = parse_json(slurp(dir() / "cca/eval/shapes/metrics.json"), "metrics.json");
  EXPECT_FALSE(result.empty());

  const auto again = run_program({"train", "--resume", "cca"}, dir());
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.out, HasSubstr("already complete"));
  for (const Words& words : {Words{"evaluate", "cca", "--split", "val"}, Words{"export", "cca", "-o", "exported"},
                             Words{"report", "cca", "-o", "report"}, Words{"describe", "cca"}}) {
    const auto used = run_program(words, dir());
    EXPECT_EQ(used.exit_code, 0) << words[0] << ": " << used.err;
  }
}

TEST_F(FitStages, TheSameSeedGivesTheSameBytes) {
  ASSERT_EQ(train("cca.yaml", "first").exit_code, 0);
  ASSERT_EQ(train("cca.yaml", "second").exit_code, 0);
  const std::string model = "checkpoints/step-00000001/model.safetensors";
  EXPECT_FALSE(slurp(dir() / "first" / model).empty());
  EXPECT_TRUE(slurp(dir() / "first" / model) == slurp(dir() / "second" / model));
}

TEST_F(FitStages, NeedNoRoomForAllFeatures) {
  const auto streamed = train("cca.yaml", "streamed", {"train.feature_cache_mb=0", "evaluate.batch_size=7"});
  ASSERT_EQ(streamed.exit_code, 0) << streamed.err;
  ASSERT_EQ(train("cca.yaml", "cached").exit_code, 0);
  const auto sum = [&](const std::string& run) {
    const std::string line = slurp(dir() / run / "metrics.jsonl");
    return parse_json(line.substr(0, line.find('\n')), run)["cca_correlation_sum"].get<double>();
  };
  EXPECT_NEAR(sum("streamed"), sum("cached"), 1e-4);
}

TEST_F(FitStages, LeaveFeaturesForOtherRuns) {
  const auto alone = train("deep.yaml", "alone");
  ASSERT_EQ(alone.exit_code, 0) << alone.err;
  const Words shared = {"train.feature_cache_dir=features"};
  const auto files = [&] {
    std::vector<fs::path> out;
    for (const auto& entry : fs::directory_iterator(dir() / "features")) out.push_back(entry.path());
    return out;
  };
  const auto first = train("deep.yaml", "leaves", shared);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  EXPECT_THAT(first.err, HasSubstr("left for other runs in features/"));
  ASSERT_EQ(files().size(), 2U) << "plain and mirrored";
  const auto second = train("deep.yaml", "takes", shared);
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_THAT(second.err, HasSubstr("pictures from features/"));
  for (const char* run : {"leaves", "takes"})
    EXPECT_EQ(slurp(dir() / run / "metrics.jsonl"), slurp(dir() / "alone/metrics.jsonl")) << run;

  // Another encoder and other pictures have features of their own.
  Words other = shared;
  other.push_back("model.image.width=0.2");
  ASSERT_EQ(train("deep.yaml", "other", other).exit_code, 0);
  EXPECT_EQ(files().size(), 4U);
  fs::last_write_time(dir() / "set/images/train-00000.jpg", fs::file_time_type::clock::now());
  ASSERT_EQ(train("deep.yaml", "touched", shared).exit_code, 0);
  EXPECT_EQ(files().size(), 6U);

  // A damaged file costs time and nothing else.
  for (const fs::path& file : files()) fs::resize_file(file, fs::file_size(file) - 1);
  const auto damaged = train("deep.yaml", "damaged", shared);
  ASSERT_EQ(damaged.exit_code, 0) << damaged.err;
  EXPECT_THAT(damaged.err, HasSubstr("the features are computed again"));
  EXPECT_EQ(slurp(dir() / "damaged/metrics.jsonl"), slurp(dir() / "alone/metrics.jsonl"));
}

TEST_F(FitStages, FollowOneAnotherAndGradientSteps) {
  const auto trained = train("deep.yaml", "deep", {"train.ema.decay=0.9"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(slurp(dir() / "deep/metrics.jsonl"), HasSubstr("\"dcca\""));

  // Stopped after its first stage and resumed, it ends at the same bytes.
  const auto part = train("deep.yaml", "part", {"train.ema.decay=0.9", "train.checkpoint.keep=9"});
  ASSERT_EQ(part.exit_code, 0) << part.err;
  const std::string last = "checkpoints/" + slurp(dir() / "part/checkpoints/latest");
  const fs::path final = dir() / "part" / last.substr(0, last.size() - 1) / "model.safetensors";
  const std::string straight = slurp(final);
  ASSERT_FALSE(straight.empty());
  const auto resumed = run_program({"train", "--resume", "part", "--checkpoint", "step-00000001"}, dir());
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("resumed part at step 1"));
  EXPECT_TRUE(slurp(final) == straight);
}

TEST_F(FitStages, DryRunRefusesWhatCannotBeFitted) {
  const auto refused = [&](const Words& more, const std::string& message) {
    Words words = {"--dry-run"};
    words.insert(words.end(), more.begin(), more.end());
    const auto result = train("cca.yaml", "none", words);
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_THAT(result.err, HasSubstr(message));
  };
  EXPECT_EQ(train("cca.yaml", "none", {"--dry-run"}).exit_code, 0);
  refused({"model.image_head.dim=20", "model.text_head.dim=20"}, "finds at most 12 dimensions");
  refused({"model.image_head.type=linear_bn"}, "model.image_head: {type: linear, dim: D}");
  refused({"model.text.type=hglmm"}, "there are none");
  refused({"train.stages.0.fit={type: none}", "objective=[{type: cmpm}]"}, "has to be fitted");
  refused({"model.text={type: bilstm}", "train.stages.0.fit={type: text}"}, "has nothing to fit");
  refused({"train.stages.0.fit={type: none}", "objective=[{type: dcca}]", "model.text={type: bilstm}",
           "train.batch_size=8"},
          "train.batch_size above 8");
}

TEST_F(FitStages, DoctorKnowsThem) {
  const auto checked = run_program({"doctor", "-c", "cca.yaml"}, dir());
  EXPECT_THAT(checked.out + checked.err, HasSubstr("fit cca"));
}

}  // namespace
}  // namespace diptych::testing

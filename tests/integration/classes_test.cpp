#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "diptych/core/io/json.h"
#include "diptych/core/text.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/torch7_writer.h"

// Class-level protocols as a user runs them: a set in Reed's layout is checked, trained on, evaluated and reported.

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr const char* kConfig = R"(experiment: classes
seed: 2
threads: 1
data:
  corpus: {type: reed, root: set}
  image: {height: 32, width: 32, normalise: half}
  text: {min_count: 1}
  sampler: {type: identities, images_per_identity: 2}
model:
  image: {type: mobilenet_v2, width: 0.1, blocks: 3}
  text: {type: bilstm, word_dim: 16, hidden: 16}
  image_head: {type: linear_bn, dim: 16}
  text_head: {type: linear_bn, dim: 16}
objective: [{type: cmpm}, {type: cmpc}]
train:
  batch_size: 16
  on_collapse: warn
  stages: [{name: all, epochs: 3, optim: {type: adam, lr: 1e-2}}]
evaluate:
  protocol: {type: class-zeroshot, precision: [4, 50]}
published:
  class-zeroshot: "i2t class-r@1 62.1, t2i class-ap@50 64.6"
  source: "a paper"
)";

class Classes : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempDir>();
    shared_->write("classes.yaml", kConfig);
    const auto made = run({"data", "synth", "classes", "-o", "set", "--images", "4"});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    EXPECT_EQ(made.out, "set/manifest.txt\n");
    const auto trained = run({"train", "-c", "classes.yaml", "--run-dir", "run"});
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
    EXPECT_THAT(trained.err + trained.out, HasSubstr("val class-zeroshot i2t class-r@1"));
  }
  static void TearDownTestSuite() { shared_.reset(); }
  static ProcessResult run(const Words& words) { return run_program(words, shared_->path()); }
  static Json metrics(const std::string& folder) {
    return parse_json(slurp(*shared_ / ("run/eval/" + folder + "/metrics.json")), folder);
  }
  static std::unique_ptr<TempDir> shared_;
};
std::unique_ptr<TempDir> Classes::shared_;

TEST_F(Classes, TheLayoutIsCheckedAndDescribed) {
  const auto checked = run({"data", "check", "set/manifest.txt"});
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
  EXPECT_THAT(checked.out, HasSubstr("96 images, 960 captions"));
  const auto stats = run({"data", "stats", "set/manifest.txt"});
  EXPECT_EQ(stats.exit_code, 0) << stats.err;
  EXPECT_THAT(stats.out, HasSubstr("16"));
  const auto imported = run({"data", "import", "reed", "set/manifest.txt", "-o", "set.jsonl"});
  EXPECT_EQ(imported.exit_code, 0) << imported.err;
  EXPECT_THAT(slurp(*shared_ / "set.jsonl"), HasSubstr("001.red_circle"));
  const auto known = run({"data", "import", "reed", "set/manifest.txt", "-o", "cub.jsonl", "--known", "cub"});
  EXPECT_EQ(known.exit_code, 9) << known.err;
  EXPECT_THAT(known.err, HasSubstr("train has 16 identities; published for cub: 100"));
}

TEST_F(Classes, ADamagedLayoutIsNamed) {
  ASSERT_EQ(run({"data", "synth", "classes", "-o", "damaged", "--images", "1"}).exit_code, 0);
  shared_->write("damaged/testclasses.txt", "002.green_circle\n");
  const auto checked = run({"data", "check", "damaged/manifest.txt"});
  EXPECT_EQ(checked.exit_code, 9);
  EXPECT_THAT(checked.err, AllOf(HasSubstr("testclasses.txt:1: class 002.green_circle is in test here and in val in"),
                                 HasSubstr("valids.txt:1")));
}

TEST_F(Classes, TrainingEndsWithTheNumbersOfUnseenClasses) {
  const Json result = metrics("class-zeroshot");
  EXPECT_EQ(result["images"], 16);
  EXPECT_EQ(result["captions"], 4);
  std::vector<std::string> names;
  for (const auto& [name, value] : result["metrics"].items()) {
    names.push_back(name);
    EXPECT_GE(value["value"].get<double>(), 0) << name;
    EXPECT_LE(value["value"].get<double>(), 100) << name;
  }
  std::ranges::sort(names);
  EXPECT_THAT(names, ElementsAre("i2t/class-r@1", "t2i/class-ap@4", "t2i/class-ap@50"));
  // 16 pictures, four of each class: precision at 50 counts them all.
  EXPECT_DOUBLE_EQ(result["metrics"]["t2i/class-ap@50"]["value"].get<double>(), 25);
}

TEST_F(Classes, EvaluateGivesTheSameAndOtherProtocols) {
  const auto again = run({"evaluate", "run", "--protocol", "class-zeroshot", "-o", "again"});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  const Json before = metrics("class-zeroshot"),
             after = parse_json(slurp(*shared_ / "again/class-zeroshot/metrics.json"), "");
  EXPECT_EQ(after["metrics"], before["metrics"]);
  EXPECT_THAT(again.out, AllOf(HasSubstr("class-r@1"), HasSubstr("class-ap@50"), HasSubstr("16 images x 4 classes")));
  const auto others =
      run({"evaluate", "run", "--protocol", "cub", "--protocol", "identity-retrieval", "--split", "val"});
  ASSERT_EQ(others.exit_code, 0) << others.err;
  EXPECT_THAT(others.out, AllOf(HasSubstr("not the published test split of 50 classes"), HasSubstr("mAP")));
}

TEST_F(Classes, TheRecordHoldsClassesInPlaceOfCaptions) {
  std::vector<std::string> texts;
  for (const std::string& line : split(slurp(*shared_ / "run/eval/class-zeroshot/items.jsonl"), '\n'))
    if (line.find("\"caption\"") != std::string::npos) texts.push_back(parse_json(line, "items")["text"]);
  std::ranges::sort(texts);
  EXPECT_THAT(texts, ElementsAre("001.red_circle", "012.black_square", "017.purple_triangle", "022.yellow_cross"));
}

TEST_F(Classes, TheReportShowsTheMetricsBesideThePublishedOnes) {
  const auto report = run({"report", "run", "-o", "page.html"});
  ASSERT_EQ(report.exit_code, 0) << report.err;
  const std::string page = slurp(*shared_ / "page.html");
  for (const char* text : {"i2t class-r@1", "t2i class-ap@50", "published: a paper", "62.1", "64.6",
                           "Validation t2i/class-ap@50", "012.black_square"})
    EXPECT_THAT(page, HasSubstr(text));
}

/// The class's CLASS.t7: five numbers of two views for each of `images` pictures.
void write_class_features(const std::filesystem::path& file, int64_t images) {
  std::vector<float> numbers;
  for (int64_t i = 0; i < images * 10; ++i) numbers.push_back(static_cast<float>(i % 7) / 7);
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << torch7_bytes({images, 5, 2}, numbers);
}

TEST_F(Classes, FeaturesOfEveryClassInTheReleasesFormatTakeThePlaceOfPictures) {
  std::string config = kConfig;
  const std::string network = "{type: mobilenet_v2, width: 0.1, blocks: 3}";
  config.replace(config.find(network), network.size(), "{type: features, file: googlenet, views: mean}");
  shared_->write("features.yaml", config);
  for (const auto& each : std::filesystem::directory_iterator(*shared_ / "set/text_c10"))
    write_class_features(*shared_ / "googlenet" / (each.path().filename().string() + ".t7"), 4);
  const auto trained = run({"train", "-c", "features.yaml", "--run-dir", "features"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(trained.out + trained.err, HasSubstr("96 rows of 5 numbers, found by class and order of names"));
  const Json result = parse_json(slurp(*shared_ / "features/eval/class-zeroshot/metrics.json"), "metrics");
  EXPECT_EQ(result["images"], 16);

  write_class_features(*shared_ / "googlenet/012.black_square.t7", 5);
  std::filesystem::remove(*shared_ / "googlenet/001.red_circle.t7");
  const auto refused = run({"train", "-c", "features.yaml", "--run-dir", "refused"});
  EXPECT_EQ(refused.exit_code, 3) << refused.err;
  EXPECT_THAT(refused.err, AllOf(HasSubstr("googlenet/001.red_circle.t7"), HasSubstr("is not there"),
                                 HasSubstr("has features of 5 images, the corpus has 4")));
}

}  // namespace
}  // namespace diptych::testing

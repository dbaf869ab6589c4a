// What training leaves behind when values or pictures go wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "diptych/core/io/json.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/tiny_corpus.h"

namespace diptych::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Faults : public ::testing::Test {
 protected:
  void SetUp() override { write_tiny_config(dir.path()); }
  ProcessResult train(const std::string& run, std::vector<std::string> more) {
    std::vector<std::string> arguments = {"train", "-c",       "tiny.yaml", "--run-dir",
                                          run,     "--resume", "auto",      "evaluate.final=none"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments, dir.path());
  }
  /// Cuts the first training picture off in the middle and returns its name.
  std::string truncate_a_training_image() {
    std::istringstream lines(slurp(dir / "set/set.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const Json row = Json::parse(line);
      if (row["split"] != "train") continue;
      const auto name = row["image"].get<std::string>();
      for (const auto& entry : fs::recursive_directory_iterator(dir / "set"))
        if (entry.path().filename() == fs::path(name).filename()) fs::resize_file(entry.path(), entry.file_size() / 2);
      return name;
    }
    throw std::runtime_error("no training image");
  }
  TempDir dir;
};

TEST_F(Faults, ANonFiniteGradientIsWrittenDownAndStopsTheRun) {
  const ProcessResult result =
      train("run", {"train.stages.0.optim={type: sgd, lr: 1e6, weight_decay: 1}",
                    "train.stages.0.warmup_epochs=0"});  // each step multiplies weights by -1e6
  EXPECT_EQ(result.exit_code, 6) << result.err;
  EXPECT_THAT(result.err, HasSubstr("not finite"));
  EXPECT_EQ(slurp(dir / "run/STATUS"), "failed:6\n");
  fs::path report;
  for (const auto& entry : fs::directory_iterator(dir / "run"))
    if (entry.path().filename().string().starts_with("nonfinite-step-")) report = entry.path();
  ASSERT_FALSE(report.empty());
  const Json content = Json::parse(slurp(report));
  EXPECT_THAT(content.at("samples").get<std::string>(), HasSubstr("(caption "));
  EXPECT_DOUBLE_EQ(content.at("lr").get<double>(), 1e6);
}

TEST_F(Faults, ABadPictureStopsTheRunUnlessSkippingIsAllowed) {
  const std::string name = truncate_a_training_image();
  const ProcessResult strict = train("strict", {});
  EXPECT_EQ(strict.exit_code, 3) << strict.err;
  EXPECT_THAT(strict.err, HasSubstr(fs::path(name).filename().string()));
  const ProcessResult capped = train("capped", {"data.loader.on_bad_sample=skip"});
  EXPECT_EQ(capped.exit_code, 3) << capped.err;  // max_bad_fraction is 0

  const std::vector<std::string> skip = {"data.loader.on_bad_sample=skip", "data.loader.max_bad_fraction=0.1"};
  const ProcessResult skipping = train("skipping", skip);
  ASSERT_EQ(skipping.exit_code, 0) << skipping.err;
  const std::string bad = slurp(dir / "skipping/bad_samples.jsonl");
  EXPECT_EQ(std::count(bad.begin(), bad.end(), '\n'), 1) << bad;
  EXPECT_THAT(Json::parse(bad).at("sample").get<std::string>(), HasSubstr(fs::path(name).filename().string()));
}

TEST_F(Faults, ABatchThatLosesAllItsPicturesStillCountsForTheResumption) {
  truncate_a_training_image();
  // Three images in batches of four pairs: without the bad one some batches hold a single image and are passed over.
  const std::vector<std::string> skip = {"data.loader.on_bad_sample=skip",
                                         "data.loader.max_bad_fraction=0.1",
                                         "train.batch_size=4",
                                         "train.limit_images=3",
                                         "train.stages.0.epochs=6",
                                         "train.checkpoint.every_steps=1",
                                         "data.sampler={type: shuffled_pairs}"};
  ASSERT_EQ(train("straight", skip).exit_code, 0);
  std::vector<std::string> arguments = {"train", "-c",       "tiny.yaml", "--run-dir",
                                        "cut",   "--resume", "auto",      "evaluate.final=none"};
  arguments.insert(arguments.end(), skip.begin(), skip.end());
  bool sent = false;
  const auto kill_at_line_4 = [&](pid_t pid) {
    const std::string text = slurp(dir / "cut/metrics.jsonl");
    if (sent || std::count(text.begin(), text.end(), '\n') < 4) return;
    kill(pid, SIGKILL);
    sent = true;
  };
  ASSERT_EQ(run_program(arguments, dir.path(), kill_at_line_4).signal, SIGKILL);
  ASSERT_EQ(run_program(arguments, dir.path()).exit_code, 0);
  const std::string record = slurp(dir / "straight/metrics.jsonl");
  EXPECT_EQ(record, slurp(dir / "cut/metrics.jsonl"));
  const int planned_steps = 8 * 2, evaluations = 8;
  EXPECT_LT(std::count(record.begin(), record.end(), '\n'), planned_steps + evaluations) << "no batch was passed over";
}

TEST_F(Faults, MirroringIsTheSameWithAndWithoutTheFeatureCache) {
  const std::vector<std::string> flip = {"train.stages.1.augment=flip", "model.image.dropout=0"};
  auto uncached = flip;
  uncached.push_back("train.feature_cache_mb=0");
  ASSERT_EQ(train("cached", flip).exit_code, 0);
  ASSERT_EQ(train("uncached", uncached).exit_code, 0);
  // Equal features up to the batch they were computed in: the losses agree to float32.
  std::istringstream a(slurp(dir / "cached/metrics.jsonl")), b(slurp(dir / "uncached/metrics.jsonl"));
  int compared = 0;
  for (std::string x, y; std::getline(a, x) && std::getline(b, y);) {
    const Json row = Json::parse(x), other = Json::parse(y);
    if (row["kind"] != "train" || row["epoch"] != 1) continue;
    EXPECT_NEAR(row["loss"].get<double>(), other["loss"].get<double>(), 1e-3 * std::abs(row["loss"].get<double>()));
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

}  // namespace
}  // namespace diptych::testing

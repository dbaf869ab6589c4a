#include <gmock/gmock.h>

#include "diptych/core/io/json.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/tiny_corpus.h"

// Feature files as a user makes and trains on them. After the set-up no picture exists any more.

namespace diptych::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

class Features : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempDir>();
    write_tiny_config(shared_->path());
    for (const Words& more : {Words{"-o", "f.safetensors", "--flip"}, Words{"-o", "crops.npz", "--crops", "10"},
                              Words{"-o", "regions.safetensors", "--regions"}}) {
      Words command = {"encode", "tiny.yaml", "--images", "set/images"};
      command.insert(command.end(), more.begin(), more.end());
      const auto encoded = run_program(command, dir());
      ASSERT_EQ(encoded.exit_code, 0) << encoded.err;
      EXPECT_THAT(encoded.err, HasSubstr("random weights"));
    }
    std::string some;
    for (int i = 0; i < 5; ++i) {
      const fs::path image = an_image(static_cast<size_t>(i));
      some += image.filename().string() + "\t" + image.string() + "\n";
    }
    shared_->write("some.txt", some);
    const auto part = run_program({"encode", "tiny.yaml", "--images", "some.txt", "-o", "some.safetensors"}, dir());
    ASSERT_EQ(part.exit_code, 0) << part.err;
    fs::copy_file(an_image(0), dir() / "picture.png");
    fs::rename(dir() / "set/images", dir() / "pictures");
    const auto trained = train("run", "f.safetensors");
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
    EXPECT_THAT(trained.err, HasSubstr("image features f.safetensors: 464 rows of"));
  }
  static void TearDownTestSuite() { shared_.reset(); }
  static fs::path dir() { return shared_->path(); }
  static fs::path an_image(size_t number) {
    std::vector<fs::path> all;
    for (const auto& entry : fs::recursive_directory_iterator(dir() / "set/images"))
      if (entry.is_regular_file()) all.push_back(entry.path());
    std::ranges::sort(all);
    return all.at(number);
  }
  static ProcessResult train(const std::string& run, const std::string& file, const Words& more = {}) {
    Words command = {"train",
                     "-c",
                     "tiny.yaml",
                     "--run-dir",
                     run,
                     "model.image={type: features, file: " + file + "}",
                     "train.stages=[{name: heads, epochs: 2, optim: {type: adam, lr: 1e-2}}]"};
    command.insert(command.end(), more.begin(), more.end());
    return run_program(command, dir());
  }
  static void expect_failure(const Words& arguments, int code, const Words& words) {
    const ProcessResult result = run_program(arguments, dir());
    EXPECT_EQ(result.exit_code, code) << result.err;
    for (const std::string& word : words) EXPECT_THAT(result.err, HasSubstr(word));
  }
  static std::unique_ptr<TempDir> shared_;
};
std::unique_ptr<TempDir> Features::shared_;

TEST_F(Features, ATrainedRunIsUsedWithoutPictures) {
  const auto evaluated = run_program({"evaluate", "run", "--json"}, dir());
  EXPECT_EQ(evaluated.exit_code, 0) << evaluated.err;
  const auto encoded = run_program({"encode", "run", "--split", "test", "-o", "g.safetensors"}, dir());
  ASSERT_EQ(encoded.exit_code, 0) << encoded.err;
  const auto found = run_program({"search", "g.safetensors", "a red circle", "--model", "run", "-k", "2"}, dir());
  EXPECT_EQ(found.exit_code, 0) << found.err;
  const auto page = run_program({"report", "run", "-o", "page.html"}, dir());
  EXPECT_EQ(page.exit_code, 0) << page.err;
  EXPECT_THAT(slurp(dir() / "page.html"), HasSubstr("no picture"));
  const auto healthy = run_program({"doctor", "-c", "run/config.resolved.yaml"}, dir());
  EXPECT_EQ(healthy.exit_code, 0) << healthy.out << healthy.err;
  EXPECT_THAT(healthy.out, HasSubstr("has the features of all images"));
}

TEST_F(Features, WhatNeedsPicturesSaysSo) {
  run_program({"encode", "run", "--split", "test", "-o", "g.safetensors"}, dir());
  expect_failure({"search", "g.safetensors", "--image", "picture.png", "--model", "run"}, 2, {"not pictures"});
  expect_failure({"explain", "run", "--image", "picture.png", "--text", "a red circle", "-o", "e.html"}, 2,
                 {"rows of", "f.safetensors"});
  expect_failure({"encode", "run", "--images", "picture.png", "-o", "x.npz"}, 3, {"lacks the features of 1 of 1"});
  EXPECT_EQ(train("none", "f.safetensors", {"evaluate.flip_sum=true"}).exit_code, 2);
  EXPECT_EQ(train("none", "f.safetensors", {"train.stages.0.augment=flip"}).exit_code, 2);
}

TEST_F(Features, ImagesThatTheFileLacksStopTheRun) {
  const auto result = train("none", "some.safetensors");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("lacks the features of 459 of 464 images; the first 10 follow"));
  EXPECT_FALSE(fs::exists(dir() / "none"));
  EXPECT_EQ(train("none", "absent.npy").exit_code, 3);
  EXPECT_EQ(train("none", "''").exit_code, 2);
}

TEST_F(Features, OtherFeaturesAreOtherData) {
  const auto more = run_program({"train", "--resume", "run", "train.stages.0.epochs=3"}, dir());
  EXPECT_EQ(more.exit_code, 0) << more.err;
  fs::copy_file(dir() / "f.safetensors", dir() / "kept.safetensors");
  std::string bytes = slurp(dir() / "f.safetensors");
  constexpr size_t kTenRows = 10 * 1280 * sizeof(float);  // of which one at least is looked at; zeros are finite
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 4), kTenRows, '\0');
  shared_->write("f.safetensors", bytes);
  const auto changed = run_program({"evaluate", "run"}, dir());
  fs::rename(dir() / "kept.safetensors", dir() / "f.safetensors");
  EXPECT_THAT(changed.err, HasSubstr("the data set differs"));
}

TEST_F(Features, RegionsAndCropsTrainToo) {
  EXPECT_EQ(train("regions-run", "regions.safetensors").exit_code, 0);
  const auto pooled = train("pooled-run", "regions.safetensors, pool: mean_max");
  EXPECT_EQ(pooled.exit_code, 0) << pooled.err;
  EXPECT_EQ(run_program({"evaluate", "pooled-run"}, dir()).exit_code, 0);
  EXPECT_EQ(run_program({"export", "pooled-run", "-o", "python"}, dir()).exit_code, 0);
  EXPECT_THAT(slurp(dir() / "python/diptych_model.py"), HasSubstr("self.image = FeatureInput(Pool(\"mean_max\"))"));
  const auto vectors = train("none", "f.safetensors, pool: gem");
  EXPECT_EQ(vectors.exit_code, 2);
  EXPECT_THAT(vectors.err, HasSubstr("model.image.pool=mean"));
  const auto crops = train("crops-run", "crops.npz");
  EXPECT_EQ(crops.exit_code, 0) << crops.err;
}

TEST_F(Features, OptionsOfEncodeThatDoNotGoTogether) {
  expect_failure({"encode", "run", "--split", "test", "--crops", "10", "-o", "x.npz"}, 2, {"for --features"});
  expect_failure({"encode", "tiny.yaml", "--images", "pictures", "--crops", "3", "-o", "x.npz"}, 2, {"1, 5 or 10"});
  expect_failure({"encode", "tiny.yaml", "--images", "pictures", "--crops", "10", "--flip", "-o", "x.npz"}, 2,
                 {"mirror images already"});
  expect_failure({"encode", "tiny.yaml", "--texts", "some.txt", "-o", "x.npz"}, 2, {"those of pictures"});
  expect_failure({"search", "f.safetensors", "red", "--model", "run"}, 3, {"features of an image encoder"});
}

TEST_F(Features, ACompleteEncodingIsNotMadeAgain) {
  const Words command = {"encode", "tiny.yaml", "--images", "pictures", "-o", "whole.safetensors"};
  ASSERT_EQ(run_program(command, dir()).exit_code, 0);
  EXPECT_THAT(run_program(command, dir()).out, HasSubstr("already complete"));
  Words flipped = command;
  flipped.push_back("--flip");
  EXPECT_THAT(run_program(flipped, dir()).err, HasSubstr("--overwrite"));
}

}  // namespace
}  // namespace diptych::testing

#include "diptych/train/trained_model.h"

#include <gmock/gmock.h>

#include "support/tensor_near.h"
#include "unit/train/trained_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::ElementsAre;

class TrainedModelTest : public ::testing::Test {
 protected:
  TrainedModel load(const std::filesystem::path& run, const std::vector<std::string>& overrides = {}) {
    return load_trained_model(catalog_, run, "best", overrides, 0);
  }
  Catalog catalog_;
  TempDir dir_;
};

TEST_F(TrainedModelTest, NeedsNoCorpus) {
  const TrainedModel trained = load(write_run(catalog_, dir_ / "run", use_config()));
  EXPECT_EQ(trained.checkpoint, "step-00000001");
  EXPECT_EQ(trained.vocabulary.size(), 10);
  EXPECT_FALSE(trained.model->is_training());
}

TEST_F(TrainedModelTest, TheFingerprintFollowsWhatDecidesAnEmbedding) {
  write_run(catalog_, dir_ / "run", use_config());
  const std::string fingerprint = load(dir_ / "run").fingerprint;
  std::filesystem::copy(dir_ / "run", dir_ / "copy", std::filesystem::copy_options::recursive);
  EXPECT_EQ(load(dir_ / "copy").fingerprint, fingerprint);
  EXPECT_EQ(load(dir_ / "run", {"data.loader.workers=0"}).fingerprint, fingerprint);
  EXPECT_NE(load(dir_ / "run", {"data.image.normalise=none"}).fingerprint, fingerprint);
  EXPECT_NE(load(dir_ / "run", {"model.scorer.type=dot"}).fingerprint, fingerprint);
  EXPECT_NE(load(write_run(catalog_, dir_ / "other", use_config(), 2)).fingerprint, fingerprint);
}

TEST_F(TrainedModelTest, CaptionsDoNotMindTheirCompanyAndOrder) {
  const TrainedModel trained = load(write_run(catalog_, dir_ / "run", use_config()));
  const std::vector<std::vector<int64_t>> ids = {{4, 5, 7, 8, 9}, {6}, {5, 5}, {4, 6, 8}, {7}, {9, 4}};
  const at::Tensor all = trained.embed_texts(ids);
  for (size_t i = 0; i < ids.size(); ++i)
    EXPECT_THAT(trained.embed_texts({ids[i]})[0], TensorNear(all[static_cast<int64_t>(i)], 1e-4, 1e-4));
}

TEST_F(TrainedModelTest, TheMirroredPictureIsAddedWhenEvaluationDoesSo) {
  write_run(catalog_, dir_ / "run", use_config());
  const TrainedModel plain = load(dir_ / "run"), both = load(dir_ / "run", {"evaluate.flip_sum=true"});
  const at::Tensor images = at::rand({2, 3, 32, 32});
  EXPECT_THAT(both.embed_images(images),
              TensorNear(plain.embed_images(images) + plain.embed_images(images.flip(3)), 1e-4, 1e-4));
}

TEST_F(TrainedModelTest, NamesTheWordsThatItDoesNotKnow) {
  const TrainedModel trained = load(write_run(catalog_, dir_ / "run", use_config()));
  const auto words = trained.read_text("A red zebra, a ZEBRA! it\u2019s blue", "here");
  EXPECT_THAT(words.unknown, ElementsAre("zebra"));
  EXPECT_EQ(words.unknown_count, 2);
  EXPECT_THAT(words.ids, ElementsAre(4, 5, 1, 4, 1, 9));  // cut after max_length = 6
  EXPECT_THROW(trained.read_text(" ... ", "here"), DataError);
  EXPECT_THROW(trained.read_text("caf\xe9", "here"), DataError);
}

TEST_F(TrainedModelTest, FindsTheRunOfACheckpointFolder) {
  write_run(catalog_, dir_ / "run", use_config());
  const auto [folder, latest] = locate_run(dir_ / "run/", "latest");
  EXPECT_EQ(folder.string(), (dir_ / "run").string());
  EXPECT_EQ(latest, "latest");
  const auto [same, name] = locate_run(dir_ / "run/checkpoints/step-00000001", "best");
  EXPECT_EQ(same.string(), (dir_ / "run").string());
  EXPECT_EQ(name, "step-00000001");
  EXPECT_THROW(locate_run(dir_.path(), "best"), CheckpointError);
  EXPECT_THROW(locate_run(dir_ / "absent", "best"), CheckpointError);
}

TEST_F(TrainedModelTest, AveragedWeightsCountWhenTheRunKeepsThem) {
  const auto run = write_run(catalog_, dir_ / "run", use_config());
  // The run has no averages: asking for them is an error that names the first missing one.
  EXPECT_THROW(load(run, {"train.ema.decay=0.9"}), CheckpointError);
}

}  // namespace
}  // namespace diptych::testing

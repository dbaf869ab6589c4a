#include "diptych/train/checkpoint.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fstream>

#include "support/temp_dir.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;
using ::diptych::testing::TempDir;

Checkpoint checkpoint_at(int64_t step) {
  Checkpoint checkpoint;
  checkpoint.model.tensors["model.w"] = torch::arange(6, at::kFloat).view({2, 3}) + static_cast<double>(step);
  checkpoint.optimizer.tensors["step/model.w"] = torch::tensor(3.0f);
  checkpoint.optimizer.metadata["optimizer"] = "adam";
  checkpoint.state.step = step;
  checkpoint.state.best = 12.5;
  checkpoint.state.window["loss"] = {1.25, 3};
  checkpoint.identity = Json{{"data", "abc"}};
  return checkpoint;
}

TEST(Checkpoint, ComesBackAsItWasSaved) {
  const TempDir dir;
  save_checkpoint(dir.path(), checkpoint_at(7));
  const Checkpoint read = load_checkpoint(dir / "step-00000007");
  EXPECT_TRUE(read.model.tensors.at("model.w").equal(checkpoint_at(7).model.tensors.at("model.w")));
  EXPECT_EQ(read.state.to_json(), checkpoint_at(7).state.to_json());
  EXPECT_EQ(read.identity.at("data"), "abc");
  EXPECT_EQ(pointed_at(dir.path(), "latest"), "step-00000007");
}

TEST(Checkpoint, EveryFlippedByteIsNoticed) {
  const TempDir dir;
  save_checkpoint(dir.path(), checkpoint_at(1));
  const fs::path folder = dir / "step-00000001";
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto size = fs::file_size(entry.path());
    for (uint64_t at = 0; at < size; at += std::max<uint64_t>(1, size / 7)) {
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(static_cast<std::streamoff>(at));
      const char byte = static_cast<char>(file.get());
      file.seekp(static_cast<std::streamoff>(at)), file.put(static_cast<char>(byte ^ 1)), file.flush();
      EXPECT_THROW(load_checkpoint(folder), CheckpointError) << entry.path() << " at " << at;
      file.seekp(static_cast<std::streamoff>(at)), file.put(byte), file.flush();
    }
  }
  EXPECT_NO_THROW(load_checkpoint(folder));
}

TEST(Checkpoint, TheNewestIntactOneIsFound) {
  const TempDir dir;
  for (const int64_t step : {1, 2, 30}) save_checkpoint(dir / "checkpoints", checkpoint_at(step));
  EXPECT_EQ(newest_checkpoint(dir.path())->second.state.step, 30);
  fs::resize_file(dir / "checkpoints/step-00000030/state.json", 3);
  EXPECT_EQ(newest_checkpoint(dir.path())->second.state.step, 2);
  for (const char* name : {"step-00000001", "step-00000002"}) fs::remove(dir / "checkpoints" / name / "MANIFEST.json");
  EXPECT_THROW(newest_checkpoint(dir.path()), CheckpointError);
}

TEST(Checkpoint, WithoutAnyThereIsNothingToResume) {
  const TempDir dir;
  EXPECT_FALSE(newest_checkpoint(dir.path()));
  EXPECT_THROW(find_checkpoint(dir.path(), "best"), CheckpointError);
}

TEST(Checkpoint, PruningKeepsTheNewestAndTheBest) {
  const TempDir dir;
  for (const int64_t step : {1, 2, 3, 4}) save_checkpoint(dir.path(), checkpoint_at(step));
  point_to(dir.path(), "best", checkpoint_name(2));
  prune_checkpoints(dir.path(), 1, 4);
  EXPECT_EQ(list_checkpoints(dir.path()), (std::vector<std::string>{"step-00000002", "step-00000004"}));
}

TEST(Checkpoint, PruningDropsTheCourseThatWasLeft) {
  const TempDir dir;
  for (const int64_t step : {1, 2, 3, 9}) save_checkpoint(dir.path(), checkpoint_at(step));
  prune_checkpoints(dir.path(), 2, 3);  // resumed from 2, saved 3: 9 is of another course
  EXPECT_EQ(list_checkpoints(dir.path()), (std::vector<std::string>{"step-00000002", "step-00000003"}));
}

TEST(Checkpoint, SavingAStepAgainReplacesIt) {
  const TempDir dir;
  save_checkpoint(dir.path(), checkpoint_at(3));
  Checkpoint other = checkpoint_at(3);
  other.state.best = 99.0;
  save_checkpoint(dir.path(), other);
  EXPECT_EQ(load_checkpoint(dir / "step-00000003").state.best, 99.0);
}

TEST(Checkpoint, PointersToNothingAreIgnored) {
  const TempDir dir;
  save_checkpoint(dir.path(), checkpoint_at(1));
  for (const char* text : {"", "step-9", "../../etc", "garbage\n"}) {
    dir.write("best", text);
    EXPECT_FALSE(pointed_at(dir.path(), "best")) << text;
  }
}

TEST(Checkpoint, NamesListWhatExists) {
  const TempDir dir;
  save_checkpoint(dir / "checkpoints", checkpoint_at(5));
  try {
    find_checkpoint(dir.path(), "step-99");
    FAIL();
  } catch (const CheckpointError& error) {
    EXPECT_NE(std::string(error.what()).find("step-00000005"), std::string::npos);
  }
}

TEST(TrainState, PatienceLooksAtTheStageAndTheBestAtTheWholeRun) {
  TrainState state;
  state.step = 10;
  EXPECT_TRUE(state.take_metric(50, 0));
  state.next_stage();
  EXPECT_EQ(state.stage, 1);
  state.step = 20;
  for (const double value : {20.0, 30.0, 40.0}) {  // below the first stage, but rising
    EXPECT_FALSE(state.take_metric(value, 0));
    EXPECT_EQ(state.waited, 0) << value;
  }
  EXPECT_FALSE(state.take_metric(40, 0));
  EXPECT_EQ(state.waited, 1) << "the same again is no gain";
  EXPECT_EQ(state.best, 50.0);
  EXPECT_EQ(state.best_step, 10);
  EXPECT_TRUE(state.take_metric(51, 0));
  EXPECT_EQ(state.waited, 0);
  EXPECT_EQ(state.best_step, 20);
}

TEST(TrainState, AGainMustBeLargerThanAskedAndSmallOnesAddUp) {
  TrainState state;
  EXPECT_TRUE(state.take_metric(50, 0.5));
  EXPECT_TRUE(state.take_metric(50.25, 0.5)) << "the best checkpoint needs no least gain";
  EXPECT_TRUE(state.take_metric(50.5, 0.5));
  EXPECT_EQ(state.waited, 2) << "0.5 is not more than 0.5";
  EXPECT_TRUE(state.take_metric(50.75, 0.5));
  EXPECT_EQ(state.waited, 0) << "0.75 above the value that last counted";
}

TEST(TrainState, ComesBackFromJson) {
  TrainState state;
  state.take_metric(50, 0);
  state.next_stage();
  EXPECT_FALSE(TrainState::from_json(state.to_json(), "test").stage_best);
  state.take_metric(20, 0), state.take_metric(19, 0);
  const TrainState read = TrainState::from_json(state.to_json(), "test");
  EXPECT_EQ(read.stage_best, 20.0);
  EXPECT_EQ(read.to_json(), state.to_json());
}

TEST(TrainState, OfAnEarlyVersionKnowsTheBestOfTheFirstStageOnly) {
  TrainState state;
  state.take_metric(50, 0);
  Json json = state.to_json();
  json.erase("stage_best");
  EXPECT_EQ(TrainState::from_json(json, "test").stage_best, 50.0);
  json["stage"] = 1;
  EXPECT_FALSE(TrainState::from_json(json, "test").stage_best);
}

class Net : public torch::nn::Module {
 public:
  explicit Net(int64_t width)
      : fc(register_module("fc", torch::nn::Linear(3, width))),
        bn(register_module("bn", torch::nn::BatchNorm1d(width))) {}
  torch::nn::Linear fc;
  torch::nn::BatchNorm1d bn;
};

TEST(RestoreModule, CopiesParametersAndBuffers) {
  Net a(4), b(4);
  a.bn->running_mean.fill_(3);
  restore_module(b, module_state(a), "test");
  EXPECT_TRUE(b.fc->weight.equal(a.fc->weight));
  EXPECT_TRUE(b.bn->running_mean.equal(a.bn->running_mean));
}

TEST(RestoreModule, RefusesAnotherWidthDtypeOrNameAndChangesNothing) {
  Net narrow(4), wide(5);
  const at::Tensor before = narrow.fc->weight.detach().clone();
  EXPECT_THROW(restore_module(narrow, module_state(wide), "test"), CheckpointError);
  auto state = module_state(Net(4));
  state["fc.weight"] = state["fc.weight"].to(at::kDouble);
  EXPECT_THROW(restore_module(narrow, state, "test"), CheckpointError);
  state = module_state(Net(4));
  state.erase("bn.bias");
  EXPECT_THROW(restore_module(narrow, state, "test"), CheckpointError);
  state = module_state(Net(4));
  state["extra"] = torch::ones({1});
  EXPECT_THROW(restore_module(narrow, state, "test"), CheckpointError);
  EXPECT_TRUE(before.equal(narrow.fc->weight));
}

}  // namespace
}  // namespace diptych

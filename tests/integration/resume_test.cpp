#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <map>

#include "diptych/core/io/hash.h"
#include "diptych/core/io/json.h"

#include "support/process.h"
#include "support/temp_dir.h"
#include "support/tiny_corpus.h"

namespace diptych::testing {
namespace {

namespace fs = std::filesystem;

/// Every file of the run that must not depend on interruptions: checkpoints and metrics, byte for byte.
std::map<std::string, std::string> durable_files(const fs::path& run) {
  std::map<std::string, std::string> files;
  files["metrics.jsonl"] = slurp(run / "metrics.jsonl");
  for (const auto& entry : fs::recursive_directory_iterator(run / "checkpoints"))
    if (entry.is_regular_file()) files[fs::relative(entry.path(), run).string()] = slurp(entry.path());
  return files;
}

void expect_equal_runs(const fs::path& straight, const fs::path& resumed) {
  const auto a = durable_files(straight), b = durable_files(resumed);
  std::vector<std::string> names_a, names_b;
  for (const auto& [name, bytes] : a) names_a.push_back(name);
  for (const auto& [name, bytes] : b) names_b.push_back(name);
  EXPECT_EQ(names_a, names_b);
  for (const auto& [name, bytes] : a) EXPECT_TRUE(b.contains(name) && b.at(name) == bytes) << name << " differs";
}

/// Sends `signal` when metrics.jsonl has grown to `lines` lines.
std::function<void(pid_t)> at_line(const fs::path& run, int lines, int signal) {
  return [=, sent = false](pid_t pid) mutable {
    if (sent) return;
    const std::string text = slurp(run / "metrics.jsonl");
    if (std::count(text.begin(), text.end(), '\n') < lines) return;
    kill(pid, signal);
    sent = true;
  };
}

/// Zeroes the tensors of a checkpoint file whose names start with `prefix`, and makes its manifest agree: what a
/// program that forgot to save them would resume from. Returns how many.
int forget(const fs::path& checkpoint, const std::string& file, const std::string& prefix) {
  std::string bytes = slurp(checkpoint / file);
  uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), 8);
  int count = 0;
  const Json header = Json::parse(bytes.substr(8, header_size));
  for (const auto& [name, entry] : header.items()) {
    if (!name.starts_with(prefix)) continue;
    const auto begin = 8 + header_size + entry["data_offsets"][0].get<uint64_t>(),
               end = 8 + header_size + entry["data_offsets"][1].get<uint64_t>();
    std::fill(bytes.begin() + static_cast<int64_t>(begin), bytes.begin() + static_cast<int64_t>(end), '\0');
    ++count;
  }
  std::ofstream(checkpoint / file, std::ios::binary) << bytes;
  Json manifest = Json::parse(slurp(checkpoint / "MANIFEST.json"));
  for (Json& entry : manifest["files"])
    if (entry["name"] == file) entry["sha256"] = sha256(bytes);
  std::ofstream(checkpoint / "MANIFEST.json") << manifest.dump(1);
  return count;
}

class Resume : public ::testing::Test {
 protected:
  void SetUp() override { write_tiny_config(dir.path()); }
  ProcessResult train(const std::string& run, const std::function<void(pid_t)>& during = {},
                      std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"train", "-c",       "tiny.yaml", "--run-dir",
                                          run,     "--resume", "auto",      "evaluate.final=none"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments, dir.path(), during);
  }
  TempDir dir;
};

TEST_F(Resume, TheSameCommandTwiceGivesTheSameBytes) {
  for (const char* run : {"a", "b"}) ASSERT_EQ(train(run, {}, {"threads=2"}).exit_code, 0);
  expect_equal_runs(dir / "a", dir / "b");
}

TEST_F(Resume, KilledAnywhereAndResumedEqualsStraight) {
  const std::vector<std::string> threads = {"threads=2"};
  ASSERT_EQ(train("straight", {}, threads).exit_code, 0);
  for (const int line : {5, 13, 19, 30}) {  // in mid-epoch, at a stage's end, in the cached stage, after it
    const std::string run = "killed" + std::to_string(line);
    const ProcessResult killed = train(run, at_line(dir / run, line, SIGKILL), threads);
    ASSERT_EQ(killed.signal, SIGKILL) << killed.err;
    const ProcessResult resumed = train(run, {}, threads);
    ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
    expect_equal_runs(dir / "straight", dir / run);
  }
}

// No value exceeds another by that much: the first evaluation of each stage counts as better, the second stops it.
TEST_F(Resume, PatienceCountsWithinAStageAndSurvivesAnInterruption) {
  const std::vector<std::string> impatient = {"evaluate.patience=1",     "evaluate.min_gain=1e6",
                                              "train.stages.0.epochs=3", "train.stages.1.epochs=3",
                                              "train.stages.2.epochs=3", "train.checkpoint.every_steps=2"};
  ASSERT_EQ(train("straight", {}, impatient).exit_code, 0);
  const std::string latest = slurp(dir / "straight/checkpoints/latest");
  const Json state =
      Json::parse(slurp(dir / "straight/checkpoints" / latest.substr(0, latest.size() - 1) / "state.json"));
  EXPECT_EQ(state["train"]["epochs"], 6) << "two epochs of each stage";
  for (const int line : {20, 45}) {  // after the first evaluation of the first and of the second stage
    const std::string run = "killed" + std::to_string(line);
    ASSERT_EQ(train(run, at_line(dir / run, line, SIGKILL), impatient).signal, SIGKILL);
    ASSERT_EQ(train(run, {}, impatient).exit_code, 0);
    expect_equal_runs(dir / "straight", dir / run);
  }
}

TEST_F(Resume, SignalsSaveAndExitWithTheirNumber) {
  ASSERT_EQ(train("straight").exit_code, 0);
  for (const auto& [signal, code] :
       {std::pair{SIGTERM, 143}, std::pair{SIGINT, 130}, std::pair{SIGUSR1, 138}, std::pair{SIGHUP, 129}}) {
    const std::string run = "signal" + std::to_string(signal);
    const ProcessResult stopped = train(run, at_line(dir / run, 6, signal));
    EXPECT_EQ(stopped.exit_code, code) << stopped.err;
    EXPECT_NE(slurp(dir / run / "STATUS").find("interrupted:" + std::to_string(signal)), std::string::npos);
    ASSERT_EQ(run_program({"train", "--resume", run}, dir.path()).exit_code, 0);
    EXPECT_EQ(slurp(dir / "straight" / "metrics.jsonl"), slurp(dir / run / "metrics.jsonl"));
    EXPECT_EQ(slurp(dir / run / "STATUS"), "done\n");
  }
}

TEST_F(Resume, WorkersPrefetchAndSaveIntervalChangeNothing) {
  ASSERT_EQ(train("a").exit_code, 0);
  ASSERT_EQ(train("b", {},
                  {"data.loader.workers=0", "data.loader.prefetch=1", "train.checkpoint.every_steps=0",
                   "data.loader.cache_mb=16"})
                .exit_code,
            0);
  EXPECT_EQ(slurp(dir / "a" / "metrics.jsonl"), slurp(dir / "b" / "metrics.jsonl"));
}

TEST_F(Resume, AnotherSeedGivesAnotherRun) {  // the comparison above can fail
  ASSERT_EQ(train("a").exit_code, 0);
  ASSERT_EQ(train("b", {}, {"seed=4"}).exit_code, 0);
  EXPECT_NE(slurp(dir / "a" / "metrics.jsonl"), slurp(dir / "b" / "metrics.jsonl"));
}

TEST_F(Resume, AnythingForgottenInACheckpointShows) {
  ASSERT_EQ(train("straight").exit_code, 0);
  ASSERT_EQ(train("stopped", at_line(dir / "stopped", 6, SIGTERM)).exit_code, 143);
  const std::string latest = slurp(dir / "stopped/checkpoints/latest");
  for (const auto& [file, prefix] :
       {std::pair{"optim.safetensors", "exp_avg/"}, std::pair{"optim.safetensors", "exp_avg_sq/"},
        std::pair{"optim.safetensors", "step/"}, std::pair{"optim.safetensors", "ema/"},
        std::pair{"model.safetensors", "objective."}, std::pair{"model.safetensors", "model.text."},
        std::pair{"model.safetensors", "model.image.features.0.1.running_"},
        std::pair{"model.safetensors", "model.image_head."}}) {
    fs::remove_all(dir / "again");
    fs::copy(dir / "stopped", dir / "again", fs::copy_options::recursive);
    ASSERT_GT(forget(dir / "again/checkpoints" / latest.substr(0, latest.size() - 1), file, prefix), 0) << prefix;
    run_program({"train", "--resume", "again"}, dir.path());
    EXPECT_NE(durable_files(dir / "straight"), durable_files(dir / "again"))
        << prefix << " was forgotten and nothing showed";
  }
}

/// Changes a field of a checkpoint's state.json and makes the manifest agree.
void change_state(const fs::path& checkpoint, const std::string& field, const Json& value) {
  Json state = Json::parse(slurp(checkpoint / "state.json"));
  ASSERT_TRUE(state["train"].contains(field)) << field;
  ASSERT_NE(state["train"][field], value) << field << " has that value already";
  state["train"][field] = value;
  const std::string bytes = state.dump(1) + "\n";
  std::ofstream(checkpoint / "state.json", std::ios::binary) << bytes;
  Json manifest = Json::parse(slurp(checkpoint / "MANIFEST.json"));
  for (Json& entry : manifest["files"])
    if (entry["name"] == "state.json") entry["sha256"] = sha256(bytes), entry["size"] = bytes.size();
  std::ofstream(checkpoint / "MANIFEST.json") << manifest.dump(1);
}

TEST_F(Resume, EveryPlaceInTheStateCounts) {
  const std::vector<std::string> interval = {"log.every_steps=4"};  // a window stays open over the checkpoint
  ASSERT_EQ(train("straight", {}, interval).exit_code, 0);
  ASSERT_EQ(train("stopped", at_line(dir / "stopped", 1, SIGTERM), interval).exit_code, 143);
  const std::string latest = slurp(dir / "stopped/checkpoints/latest");
  const Json state =
      Json::parse(slurp(dir / "stopped/checkpoints" / latest.substr(0, latest.size() - 1) / "state.json"));
  for (const char* field : {"step", "stage_step", "batches", "epochs", "window", "metrics_bytes"}) {
    fs::remove_all(dir / "again");
    fs::copy(dir / "stopped", dir / "again", fs::copy_options::recursive);
    const Json& now = state["train"][field];
    const Json other = now.is_object() ? Json{{"loss", {1000.0, 1}}} : Json(now.get<int64_t>() > 0 ? 0 : 1);
    change_state(dir / "again/checkpoints" / latest.substr(0, latest.size() - 1), field, other);
    run_program({"train", "--resume", "again"}, dir.path());
    EXPECT_NE(durable_files(dir / "straight"), durable_files(dir / "again")) << field << " changed and nothing showed";
  }
}

TEST_F(Resume, ADryRunOfAResumptionTrainsNothing) {
  ASSERT_EQ(train("a", at_line(dir / "a", 6, SIGTERM)).exit_code, 143);
  const auto before = durable_files(dir / "a");
  const ProcessResult dry = run_program({"train", "--resume", "a", "--dry-run"}, dir.path());
  EXPECT_EQ(dry.exit_code, 0) << dry.err;
  EXPECT_NE(dry.out.find("steps of the run"), std::string::npos) << dry.out;
  EXPECT_EQ(before, durable_files(dir / "a"));
}

TEST_F(Resume, ContradictoryRequestsAreRefused) {
  const auto code = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "train");
    const ProcessResult result = run_program(arguments, dir.path());
    return result.exit_code;
  };
  EXPECT_EQ(code({"--resume", "a", "--run-dir", "b"}), 2);
  EXPECT_EQ(code({"-c", "tiny.yaml", "--checkpoint", "step-00000001"}), 2);
  EXPECT_EQ(code({"-c", "tiny.yaml", "--resume", "auto"}), 2);
}

TEST_F(Resume, AnotherVocabularyIsNoticed) {
  ASSERT_EQ(train("a").exit_code, 0);
  std::string words = slurp(dir / "a/vocabulary.txt");
  const size_t first = words.find("circle"), second = words.find("square");
  ASSERT_TRUE(first != std::string::npos && second != std::string::npos) << words;
  words.replace(first, 6, "square"), words.replace(second, 6, "circle");
  std::ofstream(dir / "a/vocabulary.txt") << words;
  const ProcessResult result = run_program({"evaluate", "a"}, dir.path());
  EXPECT_EQ(result.exit_code, 4) << result.err;
  EXPECT_NE(result.err.find("vocabulary"), std::string::npos) << result.err;
}

TEST_F(Resume, ChangedSettingsStayForTheNextResumption) {
  ASSERT_EQ(train("a", at_line(dir / "a", 6, SIGTERM)).exit_code, 143);
  ASSERT_EQ(run_program({"train", "--resume", "a", "train.stages.2.epochs=2"}, dir.path()).exit_code, 0);
  EXPECT_NE(slurp(dir / "a/config.resolved.yaml").find("epochs: 2"), std::string::npos);
  const ProcessResult again = run_program({"train", "--resume", "a"}, dir.path());
  EXPECT_NE(again.out.find("already complete"), std::string::npos) << again.out << again.err;
}

TEST_F(Resume, AnUnknownExpectationIsRefusedBeforeTraining) {
  const ProcessResult typo =
      run_program({"train", "-c", "tiny.yaml", "--run-dir", "a", "--expect", "rsom >= 1"}, dir.path());
  EXPECT_EQ(typo.exit_code, 2) << typo.err;
  EXPECT_NE(typo.err.find("rsum"), std::string::npos) << typo.err;
  EXPECT_FALSE(fs::exists(dir / "a"));
  EXPECT_EQ(train("a", {}, {"--expect", "rsum >= 1"}).exit_code, 2);  // evaluate.final is none
}

TEST_F(Resume, ACompleteRunAnswersExpectationsFromItsResult) {
  const auto expecting = [&](const char* expectation) {
    return run_program({"train", "-c", "tiny.yaml", "--run-dir", "a", "--resume", "auto", "--expect", expectation},
                       dir.path());
  };
  ASSERT_EQ(expecting("rsum >= 0").exit_code, 0);
  const ProcessResult again = expecting("rsum >= 0");
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_NE(again.out.find("already complete"), std::string::npos);
  EXPECT_NE(again.out.find("ok"), std::string::npos) << again.out;
  EXPECT_EQ(expecting("rsum >= 601").exit_code, 9);
}

TEST_F(Resume, AFinishedRunIsAlreadyComplete) {
  ASSERT_EQ(train("a").exit_code, 0);
  const auto before = durable_files(dir / "a");
  const ProcessResult again = train("a");
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_NE(again.out.find("already complete"), std::string::npos);
  EXPECT_EQ(before, durable_files(dir / "a"));
}

TEST_F(Resume, RaisedEpochsContinueAFinishedRun) {
  ASSERT_EQ(train("a").exit_code, 0);
  const ProcessResult more = run_program({"train", "--resume", "a", "train.stages.2.epochs=2"}, dir.path());
  EXPECT_EQ(more.exit_code, 0) << more.err;
  EXPECT_GT(slurp(dir / "a" / "metrics.jsonl").size(), 0u);
}

TEST_F(Resume, ADamagedNewestCheckpointFallsBackToTheOlderOne) {
  ASSERT_EQ(train("straight").exit_code, 0);
  const ProcessResult killed = train("damaged", at_line(dir / "damaged", 8, SIGKILL));
  ASSERT_EQ(killed.signal, SIGKILL) << killed.err;
  fs::path newest;
  for (const auto& entry : fs::directory_iterator(dir / "damaged" / "checkpoints"))
    if (entry.is_directory() && entry.path().filename().string().starts_with("step-"))
      newest = std::max(newest, entry.path());
  fs::resize_file(newest / "model.safetensors", 100);
  const ProcessResult resumed = train("damaged");
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("damaged"), std::string::npos);
  expect_equal_runs(dir / "straight", dir / "damaged");
}

TEST_F(Resume, WithEveryCheckpointDamagedNothingStartsFromScratch) {
  ASSERT_EQ(train("a").exit_code, 0);
  std::ofstream(dir / "a" / "STATUS") << "running\n";
  for (const auto& entry : fs::directory_iterator(dir / "a" / "checkpoints"))
    if (entry.is_directory()) fs::resize_file(entry.path() / "optim.safetensors", 10);
  const ProcessResult resumed = train("a");
  EXPECT_EQ(resumed.exit_code, 4) << resumed.err;
}

TEST_F(Resume, ChangedKeysAreAppliedWarnedAboutOrRefused) {
  ASSERT_EQ(train("a", at_line(dir / "a", 6, SIGTERM)).exit_code, 143);
  const ProcessResult refused = run_program({"train", "--resume", "a", "model.text.hidden=32"}, dir.path());
  EXPECT_EQ(refused.exit_code, 4);
  EXPECT_NE(refused.err.find("model.text.hidden: 16 -> 32"), std::string::npos) << refused.err;
  const ProcessResult warned = run_program({"train", "--resume", "a", "train.stages.2.optim.lr=0.02"}, dir.path());
  EXPECT_EQ(warned.exit_code, 0) << warned.err;
  EXPECT_NE(warned.err.find("no longer bit-exact"), std::string::npos);
}

TEST_F(Resume, ASecondProcessIsLockedOut) {
  int code = 0;
  std::string text;
  bool tried = false;
  const auto during = [&](pid_t) {
    if (tried || !fs::exists(dir / "a" / "metrics.jsonl")) return;
    tried = true;
    const TempDir elsewhere;
    const ProcessResult second = run_program({"train", "--resume", (dir / "a").string()}, dir / "set");
    code = second.exit_code, text = second.err;
  };
  ASSERT_EQ(train("a", during).exit_code, 0);
  EXPECT_EQ(code, 5) << text;
  EXPECT_NE(text.find("in use by"), std::string::npos) << text;
}

}  // namespace
}  // namespace diptych::testing

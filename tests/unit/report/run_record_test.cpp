#include "diptych/report/run_record.h"

#include <gmock/gmock.h>

#include "diptych/core/io/fs.h"
#include "diptych/eval/result_json.h"
#include "support/temp_dir.h"

namespace diptych {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempDir;

ProtocolResult result() {
  ProtocolResult out;
  out.protocol = "p", out.description = "in words", out.split = "test", out.images = 3, out.captions = 15;
  out.metrics.emplace_back("i2t/R@1", Metric{100.0 / 3, 30, 20, 40, true, 15});
  out.metrics.emplace_back("t2i/R@5", Metric{0, 0, 1, 0, false, 3});
  out.metrics.emplace_back("rsum", Metric{12.5, 12.5, 1, 0, true, 3});
  return out;
}

/// A finished run made of files alone.
struct FakeRun {
  FakeRun() {
    dir.write("STATUS", "done\n");
    dir.write("config.resolved.yaml",
              "experiment: e\ntrain:\n  batch_size: 8\n  stages:\n    - name: \"a b\"\n      freeze: [model.image, x]\n"
              "      ema: null\nnotes: {}\npublished: {p: \"rsum 12\"}\n");
    dir.write("command.json", "{\"argv\": [\"diptych\"]}\n");
    dir.write("env.json", "{\"diptych\": \"0.1\"}\n");
    dir.write("data.json", "{\"corpus\": \"c\"}\n");
    dir.write("metrics.jsonl",
              "{\"v\":1,\"kind\":\"train\",\"step\":1,\"epoch\":0,\"lr\":0.1,\"loss\":2.5,\"grad\":null}\n"
              "{\"v\":1,\"kind\":\"eval\",\"step\":2,\"epoch\":1,\"split\":\"val\",\"protocol\":\"p\",\"rsum\":50}\n"
              "{\"v\":1,\"kind\":\"eval\",\"step\":4,\"epoch\":2,\"split\":\"val\",\"protocol\":\"p\",\"rsum\":40}\n");
    dir.write("timing.jsonl", "{\"step\":1}\n");
    dir.write("sessions.jsonl", "{\"kind\":\"start\"}\n");
    dir.write("checkpoints/best", "step-00000002\n");
    dir.write("checkpoints/latest", "step-00000004\n");
    dir.write("eval/p/metrics.json", to_json(result()).dump());
  }
  RunRecord read() const { return read_run_record(dir.path()); }
  /// The message of the refusal: a CheckpointError with a path and a remedy.
  std::string refusal() const {
    try {
      read();
    } catch (const CheckpointError& error) {
      EXPECT_EQ(error.exit_code(), 4);
      EXPECT_FALSE(error.issues().front().hint.empty());
      EXPECT_THAT(error.issues().front().where, HasSubstr(dir.path().string()));
      return to_text(error.issues().front());
    }
    ADD_FAILURE() << "nothing was thrown";
    return "";
  }
  TempDir dir;
};

TEST(RunRecord, HoldsWhatTheDirectorySays) {
  const RunRecord record = FakeRun().read();
  EXPECT_EQ(record.status.state, RunState::done);
  EXPECT_EQ(record.experiment, "e");
  EXPECT_EQ(*record.find_config("train.batch_size"), "8");
  EXPECT_EQ(*record.find_config("train.stages.0.name"), "a b");
  EXPECT_EQ(*record.find_config("train.stages.0.freeze"), "[model.image, x]");
  EXPECT_EQ(*record.find_config("train.stages.0.ema"), "null");
  EXPECT_EQ(*record.find_config("notes"), "{}");
  EXPECT_EQ(record.find_config("train.stages"), nullptr);
  EXPECT_THAT(record.published, ElementsAre(std::pair<std::string, std::string>("p", "rsum 12")));
  ASSERT_EQ(record.metrics.size(), 3u);
  EXPECT_EQ(record.metrics[0].kind, "train");
  EXPECT_EQ(*record.metrics[0].find("loss"), 2.5);
  EXPECT_EQ(record.metrics[0].find("grad"), nullptr);
  EXPECT_EQ(record.metrics[1].split, "val");
  EXPECT_EQ(record.best, "step-00000002");
  EXPECT_EQ(record.latest, "step-00000004");
  EXPECT_EQ(*record.best_row()->find("rsum"), 50);
  EXPECT_TRUE(record.absent.empty());
  EXPECT_EQ(record.env["diptych"], "0.1");
}

TEST(RunRecord, EvaluationsReadBackExactly) {
  const RunRecord record = FakeRun().read();
  const RecordedEvaluation* evaluation = record.find_evaluation("p", "test");
  ASSERT_NE(evaluation, nullptr);
  EXPECT_EQ(evaluation->result.find("i2t/R@1")->value, 100.0 / 3);
  EXPECT_EQ(evaluation->result.find("i2t/R@1")->high, 40);
  EXPECT_FALSE(evaluation->result.find("t2i/R@5")->available);
  EXPECT_GT(evaluation->result.find("rsum")->low, evaluation->result.find("rsum")->high);
  EXPECT_EQ(to_json(evaluation->result), to_json(result()));
  EXPECT_EQ(record.find_evaluation("p", "val"), nullptr);
}

TEST(RunRecord, AnUnfinishedLastLineIsPassedOver) {
  FakeRun run;
  run.dir.write("metrics.jsonl", "{\"v\":1,\"kind\":\"train\",\"step\":1,\"epoch\":0}\n{\"v\":1,\"ki");
  EXPECT_EQ(run.read().metrics.size(), 1u);
  run.dir.write("metrics.jsonl", "{\"v\":1,\"ki\n{\"v\":1,\"kind\":\"train\",\"step\":1,\"epoch\":0}\n");
  EXPECT_THAT(run.refusal(), HasSubstr("metrics.jsonl line 1"));
}

TEST(RunRecord, ListsWhatIsAbsent) {
  FakeRun run;
  for (const char* name : {"env.json", "eval", "checkpoints"}) std::filesystem::remove_all(run.dir / name);
  EXPECT_THAT(run.read().absent, ElementsAre("env.json", "checkpoints/best", "eval"));
}

TEST(RunRecord, DamageIsNamedWithARemedy) {
  EXPECT_THROW(read_run_record("/nonexistent/run"), CheckpointError);
  const auto damaged = [](const std::string& name, const std::string& bytes, const std::string& expected) {
    FakeRun run;
    run.dir.write(name, bytes);
    EXPECT_THAT(run.refusal(), HasSubstr(expected)) << name;
  };
  damaged("STATUS", "", "STATUS");
  damaged("STATUS", "failed:x\n", "failed:x");
  damaged("env.json", "{\"diptych\": \"0", "env.json");
  damaged("data.json", "[]", "data.json");
  damaged("eval/p/metrics.json", "{\"v\":1}", "metrics.json");
  damaged("config.resolved.yaml", "experiment: e\nexperiment: f\n", "config.resolved.yaml");
  FakeRun run;
  std::filesystem::remove(run.dir / "config.resolved.yaml");
  EXPECT_THAT(run.refusal(), HasSubstr("no run directory"));
}

TEST(RunRecord, AnotherVersionIsRefused) {
  FakeRun run;
  run.dir.write("metrics.jsonl", "{\"v\":2,\"kind\":\"train\",\"step\":1,\"epoch\":0}\n");
  EXPECT_THAT(run.refusal(), HasSubstr("another version"));
  FakeRun other;
  Json json = to_json(result());
  json["v"] = 7;
  other.dir.write("eval/p/metrics.json", json.dump());
  EXPECT_THAT(other.refusal(), HasSubstr("version 7"));
}

TEST(RunStatusText, SaysHowTheRunStands) {
  FakeRun run;
  run.dir.write("STATUS", "failed:6\n");
  EXPECT_EQ(to_text(run.read().status), "failed (exit 6)");
  run.dir.write("STATUS", "interrupted:15\n");
  EXPECT_EQ(to_text(run.read().status), "interrupted (signal 15)");
}

TEST(RunStatusText, ARunWithoutALiveProcessHasCrashed) {
  FakeRun run;
  run.dir.write("STATUS", "running\n");
  EXPECT_EQ(run.read().status.state, RunState::crashed);
  {
    const RunLock lock(run.dir.path());
    EXPECT_EQ(run.read().status.state, RunState::running);
  }
  EXPECT_EQ(run.read().status.state, RunState::crashed);
  run.dir.write("run.lock", "pid 999999999 on nowhere since then\n");
  EXPECT_EQ(run.read().status.state, RunState::crashed);
}

}  // namespace
}  // namespace diptych

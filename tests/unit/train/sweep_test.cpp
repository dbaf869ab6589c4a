#include "diptych/train/sweep.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "diptych/core/io/fs.h"
#include "diptych/core/text.h"
#include "diptych/eval/result_json.h"
#include "support/file_system_double.h"
#include "support/temp_dir.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::FileSystemDouble;
using ::testing::HasSubstr;
using testing::TempDir;

class Sweep : public ::testing::Test {
 protected:
  Sweep() { dir_.write("base.yaml", "experiment: e\nseed: 7\nobjective: [{type: cmpm}, {type: cmpc}]\n"); }
  SweepSpec spec(const std::string& text) {
    return read_sweep_spec(dir_.write("sweep.yaml", "base: base.yaml\n" + text));
  }
  SweepPlan plan(const std::string& text, const std::vector<std::string>& overrides = {}) {
    return plan_sweep(catalog_, spec(text), overrides);
  }
  std::string error_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
    try {
      plan(text, overrides);
    } catch (const UsageError& error) {
      EXPECT_EQ(error.exit_code(), 2);
      return error.what();
    }
    return "no error";
  }
  SweepRequest request() const {
    SweepRequest out;
    out.directory = dir_.path() / "out", out.program = "diptych";
    return out;
  }
  const Catalog catalog_;
  TempDir dir_;
};

std::vector<std::string> texts(const SweepPlan& plan) {
  std::vector<std::string> out;
  for (const SweepPoint& point : plan.points) out.push_back(point.text);
  return out;
}

TEST_F(Sweep, IsGridTimesListTimesSeedsWithSeedsInnermost) {
  const SweepPlan p = plan(
      "grid: {train.batch_size: [8, 16], precision: [fp32]}\nlist: [{train.clip_norm: 1}, {train.clip_norm: 2}]\n"
      "seeds: [1, 2]\n");
  EXPECT_THAT(texts(p), ElementsAre("train.batch_size=8 precision=fp32 train.clip_norm=1 seed=1",
                                    "train.batch_size=8 precision=fp32 train.clip_norm=1 seed=2",
                                    "train.batch_size=8 precision=fp32 train.clip_norm=2 seed=1",
                                    "train.batch_size=8 precision=fp32 train.clip_norm=2 seed=2",
                                    "train.batch_size=16 precision=fp32 train.clip_norm=1 seed=1",
                                    "train.batch_size=16 precision=fp32 train.clip_norm=1 seed=2",
                                    "train.batch_size=16 precision=fp32 train.clip_norm=2 seed=1",
                                    "train.batch_size=16 precision=fp32 train.clip_norm=2 seed=2"));
  EXPECT_THAT(p.keys, ElementsAre("train.batch_size", "precision", "train.clip_norm"));
  EXPECT_THAT(p.settings[3], ElementsAre("16", "fp32", "2"));
  EXPECT_EQ(p.points[7].setting, 3u);
  EXPECT_EQ(p.points[7].seed, 2);
  EXPECT_EQ(p.points[7].name().substr(0, 4), "008-");
  EXPECT_EQ(p.points[7].name().size(), 12u);
}

TEST_F(Sweep, WithoutSeedsTheRecipesOwnCounts) {
  const SweepPlan p = plan("grid: {train.batch_size: [8]}\n");
  ASSERT_EQ(p.points.size(), 1u);
  EXPECT_EQ(p.points[0].seed, 7);
  EXPECT_EQ(p.selection, "val/rsum");
  EXPECT_THAT(p.protocols, ElementsAre("image-retrieval"));
  EXPECT_EQ(p.spec.name, "sweep") << "the file's name";
}

TEST_F(Sweep, ListsValuesOfTheConfigurationAndLabels) {
  const SweepPlan p = plan(
      "list:\n  - {label: CMPM, objective: [{type: cmpm, direction: \"q||p\"}]}\n  - {objective: [{type: cmpc}], "
      "train.clip_norm: 1}\n");
  EXPECT_THAT(p.keys, ElementsAre("setting"));
  EXPECT_THAT(p.settings[0], ElementsAre("CMPM"));
  EXPECT_THAT(p.settings[1], ElementsAre("objective=[{type: cmpc}], train.clip_norm=1"));
  EXPECT_THAT(p.points[0].overrides, ElementsAre("objective=[{type: cmpm, direction: \"q||p\"}]"));
}

TEST_F(Sweep, SetAndTheCommandLineReachEveryJob) {
  const SweepPlan p =
      plan("set: {train.batch_size: 8, train.clip_norm: 1}\ngrid: {seed: [1, 2]}\n", {"train.batch_size=32"});
  for (const SweepPoint& point : p.points) {
    EXPECT_EQ(point.overrides[0], "train.batch_size=32");
    EXPECT_EQ(point.overrides[1], "train.clip_norm=1");
  }
  EXPECT_THAT(error_of("seeds: [1]\n", {"seed=2"}), HasSubstr("what the sweep varies"));
  EXPECT_THAT(error_of("seeds: [1]\n", {"~train.ema"}), HasSubstr("KEY=VALUE only"));
}

TEST_F(Sweep, TheWrittenSpecificationHoldsTheOverridesToo) {
  const SweepPlan p = plan("set: {train.batch_size: 8}\nselect: last\nseeds: [1, 2]\n",
                           {"train.batch_size=32", "evaluate.select=val/rsum", "notes={a: 'b, c'}"});
  EXPECT_EQ(p.selection, "val/rsum");
  dir_.write("again.yaml", to_yaml(p.spec));
  const SweepPlan again = plan_sweep(catalog_, read_sweep_spec(dir_ / "again.yaml"), {});
  ASSERT_EQ(again.points.size(), 2u);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(again.points[i].hash, p.points[i].hash);
  EXPECT_EQ(again.selection, "val/rsum");
  EXPECT_NE(plan("set: {train.batch_size: 8}\nselect: last\nseeds: [1, 2]\n").points[0].hash, p.points[0].hash);
}

TEST_F(Sweep, SelectIsPassedOnToTheRuns) {
  const SweepPlan p = plan("select: val/i2t/R@1\n");
  EXPECT_THAT(p.points[0].overrides, ElementsAre("evaluate.select=val/i2t/R@1"));
  EXPECT_EQ(p.selection, "val/i2t/R@1");
  EXPECT_EQ(plan("select: last\n").selection, "");
}

TEST_F(Sweep, NothingIsSelectedOnTest) {
  EXPECT_THAT(error_of("select: test/rsum\n"), HasSubstr("nothing is selected on the test split"));
  EXPECT_THAT(error_of("grid: {evaluate.select: [test/rsum]}\n"), HasSubstr("nothing is selected on the test split"));
}

TEST_F(Sweep, EveryPointIsValidatedAndEveryComplaintReportedOnce) {
  const std::string text = error_of("grid: {train.batch_size: [8, 0, fast], objective.5.weight: [1]}\nseeds: [1, 2]\n");
  EXPECT_THAT(text, HasSubstr("objective has 2 elements"));
  const std::string other = error_of("grid: {train.batch_size: [8, 0, fast]}\nseeds: [1, 2]\n");
  EXPECT_THAT(other, HasSubstr("job 3 (train.batch_size=0 seed=1)"));
  EXPECT_THAT(other, HasSubstr("fast"));
  EXPECT_EQ(other.find("job 4"), std::string::npos) << "the second seed repeats the complaint\n" << other;
  EXPECT_THAT(error_of("grid: {train.batchsize: [8]}\n"), HasSubstr("batch_size"));
}

TEST_F(Sweep, AnInvalidFirstPointBlamesNoOther) {
  const std::string text = error_of("grid: {train.batch_size: [0, 8]}\n");
  EXPECT_THAT(text, HasSubstr("job 1 (train.batch_size=0)"));
  EXPECT_EQ(text.find("job 2"), std::string::npos) << text;
  EXPECT_THAT(error_of("grid: {evaluate.select: [val/rsum, last]}\n"), HasSubstr("must be the same in all jobs"));
}

TEST_F(Sweep, EqualPointsAreRefused) {
  EXPECT_THAT(error_of("grid: {train.clip_norm: [1, 1.0]}\n"), HasSubstr("jobs 1 (train.clip_norm=1) and 2"));
}

TEST_F(Sweep, KeysThatTheConfigurationHashLeavesOutDistinguishPointsWhenVaried) {
  // epochs are of class free; weights are a path
  EXPECT_EQ(plan("grid: {train.stages: [[{epochs: 1}], [{epochs: 2}]]}\n").points.size(), 2u);
  EXPECT_EQ(plan("grid: {model.image.weights: [\"\", w.safetensors]}\n").points.size(), 2u);
  EXPECT_THAT(error_of("grid: {log.every_steps: [1, 1]}\n"), HasSubstr("would compute the same"));
}

TEST_F(Sweep, AHashSaysWhatIsComputedNotHowItIsWritten) {
  const auto hash = [&](const std::string& text) { return plan(text).points.back().hash; };
  EXPECT_EQ(hash("grid: {train.clip_norm: [0.5]}\n"), hash("grid: {train.clip_norm: [5e-1]}\n"));
  EXPECT_NE(hash("grid: {train.clip_norm: [0.5]}\n"), hash("grid: {train.clip_norm: [0.6]}\n"));
  EXPECT_EQ(hash("grid: {train.clip_norm: [0.5]}\n"), hash("grid: {train.clip_norm: [0.25, 0.5]}\n"));
}

TEST_F(Sweep, MistakesOfTheSpecificationHaveLineAndRemedy) {
  EXPECT_THAT(error_of("gird: {}\n"), HasSubstr("grid"));
  EXPECT_THAT(error_of("gird: {}\n"), HasSubstr("sweep.yaml:2"));
  EXPECT_THAT(error_of("grid: {seed: []}\n"), HasSubstr("at least one value"));
  EXPECT_THAT(error_of("grid: {seed: 3}\n"), HasSubstr("a list of at least one value"));
  EXPECT_THAT(error_of("seeds: [1, 1]\n"), HasSubstr("twice"));
  EXPECT_THAT(error_of("seeds: [-1]\n"), HasSubstr("seeds"));
  EXPECT_THAT(error_of("grid: {seed: [1]}\nseeds: [1]\n"), HasSubstr("already set elsewhere"));
  for (const std::string& name : {std::string("../x"), std::string("a b"), std::string("\"\\e[2J\""),
                                  std::string(".hidden"), std::string("<script>"), std::string(300, 'x')}) {
    const std::string complaint = error_of("name: " + name + "\n");
    EXPECT_THAT(complaint, HasSubstr("names a directory")) << name;
    EXPECT_EQ(complaint.find('\x1b'), std::string::npos) << name;
  }
  EXPECT_THAT(error_of("report: [flickr8k]\n"), HasSubstr("flickr8k-1k"));
  EXPECT_THAT(error_of("list: [{label: 3x, train.clip_norm: 1}, x]\n"), HasSubstr("list.1"));
  EXPECT_THAT(error_of("jobs: 0\n"), HasSubstr("jobs"));
  dir_.write("sweep2.yaml", "name: x\n");
  EXPECT_THROW(read_sweep_spec(dir_ / "sweep2.yaml"), UsageError);
  dir_.write("sweep2.yaml", "base: absent.yaml\n");
  EXPECT_THROW(plan_sweep(catalog_, read_sweep_spec(dir_ / "sweep2.yaml"), {}), UsageError);
}

TEST_F(Sweep, TheSpecificationSurvivesWritingAndReading) {
  const SweepSpec before = spec(
      "name: n\nset: {train.batch_size: 8}\ngrid: {objective.0.direction: [\"p||q\", \"q||p\"]}\n"
      "list: [{label: \"a, b\", train.clip_norm: 1}, {precision: fp32}]\nseeds: [1, 2]\nselect: last\njobs: 3\n");
  dir_.write("again.yaml", to_yaml(before));
  const SweepSpec after = read_sweep_spec(dir_ / "again.yaml");
  EXPECT_EQ(to_yaml(after), to_yaml(before));
  const SweepPlan a = plan_sweep(catalog_, before, {}), b = plan_sweep(catalog_, after, {});
  ASSERT_EQ(a.points.size(), b.points.size());
  for (size_t i = 0; i < a.points.size(); ++i) EXPECT_EQ(a.points[i].hash, b.points[i].hash);
  EXPECT_EQ(a.settings, b.settings);
}

TEST_F(Sweep, WordsMakeASpecification) {
  const SweepSpec s = sweep_spec_of_words(
      dir_ / "base.yaml",
      {"train.clip_norm=1,2", "seed=1..3", "objective=[{type: cmpm}],[{type: cmpc}, {type: cmpm}]"});
  EXPECT_THAT(s.seeds, ElementsAre(1, 2, 3));
  ASSERT_EQ(s.grid.axes.size(), 2u);
  EXPECT_THAT(s.grid.axes[0].values, ElementsAre("1", "2"));
  EXPECT_THAT(s.grid.axes[1].values, ElementsAre("[{type: cmpm}]", "[{type: cmpc}, {type: cmpm}]"));
  EXPECT_EQ(s.name, "base");
  EXPECT_EQ(plan_sweep(catalog_, s, {}).points.size(), 12u);
  for (const char* word : {"seed", "=1", "seed=", "seed=a", "seed=3..1", "x=[1", "seed=1,1"})
    EXPECT_THROW(sweep_spec_of_words(dir_ / "base.yaml", {word}), UsageError) << word;
}

TEST_F(Sweep, CommandLinesAreQuotedForTheShell) {
  const SweepPlan p = plan("grid: {notes: [{a: \"it's $HOME `x`\"}]}\nreport: [image-retrieval, shapes]\n");
  const auto commands = job_commands(p, request(), p.points[0]);
  ASSERT_EQ(commands.size(), 2u);
  EXPECT_EQ(commands[0][1], "train");
  EXPECT_EQ(commands[1][1], "evaluate");
  TempDir out;
  // A shell reads the words back.
  const std::string line =
      "for w in " + shell_line(commands[0]) + "; do printf '%s\\n' \"$w\"; done > '" + (out / "words").string() + "'";
  ASSERT_EQ(std::system(line.c_str()), 0);
  EXPECT_EQ(split(testing::slurp(out / "words"), '\n'), [&] {
    auto words = commands[0];
    words.emplace_back("");
    return words;
  }());
}

TEST_F(Sweep, ThreadsAreDividedAmongTheJobs) {
  SweepRequest r = request();
  const auto threads = [&](const SweepPlan& p) {
    const auto words = job_commands(p, r, p.points[0])[0];
    const auto at = std::ranges::find(words, "--threads");
    return at == words.end() ? "own" : *(at + 1);
  };
  const SweepPlan open = plan(""), fixed = plan("set: {threads: 3}\n");
  EXPECT_EQ(threads(open), "own");
  r.threads = 8, r.jobs = 3;
  EXPECT_EQ(threads(open), "2");
  EXPECT_EQ(threads(fixed), "2") << "--threads goes before the configuration";
  r.jobs = 100;
  EXPECT_EQ(threads(open), "1");
  r.threads = 0;
  EXPECT_EQ(threads(fixed), "own") << "a pinned number is part of the run's identity";
}

TEST_F(Sweep, AJobOfAnArrayDoesNotShareItsThreads) {
  SweepRequest r = request();
  const SweepPlan of_four = plan("jobs: 4\n");
  const auto words = [&] { return " " + join(job_commands(of_four, r, of_four.points[0])[0], " ") + " "; };
  r.threads = 8;
  EXPECT_THAT(words(), HasSubstr(" --threads 2 "));
  r.only = 1;
  EXPECT_THAT(words(), HasSubstr(" --threads 8 "));
  r.jobs = 3;
  EXPECT_THAT(words(), HasSubstr(" --threads 8 "));
  r.threads = 0;
  EXPECT_EQ(words().find("--threads"), std::string::npos) << "the configuration's own number, or all";
}

// --- the state of a job is what its files say

class SweepState : public Sweep {
 protected:
  SweepState() : plan_(plan("seeds: [1]\n")) {
    run_ = job_directory(request().directory, plan_.points[0]);
    fs::create_directories(request().directory / "logs");
  }
  void write(const std::string& name, const std::string& text) {
    fs::create_directories((run_ / name).parent_path());
    std::ofstream(run_ / name) << text;
  }
  void make_run(const std::string& status) {
    write("config.resolved.yaml", "experiment: e\n");
    write("STATUS", status + "\n");
  }
  fs::path log_file(const std::string& extension) const {
    return request().directory / "logs" / (run_.filename().string() + extension);
  }
  JobStatus status() const { return job_status(plan_, request(), plan_.points[0]); }
  SweepPlan plan_;
  fs::path run_;
};

TEST_F(SweepState, NothingYet) {
  EXPECT_EQ(status().state, JobState::waiting);
  write("config.yaml", "");
  EXPECT_EQ(status().state, JobState::waiting) << "killed while the run was being made";
}

TEST_F(SweepState, FinishedNeedsTheNumbersToo) {
  make_run("done");
  EXPECT_EQ(status().state, JobState::interrupted);
  write("eval/image-retrieval/metrics.json", "{}");
  EXPECT_EQ(status().state, JobState::finished);
}

TEST_F(SweepState, FailedBeforeOrAfterTheRunWasMade) {
  std::ofstream(log_file(".exit")) << "3\n";
  EXPECT_EQ(status().state, JobState::failed);
  EXPECT_EQ(status().exit_code, 3);
  fs::remove(log_file(".exit"));
  make_run("failed:6");
  EXPECT_EQ(status().state, JobState::failed);
  EXPECT_EQ(status().exit_code, 6);
  make_run("running");
  EXPECT_EQ(status().state, JobState::interrupted) << "killed together with the sweep";
  std::ofstream(log_file(".exit")) << "1\n";
  EXPECT_EQ(status().state, JobState::failed) << "died alone";
}

TEST_F(SweepState, InterruptedHasItsSignal) {
  make_run("interrupted:15");
  EXPECT_EQ(status().state, JobState::interrupted);
  EXPECT_EQ(status().exit_code, 143);
}

TEST_F(SweepState, AJobOfAnEarlierSweepHoldsItsLog) {
  const int fd = ::open(log_file(".log").c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(::flock(fd, LOCK_EX), 0);
  EXPECT_EQ(status().state, JobState::running);
  ::close(fd);
  EXPECT_EQ(status().state, JobState::waiting);
}

TEST_F(SweepState, AJobIsFoundUnderItsFormerNumber) {
  fs::create_directories(run_);
  const fs::path former = request().directory / "jobs" / ("009-" + plan_.points[0].hash.substr(0, 8));
  fs::rename(run_, former);
  EXPECT_EQ(job_directory(request().directory, plan_.points[0]), former);
}

TEST_F(SweepState, TheFirstFailureDecidesTheExitCode) {
  EXPECT_NO_THROW(throw_first_failure(plan_, request()));
  make_run("failed:6");
  try {
    throw_first_failure(plan_, request());
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 6);
    EXPECT_THAT(error.what(), HasSubstr("1 of 1 jobs failed"));
  }
  make_run("interrupted:10");
  EXPECT_THROW(throw_first_failure(plan_, request()), Interrupted);
}

TEST_F(SweepState, CollectsTheChosenCheckpointsValidationMetricAndTheTestNumbers) {
  make_run("done");
  ProtocolResult result;
  result.protocol = "image-retrieval", result.split = "test";
  result.metrics.emplace_back("rsum", Metric{300, 300, 1, 0, true, 9});
  write("eval/image-retrieval/metrics.json", to_json(result).dump());
  write("metrics.jsonl",
        "{\"v\":1,\"kind\":\"eval\",\"step\":2,\"epoch\":1,\"split\":\"val\",\"rsum\":210}\n"
        "{\"v\":1,\"kind\":\"eval\",\"step\":4,\"epoch\":2,\"split\":\"val\",\"rsum\":200}\n");
  write("checkpoints/best", "step-00000002\n");
  const SweepResults results = collect_sweep(plan_, request());
  EXPECT_EQ(results.jobs[0].state, "finished");
  EXPECT_EQ(results.jobs[0].selection, 210);
  EXPECT_EQ(setting_value(results, 0, "image-retrieval", "rsum").mean, 300);
  EXPECT_THAT(to_text(status_table(plan_, results)), HasSubstr("1 of 1 jobs finished"));
  write_sweep_tables(results, request().directory);
  for (const char* name : {"sweep.csv", "sweep.md", "sweep.tex", "sweep.json"})
    EXPECT_TRUE(fs::exists(request().directory / name)) << name;
}

TEST_F(SweepState, ADamagedRunOrOneOfAnotherVersionIsNamedWithTheWayOut) {
  ProtocolResult result;
  result.protocol = "image-retrieval", result.split = "test";
  const std::string good = to_json(result).dump();
  const auto refusal = [&](const std::string& name, const std::string& bytes) -> std::string {
    make_run("done");
    write("eval/image-retrieval/metrics.json", good);
    write("metrics.jsonl", "");
    write(name, bytes);
    try {
      collect_sweep(plan_, request());
    } catch (const CheckpointError& error) {
      EXPECT_THAT(error.issues().front().where, HasSubstr(name));
      EXPECT_THAT(error.issues().front().hint, HasSubstr("or remove " + run_.string()));
      return error.what();
    }
    return "nothing was thrown";
  };
  EXPECT_EQ(refusal("metrics.jsonl", ""), "nothing was thrown");
  EXPECT_THAT(refusal("metrics.jsonl", "{\"v\":2,\"kind\":\"train\",\"step\":1,\"epoch\":0}\n"),
              HasSubstr("another version"));
  EXPECT_THAT(refusal("eval/image-retrieval/metrics.json", good.substr(0, good.size() / 2)), HasSubstr("metrics.json"));
  EXPECT_THAT(refusal("STATUS", "dne\n"), HasSubstr("dne"));
  EXPECT_THAT(refusal("config.resolved.yaml", "a: [\n"), HasSubstr("config.resolved.yaml"));
  fs::remove_all(run_);
  EXPECT_EQ(collect_sweep(plan_, request()).jobs[0].state, "waiting") << "a job without its directory is run again";
}

TEST_F(SweepState, AFullDiskAtAnyMomentLeavesEveryTableOldOrNew) {
  const char* const kTables[] = {"sweep.csv", "sweep.md", "sweep.tex", "sweep.json"};
  SweepResults results = collect_sweep(plan_, request());
  const auto written = [&](const std::string& name) {
    results.name = name;
    write_sweep_tables(results, request().directory);
    std::vector<std::string> texts;
    for (const char* table : kTables) texts.push_back(testing::slurp(request().directory / table));
    return texts;
  };
  const auto after = written("after");
  int faults = 0;
  for (int at = 1;; ++at, ++faults) {
    const auto before = written("before");
    results.name = "after";
    FileSystemDouble full(request().directory, FileSystemDouble::Fault::fail_from, at, ENOSPC);
    {
      const FileSystemScope scope(full);
      try {
        write_sweep_tables(results, request().directory);
      } catch (const OutputError& error) {
        EXPECT_EQ(error.exit_code(), 5);
        EXPECT_TRUE(full.fired());
      }
    }
    if (!full.fired()) break;
    for (size_t i = 0; i < 4; ++i) {
      const std::string now = testing::slurp(request().directory / kTables[i]);
      EXPECT_TRUE(now == before[i] || now == after[i]) << kTables[i] << " is torn after operation " << at;
    }
  }
  EXPECT_GE(faults, 16) << "four files with at least create, write, sync, rename each";
  EXPECT_EQ(written("after"), after);
}

TEST_F(SweepState, AFullDiskCostsATableAndNothingElse) {
  SweepResults results = collect_sweep(plan_, request());
  write_sweep_tables(results, request().directory);
  const std::string before = testing::slurp(request().directory / "sweep.md");
  results.name = "other";
  FileSystemDouble full(request().directory, FileSystemDouble::Fault::fail_once, 2, ENOSPC);
  {
    const FileSystemScope scope(full);
    EXPECT_THROW(write_sweep_tables(results, request().directory), OutputError);
  }
  EXPECT_TRUE(full.fired());
  EXPECT_EQ(testing::slurp(request().directory / "sweep.md"), before) << "the old table is intact";
  write_sweep_tables(results, request().directory);
  EXPECT_THAT(testing::slurp(request().directory / "sweep.md"), HasSubstr("other"));
}

TEST(ShippedSweeps, AllPointsAreValid) {
  setenv("DIPTYCH_DATA", "/data", 0);
  const Catalog catalog;
  int count = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(DIPTYCH_SOURCE_DIR) / "configs" / "sweeps")) {
    ++count;
    SweepPlan plan;
    EXPECT_NO_THROW(plan = plan_sweep(catalog, read_sweep_spec(entry.path()), {})) << entry.path();
    EXPECT_GE(plan.points.size(), 3u) << entry.path();
    EXPECT_EQ(plan.spec.name, entry.path().stem()) << "the name of a sweep is that of its file";
  }
  EXPECT_GE(count, 6);
}

}  // namespace
}  // namespace diptych

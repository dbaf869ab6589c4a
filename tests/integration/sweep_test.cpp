// diptych sweep as a process: tables, failures, kills, signals, mistakes.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <map>
#include <memory>
#include <set>

#include "diptych/core/io/fs.h"
#include "diptych/core/io/json.h"
#include "diptych/core/text.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/tiny_corpus.h"

namespace diptych::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

constexpr const char* kSpec = R"(base: tiny.yaml
name: tiny
set:
  threads: 1
  train.ema.decay: 0
  train.stages: [{epochs: 3, optim: {type: adam, lr: 1e-2}}]
list: [{label: CMPM, objective: [{type: cmpm}]}, {label: InfoNCE, objective: [{type: infonce}]}]
seeds: [1, 2]
jobs: 2
)";

/// Processes that `directory` is the working directory of and that run the program: jobs whose sweep was killed.
std::vector<pid_t> programs_in(const fs::path& directory) {
  std::vector<pid_t> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const auto pid = parse_integer(entry.path().filename().string());
    if (pid && fs::read_symlink(entry.path() / "cwd", error) == fs::canonical(directory) &&
        fs::read_symlink(entry.path() / "exe", error) == fs::canonical(DIPTYCH_PROGRAM))
      out.push_back(static_cast<pid_t>(*pid));
  }
  return out;
}

void kill_programs_in(const fs::path& directory) {
  for (const pid_t pid : programs_in(directory)) kill(pid, SIGKILL);
  while (!programs_in(directory).empty()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

std::set<std::string> done_jobs(const fs::path& sweep) {
  std::set<std::string> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(sweep / "jobs", error))
    if (slurp(entry.path() / "STATUS") == "done\n" && fs::exists(entry.path() / "eval/shapes/metrics.json"))
      out.insert(entry.path().filename().string());
  return out;
}

/// True once a job, or the one of that number ("002"), has saved something.
bool has_checkpoint(const fs::path& sweep, const std::string& number = "") {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(sweep / "jobs", error))
    if (entry.path().filename().string().starts_with(number) && fs::exists(entry.path() / "checkpoints/latest", error))
      return true;
  return false;
}

class SweepProgram : public ::testing::Test {
 protected:
  /// A finished sweep of 2 losses x 2 seeds that the tests share.
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempDir>();
    write_tiny_config(dir());
    shared_->write("spec.yaml", kSpec);
    const auto result = run_program({"sweep", "spec.yaml", "--run-dir", "whole"}, dir());
    ASSERT_EQ(result.exit_code, 0) << result.err;
    output_ = result.out, log_ = result.err;
  }
  static void TearDownTestSuite() {
    kill_programs_in(dir());
    shared_.reset();
  }
  static fs::path dir() { return shared_->path(); }
  static ProcessResult run(const Words& words, const std::function<void(pid_t)>& while_running = {}) {
    return run_program(words, dir(), while_running);
  }
  /// A copy of the finished sweep.
  static std::string copy(const std::string& name) {
    fs::copy(dir() / "whole", dir() / name, fs::copy_options::recursive);
    return name;
  }
  static void expect_tables_of_whole(const std::string& sweep) {
    for (const char* name : {"sweep.csv", "sweep.md", "sweep.tex", "sweep.json"})
      EXPECT_EQ(slurp(dir() / sweep / name), slurp(dir() / "whole" / name)) << name;
  }
  static void expect_failure(const Words& words, int code, const Words& expected) {
    const ProcessResult result = run(words);
    EXPECT_EQ(result.exit_code, code) << result.err;
    for (const std::string& word : expected) EXPECT_THAT(result.err, HasSubstr(word));
    const size_t last = result.err.rfind('\n', result.err.size() - 2);
    EXPECT_EQ(result.err.substr(last + 1).rfind("error", 0), 0u) << "last line is no error line:\n" << result.err;
  }
  static std::unique_ptr<TempDir> shared_;
  static std::string output_, log_;
};
std::unique_ptr<TempDir> SweepProgram::shared_;
std::string SweepProgram::output_, SweepProgram::log_;

TEST_F(SweepProgram, ComparesTheMeanWithTheRecipe) {
  const auto verdict = [&](const std::string& name, const std::string& published) {
    return run({"sweep", "--config", "tiny.yaml", "-m", "seed=1..2", "--run-dir", name, "--no-report",
                "--expect-recipe", "train.stages.0.epochs=1", "published=" + published});
  };
  const ProcessResult good = verdict("recipe-good", "{shapes: 'rsum 0.1', tolerance: 1}");
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_THAT(good.out, HasSubstr("shapes, mean of 2 runs: reproduced"));
  EXPECT_FALSE(fs::exists(dir() / "recipe-good/report.html"));
  const ProcessResult bad = verdict("recipe-bad", "{shapes: 'rsum 599', tolerance: 1}");
  EXPECT_EQ(bad.exit_code, 9) << bad.err;
  EXPECT_THAT(bad.out, HasSubstr("not reproduced within 1 points: rsum "));
  EXPECT_EQ(verdict("recipe-none", "{note: 'no number'}").exit_code, 2);
  expect_failure(
      {"sweep", "--config", "tiny.yaml", "-m", "seed=1..3", "--run-dir", "recipe-good", "--no-report", "--aggregate",
       "--expect-recipe", "train.stages.0.epochs=1", "published={shapes: 'rsum 0.1', tolerance: 1}"},
      9, {"2 of 3 jobs have finished"});
  expect_failure({"sweep", "--config", "tiny.yaml", "-m", "seed=1..2", "--status", "--expect-recipe"}, 2,
                 {"--expect-recipe"});
}

TEST_F(SweepProgram, MakesTablesOfMeansAndSpreads) {
  EXPECT_EQ(done_jobs(dir() / "whole").size(), 4u);
  const std::string markdown = slurp(dir() / "whole/sweep.md");
  EXPECT_THAT(markdown, HasSubstr("tiny: shapes"));
  EXPECT_THAT(markdown, HasSubstr("| CMPM | 2 |"));
  EXPECT_THAT(markdown, HasSubstr("±"));
  EXPECT_THAT(markdown, HasSubstr("Chosen on val/rsum"));
  EXPECT_THAT(slurp(dir() / "whole/sweep.csv"), HasSubstr("\"shapes:rsum seed 2\""));
  EXPECT_THAT(slurp(dir() / "whole/sweep.tex"), HasSubstr("\\begin{tabular}"));
  EXPECT_THAT(slurp(dir() / "whole/report.html"), HasSubstr("InfoNCE"));
  EXPECT_THAT(output_, HasSubstr("InfoNCE"));
  EXPECT_THAT(log_, HasSubstr("job 001-"));
  // The numbers are those of the runs.
  const Json json = Json::parse(slurp(dir() / "whole/sweep.json"));
  for (const Json& job : json["jobs"]) {
    const fs::path file = dir() / "whole/jobs" / job["job"].get<std::string>() / "eval/shapes/metrics.json";
    EXPECT_EQ(job["evaluated"][0], Json::parse(slurp(file)));
  }
}

TEST_F(SweepProgram, AFinishedSweepHasNothingLeftToDo) {
  const auto before = slurp(dir() / "whole/sweep.csv");
  const auto result = run({"sweep", "whole"});  // a sweep's directory is its specification
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("4 of 4 jobs are finished already"));
  EXPECT_EQ(result.err.find("started"), std::string::npos) << result.err;
  EXPECT_EQ(slurp(dir() / "whole/sweep.csv"), before);
}

TEST_F(SweepProgram, KilledTwiceItEndsWithTheSameTables) {
  std::map<std::string, std::string> sessions;  // of the jobs that were finished before a kill
  const auto remember = [&] {
    for (const std::string& job : done_jobs(dir() / "killed"))
      sessions.emplace(job, slurp(dir() / "killed/jobs" / job / "sessions.jsonl"));
  };
  const auto kill_when = [&](const std::function<bool()>& due) {
    bool killed = false;
    const auto result = run({"sweep", "spec.yaml", "--run-dir", "killed"}, [&](pid_t pid) {
      if (!killed && due()) killed = true, kill(pid, SIGKILL);
    });
    EXPECT_EQ(result.signal, SIGKILL) << result.err;
  };
  // First the sweep alone, while its jobs train: they go on, and the next sweep waits for them.
  kill_when([&] { return has_checkpoint(dir() / "killed"); });
  EXPECT_FALSE(programs_in(dir()).empty()) << "the jobs outlive the sweep";
  // Then the sweep and its jobs, with some of them finished.
  kill_when([&] { return done_jobs(dir() / "killed").size() >= 2; });
  kill_programs_in(dir());
  remember();
  EXPECT_GE(sessions.size(), 2u);
  const auto last = run({"sweep", "spec.yaml", "--run-dir", "killed"});
  EXPECT_EQ(last.exit_code, 0) << last.err;
  expect_tables_of_whole("killed");
  for (const auto& [job, lines] : sessions)
    EXPECT_EQ(slurp(dir() / "killed/jobs" / job / "sessions.jsonl"), lines) << job << " was run again";
}

TEST_F(SweepProgram, JobsOfAnArrayThatAreKilledEndWithTheSameTables) {
  const auto job = [](const std::string& number) {
    return Words{"sweep", "spec.yaml", "--run-dir", "array-killed", "--job", number};
  };
  /// Kills the job once it has a checkpoint, after the sweep if that is to die too.
  const auto run_and_kill = [&](const std::string& number, bool with_sweep) {
    bool killed = false;
    const auto result = run(job(number), [&](pid_t sweep) {
      if (killed || !has_checkpoint(dir() / "array-killed", "00" + number)) return;
      if (with_sweep) kill(sweep, SIGKILL);
      for (const pid_t pid : programs_in(dir()))
        if (pid != sweep) killed = true, kill(pid, SIGKILL);
    });
    EXPECT_TRUE(killed) << result.err;
    return result;
  };
  // The job alone, as when memory runs out: a failure, left alone until a repetition is asked for.
  const auto alone = run_and_kill("1", false);
  EXPECT_EQ(alone.exit_code, 1) << alone.err;
  EXPECT_THAT(alone.err, HasSubstr("failed (killed by signal 9)"));
  const auto again = run(job("1"));
  EXPECT_EQ(again.exit_code, 1) << again.err;
  EXPECT_THAT(again.err, HasSubstr("--retry-failed repeats it"));
  EXPECT_THAT(again.err, Not(HasSubstr("resumed")));
  auto retry = job("1");
  retry.push_back("--retry-failed");
  const auto retried = run(retry);
  EXPECT_EQ(retried.exit_code, 0) << retried.err;
  EXPECT_THAT(retried.err, HasSubstr("resumed"));
  // Together with its sweep, as when the machine goes down: the same command goes on.
  EXPECT_EQ(run_and_kill("2", true).signal, SIGKILL);
  const auto restarted = run(job("2"));
  EXPECT_EQ(restarted.exit_code, 0) << restarted.err;
  EXPECT_THAT(restarted.err, HasSubstr("resumed"));
  const auto rest = run({"sweep", "spec.yaml", "--run-dir", "array-killed"});
  EXPECT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_THAT(rest.err, HasSubstr("2 of 4 jobs are finished already"));
  expect_tables_of_whole("array-killed");
}

TEST_F(SweepProgram, ASignalIsPassedOnAndTheSweepContinues) {
  bool sent = false;
  const auto stopped = run({"sweep", "spec.yaml", "--run-dir", "stopped", "--jobs", "1"}, [&](pid_t pid) {
    if (!sent && has_checkpoint(dir() / "stopped")) sent = true, kill(pid, SIGTERM);
  });
  EXPECT_EQ(stopped.exit_code, 143) << stopped.err;
  EXPECT_TRUE(programs_in(dir()).empty()) << "jobs are waited for";
  for (const auto& entry : fs::directory_iterator(dir() / "stopped/jobs"))
    EXPECT_EQ(slurp(entry.path() / "STATUS"), "interrupted:15\n");
  EXPECT_THAT(run({"sweep", "stopped", "--status"}).out, HasSubstr("interrupted"));
  EXPECT_EQ(run({"sweep", "stopped"}).exit_code, 0);
  EXPECT_EQ(slurp(dir() / "stopped/sweep.csv"), slurp(dir() / "whole/sweep.csv"));
}

TEST_F(SweepProgram, AFailureIsPrintedAndTheOthersFinish) {
  shared_->write("failing.yaml", R"(base: tiny.yaml
name: failing
set: {threads: 1, train.ema.decay: 0, objective: [{type: cmpm}]}
list:
  - {label: boom, train.stages: [{epochs: 3, optim: {type: sgd, lr: 1e6, weight_decay: 1}}]}
  - {label: fine, train.stages: [{epochs: 1, optim: {type: sgd, lr: 1e-3}}]}
)");
  const Words words = {"sweep", "failing.yaml", "--run-dir", "failing"};
  const auto result = run(words);
  EXPECT_EQ(result.exit_code, 6) << result.err;
  for (const char* word : {"failed (exit 6)", "lr: 1e6", "error[NUM]", "failing/logs/001-", "1 of 2 jobs failed"})
    EXPECT_THAT(result.err, HasSubstr(word));
  EXPECT_EQ(done_jobs(dir() / "failing").size(), 1u);
  EXPECT_THAT(slurp(dir() / "failing/sweep.md"), HasSubstr("| boom | 0/1 |"));
  const auto again = run(words);
  EXPECT_EQ(again.exit_code, 6);
  EXPECT_THAT(again.err, HasSubstr("--retry-failed repeats it"));
  EXPECT_EQ(again.err.find("started"), std::string::npos) << "a failed job is not repeated unasked\n" << again.err;
  auto retried_words = words;
  retried_words.push_back("--retry-failed");
  const auto retried = run(retried_words);
  EXPECT_EQ(retried.exit_code, 6);
  EXPECT_THAT(retried.err, HasSubstr("resumed"));
  const auto fast = run({"sweep", "failing.yaml", "--run-dir", "fast", "--fail-fast"});
  EXPECT_EQ(fast.exit_code, 6);
  EXPECT_EQ(fast.err.find("fine"), std::string::npos);
  EXPECT_EQ(std::distance(fs::directory_iterator(dir() / "fast/jobs"), {}), 1) << "the second job is not begun";
}

TEST_F(SweepProgram, ATableThatCannotBeWrittenCostsNoJob) {
  const std::string name = copy("unwritable");
  fs::remove(dir() / name / "sweep.md");
  shared_->write(name + "/sweep.md/in-the-way", "x");
  expect_failure({"sweep", name}, 5, {"sweep.md", "no job is lost", "--aggregate"});
  EXPECT_EQ(done_jobs(dir() / name).size(), 4u);
  fs::remove_all(dir() / name / "sweep.md");
  EXPECT_EQ(run({"sweep", name, "--aggregate"}).exit_code, 0);
  EXPECT_EQ(slurp(dir() / name / "sweep.md"), slurp(dir() / "whole/sweep.md"));
}

TEST_F(SweepProgram, AFullDiskCostsNoJobAndNoOldTable) {
  const std::string name = copy("full");
  const std::string old_table = "old\n";
  std::ofstream(dir() / name / "sweep.json") << old_table;
  rlimit former{};
  getrlimit(RLIMIT_FSIZE, &former);  // no file above 4 KB: sweep.json has more
  const rlimit small{4096, former.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const auto result = run({"sweep", name});
  setrlimit(RLIMIT_FSIZE, &former);
  EXPECT_EQ(result.exit_code, 5) << result.err;
  for (const char* word : {"error[OUT]", "sweep.json", "no job is lost", "--aggregate"})
    EXPECT_THAT(result.err, HasSubstr(word));
  EXPECT_EQ(slurp(dir() / name / "sweep.json"), old_table);
  EXPECT_EQ(done_jobs(dir() / name).size(), 4u);
  EXPECT_EQ(run({"sweep", name, "--aggregate"}).exit_code, 0);
  EXPECT_EQ(slurp(dir() / name / "sweep.json"), slurp(dir() / "whole/sweep.json"));
  for (const auto& entry : fs::directory_iterator(dir() / name))
    EXPECT_FALSE(entry.path().filename().string().starts_with(".tmp-")) << entry.path();
}

TEST_F(SweepProgram, AMissingRunDirectoryIsRunAgainAndNoOther) {
  const std::string name = copy("missing");
  const std::string gone = *done_jobs(dir() / name).rbegin();
  fs::remove_all(dir() / name / "jobs" / gone);
  EXPECT_EQ(run({"sweep", name, "--aggregate"}).exit_code, 0);
  EXPECT_THAT(slurp(dir() / name / "sweep.md"), HasSubstr("Incomplete: 3 of 4 jobs finished, 0 failed."));
  const auto result = run({"sweep", name});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("3 of 4 jobs are finished already"));
  EXPECT_THAT(result.err, HasSubstr("job " + gone + " started"));
  EXPECT_EQ(slurp(dir() / name / "sweep.json"), slurp(dir() / "whole/sweep.json"));
}

TEST_F(SweepProgram, ADirectoryWithoutItsSpecificationKeepsItsJobs) {
  const std::string name = copy("nameless");
  fs::remove(dir() / name / "sweep.yaml");
  expect_failure({"sweep", name}, 2, {"holds no sweep.yaml", "--run-dir"});
  const auto result = run({"sweep", "spec.yaml", "--run-dir", name});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("4 of 4 jobs are finished already"));
  std::ofstream(dir() / name / "sweep.yaml") << "base: [tiny";
  expect_failure({"sweep", name}, 2, {"sweep.yaml"});
}

TEST_F(SweepProgram, TwoSweepsDoNotShareADirectory) {
  const RunLock lock(dir() / "whole");
  expect_failure({"sweep", "whole"}, 5, {"whole"});
}

TEST_F(SweepProgram, OverridesStayWithTheSweep) {
  const auto jobs = [&](const Words& words) {
    const auto result = run(words);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  };
  const Words one = {"sweep", "spec.yaml", "--run-dir", "overridden", "--job", "1", "train.clip_norm=3"};
  EXPECT_EQ(run(one).exit_code, 0);
  EXPECT_THAT(jobs({"sweep", "overridden", "--status"}), HasSubstr("1 of 4 jobs finished"));
  EXPECT_THAT(jobs({"sweep", "overridden", "--print"}), HasSubstr("train.clip_norm=3"));
  EXPECT_THAT(jobs({"sweep", "spec.yaml", "--run-dir", "overridden", "--status"}), HasSubstr("0 of 4 jobs finished"));
}

TEST_F(SweepProgram, HostileLabelsAreShownAsText) {
  shared_->write("hostile.yaml",
                 "base: tiny.yaml\nlist: [{label: \"\\e[2J<script>|`\\n\", objective: [{type: cmpm}]}]\n");
  const auto status = run({"sweep", "hostile.yaml", "--status"});
  EXPECT_EQ(status.exit_code, 0) << status.err;
  EXPECT_EQ(status.out.find('\x1b'), std::string::npos);
  EXPECT_EQ(split(status.out, '\n').size(), 4u) << status.out;
  EXPECT_EQ(split(run({"sweep", "hostile.yaml", "--print"}).out, '\n').size(), 2u);
}

TEST_F(SweepProgram, DamagedJobsAreNamed) {
  const std::string name = copy("damaged");
  const fs::path job = dir() / name / "jobs" / *done_jobs(dir() / name).begin();
  const std::string metrics = slurp(job / "eval/shapes/metrics.json");
  std::ofstream(job / "eval/shapes/metrics.json") << metrics.substr(0, metrics.size() / 2);
  expect_failure({"sweep", name, "--aggregate"}, 4, {"metrics.json", "or remove " + name + "/jobs/"});
  std::ofstream(job / "eval/shapes/metrics.json") << metrics;
  std::ofstream(job / "STATUS") << "dne\n";
  expect_failure({"sweep", name}, 4, {"STATUS", "dne"});
}

TEST_F(SweepProgram, PrintGivesOneShellLineAJob) {
  const auto result = run({"sweep", "spec.yaml", "--run-dir", "printed", "--print"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(split(result.out, '\n').size(), 5u) << result.out;  // and an empty one
  EXPECT_THAT(result.out, HasSubstr("'objective=[{type: cmpm}]' seed=1\n"));
  EXPECT_FALSE(fs::exists(dir() / "printed")) << "nothing is run or made";
}

TEST_F(SweepProgram, OneJobOfAnArrayAndTheStatus) {
  const auto result = run({"sweep", "spec.yaml", "--run-dir", "array", "--job", "3"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(done_jobs(dir() / "array").size(), 1u);
  EXPECT_FALSE(fs::exists(dir() / "array/sweep.md"));
  const auto status = run({"--json", "sweep", "spec.yaml", "--run-dir", "array", "--status"});
  const Json document = Json::parse(status.out);
  EXPECT_EQ(document["diptych"], "sweep-status/1");
  EXPECT_EQ(document["status"]["jobs"][2]["state"], "finished");
  EXPECT_EQ(document["status"]["jobs"][0]["state"], "waiting");
  expect_failure({"sweep", "spec.yaml", "--job", "5"}, 2, {"--job 5", "4 jobs"});
}

TEST_F(SweepProgram, MistakesAreFoundBeforeTheFirstJob) {
  const auto with = [&](const std::string& text, const Words& expected) {
    shared_->write("bad.yaml", text);
    expect_failure({"sweep", "bad.yaml", "--run-dir", "bad"}, 2, expected);
    EXPECT_FALSE(fs::exists(dir() / "bad"));
  };
  with("base: tiny.yaml\ngird: {}\n", {"bad.yaml:2", "grid"});
  with("base: absent.yaml\n", {"absent.yaml"});
  with("base: tiny.yaml\nselect: test/rsum\n", {"nothing is selected on the test split"});
  with("base: tiny.yaml\ngrid: {train.batchsize: [1]}\n", {"train.batchsize", "batch_size"});
  with("base: tiny.yaml\ngrid: {train.clip_norm: [1, 1.0]}\n", {"would compute the same"});
  expect_failure({"sweep"}, 2, {"SPEC"});
  expect_failure({"sweep", "absent.yaml"}, 2, {"absent.yaml"});
  expect_failure({"sweep", "-c", "tiny.yaml", "-m", "seed"}, 2, {"-m 'seed'"});
  expect_failure({"sweep", "spec.yaml", "--jobs", "0"}, 2, {"--jobs"});
  expect_failure({"sweep", "spec.yaml", "--run-dir", "set"}, 2, {"holds no sweep"});
  expect_failure({"sweep", "spec.yaml", "--run-dir", "tiny.yaml"}, 5, {"not a directory"});
}

TEST_F(SweepProgram, WordsMakeASweepOfARecipe) {
  const auto result = run(
      {"sweep", "-c", "tiny.yaml", "-m", "train.batch_size=8,16", "-m", "seed=1..3", "train.clip_norm=2", "--print"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(split(result.out, '\n').size(), 7u);
  EXPECT_THAT(result.out, HasSubstr("runs/sweeps/tiny/jobs/006-"));
  EXPECT_THAT(result.out, HasSubstr("train.clip_norm=2 train.batch_size=16 seed=3\n"));
}

}  // namespace
}  // namespace diptych::testing

#include <gtest/gtest.h>

#include "diptych/core/io/json.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/tiny_corpus.h"

namespace diptych::testing {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

/// A finished tiny run that the tests of one suite share.
class Program : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempDir>();
    write_tiny_config(shared_->path());
    const auto trained = run_program({"train", "-c", "tiny.yaml", "--run-dir", "run"}, shared_->path());
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
    train_output_ = trained.out;
  }
  static void TearDownTestSuite() { shared_.reset(); }

  /// The program fails with `code`, names each of `words`, ends stderr with an error line and leaves no new file.
  static void expect_failure(const Words& arguments, int code, const Words& words) {
    const Words before = files();
    const ProcessResult result = run_program(arguments, dir());
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_EQ(result.signal, 0);
    for (const std::string& word : words)
      EXPECT_NE(result.err.find(word), std::string::npos) << "'" << word << "' not in:\n" << result.err;
    const size_t last = result.err.rfind('\n', result.err.size() - 2);
    EXPECT_EQ(result.err.substr(last + 1).rfind("error", 0), 0u) << "last line is no error line:\n" << result.err;
    EXPECT_EQ(files(), before) << "files were left behind or lost";
  }
  static void expect_config_failure(const std::string& override_text, const Words& words, int code = 2) {
    expect_failure({"train", "-c", "tiny.yaml", "--run-dir", "new", override_text}, code, words);
  }
  static fs::path dir() { return shared_->path(); }
  static Words files() {
    Words out;
    for (const auto& entry : fs::recursive_directory_iterator(dir())) out.push_back(entry.path().string());
    std::sort(out.begin(), out.end());
    return out;
  }
  static std::unique_ptr<TempDir> shared_;
  static std::string train_output_;
};
std::unique_ptr<TempDir> Program::shared_;
std::string Program::train_output_;

// --- what works

TEST_F(Program, HelpAndVersionExitWithZero) {
  for (const Words& words : {Words{"--help"}, Words{"train", "--help"}, Words{"--version"}, Words{}}) {
    const auto result = run_program(words, dir());
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_FALSE(result.out.empty());
  }
}

TEST_F(Program, TrainPrintsTheTableAndTheRun) {
  EXPECT_NE(train_output_.find("R@1"), std::string::npos) << train_output_;
  EXPECT_NE(train_output_.find("run: run"), std::string::npos) << train_output_;
}

TEST_F(Program, TheRunDirectoryIsComplete) {
  for (const char* name :
       {"STATUS", "config.yaml", "config.resolved.yaml", "command.json", "env.json", "data.json", "vocabulary.txt",
        "sessions.jsonl", "metrics.jsonl", "timing.jsonl", "run.log", "checkpoints/latest", "checkpoints/best",
        "eval/shapes/metrics.json", "eval/shapes/ranks.npz", "eval/shapes/per_query.jsonl",
        "eval/shapes/embeddings.safetensors", "eval/shapes/items.jsonl"})
    EXPECT_TRUE(fs::exists(dir() / "run" / name)) << name;
  EXPECT_EQ(slurp(dir() / "run" / "STATUS"), "done\n");
}

TEST_F(Program, EveryTermOfTheObjectiveIsLogged) {
  std::istringstream lines(slurp(dir() / "run/metrics.jsonl"));
  int steps = 0;
  for (std::string line; std::getline(lines, line);) {
    const Json row = Json::parse(line);
    if (row["kind"] != "train") continue;
    ++steps;
    const double sum = row["cmpm"].get<double>() + 0.5 * row["cmpc"].get<double>();
    EXPECT_NEAR(row["loss"].get<double>(), sum, 1e-5 * sum) << line;
  }
  EXPECT_GT(steps, 0);
  const std::string log = slurp(dir() / "run/run.log");
  const size_t loss = log.find(" loss "), cmpc = log.find("(cmpc ", loss), cmpm = log.find(" cmpm ", cmpc);
  EXPECT_LT(cmpm, log.find('\n', loss)) << log;
}

TEST_F(Program, ASingleTermIsLoggedBesideItsWeightedValue) {
  const auto result = run_program({"train", "-c", "tiny.yaml", "--run-dir", "single", "log.every_steps=4",
                                   "objective=[{type: infonce, weight: 0.5}]", "train.stages=[{epochs: 1}]"},
                                  dir());
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::string metrics = slurp(dir() / "single/metrics.jsonl");
  const Json row = Json::parse(metrics.substr(0, metrics.find('\n')));
  EXPECT_NEAR(row["loss"].get<double>(), 0.5 * row["infonce"].get<double>(), 1e-6);
  fs::remove_all(dir() / "single");
}

TEST_F(Program, ARunKnowsWhatProgramAndLibrariesMadeIt) {
  const Json env = Json::parse(slurp(dir() / "run/env.json"));
  for (const char* key : {"diptych", "commit", "build", "torch", "blas", "onednn", "gemm", "host", "device"})
    EXPECT_FALSE(env.at(key).get<std::string>().empty()) << key;
  EXPECT_EQ(env.at("dirty").get<bool>(), env.contains("diff"));
  std::istringstream sessions(slurp(dir() / "run/sessions.jsonl"));
  std::string first;
  ASSERT_TRUE(std::getline(sessions, first));
  EXPECT_EQ(Json::parse(first)["commit"], env["commit"]);
}

TEST_F(Program, EvaluateRepeatsTheNumbersOfTraining) {
  const Json trained = Json::parse(slurp(dir() / "run/eval/shapes/metrics.json"));
  const auto result = run_program({"evaluate", "run", "--json", "--out", "again"}, dir());
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json document = Json::parse(result.out);
  EXPECT_TRUE(document["ok"].get<bool>());
  EXPECT_EQ(document["results"][0], trained);
  fs::remove_all(dir() / "again");
}

TEST_F(Program, EvaluateRescoresOnDemandAndSaysSo) {
  const auto result = run_program({"evaluate", "run", "--out", "again", "evaluate.rescore.method=csls"}, dir());
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("scores: cosine, rescored by CSLS (10 neighbours) over all queries"), std::string::npos)
      << result.out;
  EXPECT_EQ(slurp(dir() / "run/eval/shapes/metrics.json").find("rescored"), std::string::npos);
  // The lists of the best are ranked by the same scores as the relevant items.
  std::ifstream queries(dir() / "again/shapes/per_query.jsonl");
  int compared = 0;
  for (std::string line; std::getline(queries, line);) {
    const Json query = Json::parse(line);
    for (const Json& relevant : query["relevant"])
      if (const size_t rank = relevant[1]; rank <= query["top"].size()) {
        EXPECT_EQ(query["top"][rank - 1][1], relevant[2]) << line;
        ++compared;
      }
  }
  EXPECT_GT(compared, 0);
  fs::remove_all(dir() / "again");
}

TEST_F(Program, EvaluateWritesTheSameBytesAsTraining) {
  ASSERT_EQ(run_program({"evaluate", "run", "--out", "again"}, dir()).exit_code, 0);
  for (const char* name : {"metrics.json", "items.jsonl", "embeddings.safetensors", "ranks.npz", "per_query.jsonl"})
    EXPECT_EQ(slurp(dir() / "again/shapes" / name), slurp(dir() / "run/eval/shapes" / name)) << name;
  std::ifstream items(dir() / "run/eval/shapes/items.jsonl");
  std::string line;
  ASSERT_TRUE(std::getline(items, line));
  const Json head = Json::parse(line);
  int64_t lines = 0;
  while (std::getline(items, line)) ++lines;
  EXPECT_EQ(lines, head["images"].get<int64_t>() + head["captions"].get<int64_t>());
  EXPECT_EQ(head["image_root"], (fs::canonical(dir()) / "set/images").string());
  fs::remove_all(dir() / "again");
}

TEST_F(Program, ResolvedConfigurationReadsBackToItself) {
  const auto first = run_program({"config", "show", "-c", "tiny.yaml"}, dir());
  ASSERT_EQ(first.exit_code, 0) << first.err;
  std::ofstream(dir() / "resolved.yaml") << first.out;
  const auto second = run_program({"config", "show", "-c", "resolved.yaml"}, dir());
  EXPECT_EQ(first.out, second.out);
  fs::remove(dir() / "resolved.yaml");
}

TEST_F(Program, OriginNamesFileAndLine) {
  const auto result = run_program({"config", "show", "-c", "tiny.yaml", "--origin", "seed=9"}, dir());
  EXPECT_NE(result.out.find("command line (was 3, tiny.yaml:2:"), std::string::npos) << result.out;
}

TEST_F(Program, DryRunLeavesNothingBehind) {
  const Words before = files();
  const auto result = run_program({"train", "-c", "tiny.yaml", "--dry-run"}, dir());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("parameters train"), std::string::npos) << result.out;
  EXPECT_EQ(files(), before);
}

TEST_F(Program, DescribeListsEveryKind) {
  const auto result = run_program({"describe", "--json"}, dir());
  const Json document = Json::parse(result.out);
  for (const char* kind : {"corpus", "sampler", "image_encoder", "text_encoder", "head", "scorer", "loss", "protocol",
                           "optimizer", "schedule"})
    EXPECT_FALSE(document["components"][kind].empty()) << kind;
}

TEST_F(Program, DescribeReadsRunsAndCheckpoints) {
  EXPECT_EQ(run_program({"describe", "run"}, dir()).exit_code, 0);
  const auto weights =
      run_program({"describe", "run/checkpoints/" + slurp(dir() / "run/checkpoints/latest").substr(0, 13)}, dir());
  EXPECT_NE(weights.out.find("model.image."), std::string::npos) << weights.out << weights.err;
}

TEST_F(Program, DataCheckAndStatsReadTheSet) {
  EXPECT_EQ(run_program({"data", "check", "set/set.jsonl", "--decode", "all"}, dir()).exit_code, 0);
  EXPECT_NE(run_program({"data", "stats", "tiny.yaml"}, dir()).out.find("train"), std::string::npos);
}

TEST_F(Program, ExpectationsDecideTheExitCode) {
  EXPECT_EQ(run_program({"evaluate", "run", "--expect", "rsum >= 0"}, dir()).exit_code, 0);
  expect_failure({"evaluate", "run", "--expect", "rsum > 600"}, 9, {"rsum > 600"});
  expect_failure({"evaluate", "run", "--expect", "rsun > 1"}, 2, {"rsun", "rsum"});
  expect_failure({"evaluate", "run", "--expect", "rsum 1"}, 2, {"--expect"});
}

// --- the most likely mistakes

TEST_F(Program, CommandLineMistakes) {
  expect_failure({"trian"}, 2, {"trian", "train"});
  expect_failure({"train"}, 2, {"--config"});
  expect_failure({"train", "tiny.yaml"}, 2, {"--config tiny.yaml"});
  expect_failure({"train", "--confg", "tiny.yaml"}, 2, {"--confg", "--config"});
  expect_failure({"train", "-c", "tiny.yaml", "--threads", "many"}, 2, {"--threads"});
  expect_failure({"--progress", "loud", "describe"}, 2, {"loud", "plain"});
  expect_failure({"describe", "los"}, 2, {"los", "loss"});
  expect_failure({"describe", "loss", "cpmm"}, 2, {"cpmm", "cmpm"});
  expect_failure({"config"}, 2, {"show"});
  expect_failure({"data", "synth", "shape", "-o", "x"}, 2, {"shapes"});
  expect_failure({"data", "synth", "shapes", "-o", "run"}, 2, {"run"});
  expect_failure({"evaluate"}, 2, {"RUN"});
  expect_failure({"evaluate", "run", "--protocol", "flickr8k1k"}, 2, {"flickr8k-1k"});
  expect_failure({"evaluate", "run", "--split", "train"}, 2, {"val or test"});
}

TEST_F(Program, MissingAndMalformedConfigurations) {
  expect_failure({"train", "-c", "absent.yaml"}, 2, {"absent.yaml"});
  expect_failure({"train", "-c", "set"}, 2, {"directory"});
  const auto with = [&](const std::string& text, const Words& words) {
    std::ofstream(dir() / "bad.yaml") << text;
    expect_failure({"config", "check", "bad.yaml"}, 2, words);
    fs::remove(dir() / "bad.yaml");
  };
  with("", {"empty"});
  with("seed: 1\nseed: 2\n", {"bad.yaml:2", "seed"});
  with("sede: 1\n", {"bad.yaml:1:1", "sede", "seed"});
  with("seed: fast\n", {"bad.yaml:1:7", "seed", "fast"});
  with("seed: 010\n", {"010"});
  with("deterministic: yes\n", {"true or false"});
  with("model: {image: {type: mobilenet_v3}}\n", {"mobilenet_v3", "mobilenet_v2"});
  with("objective: [{type: cmpm, tua: 1}]\n", {"objective.0.tua"});
  with("train: {stages: []}\n", {"train.stages"});
  with("evaluate: {select: test/rsum}\n", {"test"});
  with("evaluate: {select: val/rsun}\n", {"rsun"});
  with("notes: {a: \"x\n", {"bad.yaml"});
  with("a: &x [*x]\n", {"bad.yaml"});
  with("data: {corpus: {root: \"${env:DIPTYCH_NOT_SET}\"}}\n", {"DIPTYCH_NOT_SET"});
  with("_base_: bad.yaml\n", {"bad.yaml"});
}

TEST_F(Program, WrongOverrides) {
  expect_config_failure("train.batchsize=4", {"train.batchsize", "batch_size"});
  expect_config_failure("train.batch_size=0", {"train.batch_size"});
  expect_config_failure("train.batch_size=.nan", {"train.batch_size"});
  expect_config_failure("objective.7.weight=1", {"objective", "2"});
  expect_config_failure("train.stages.0.optim.lr=-1", {"lr"});
  expect_config_failure("train.stages.1.freeze=[model.imgae]", {"model.imgae"});
  expect_config_failure("model.text_head.dim=8", {"model.image_head.dim", "model.text_head.dim"});
  expect_config_failure("train.batch_size=100000", {"100000"});
  expect_config_failure("train.batch_size=1", {"train.batch_size", "two different images"});
  expect_config_failure("train.stages.2.batch_size=1", {"train.batch_size", "two different images"});
  expect_config_failure("data.sampler={type: unique_images, captions_per_image: 16}", {"a batch holds one image"});
  expect_config_failure("objective=[{type: cmpm, weight: 0}]", {"every term of the objective has weight 0"});
  expect_config_failure("train.stages.1.term_weights=[0, 0]", {"train.stages.1", "weight 0"});
  expect_config_failure("experiment=../../x", {"experiment", "../../x"});
  expect_config_failure("device=gpu", {"gpu"});
  expect_config_failure("device=cuda:99", {"cuda:99"});
}

TEST_F(Program, MissingAndDamagedData) {
  expect_config_failure("data.corpus.root=nowhere", {"nowhere"}, 3);
  expect_config_failure("data.corpus.annotations=absent.jsonl", {"absent.jsonl"}, 3);
  expect_config_failure("data.text.word_vectors=absent.txt", {"absent.txt"}, 3);
  const fs::path set = dir() / "set" / "set.jsonl";
  const std::string original = slurp(set);
  const auto with = [&](const std::string& text, const Words& words) {
    std::ofstream(set) << text;
    expect_failure({"train", "-c", "tiny.yaml", "--run-dir", "new"}, 3, words);
    std::ofstream(set) << original;
  };
  with(original + "{\"image\": \n", {"set.jsonl"});
  with(original + original.substr(0, original.find('\n') + 1), {"set.jsonl"});
  with(original + "{\"image\":\"images/none.png\",\"captions\":[\"x\"],\"split\":\"train\"}\n", {"images/none.png"});
  with(original + "{\"image\":\"../../secret.png\",\"captions\":[\"x\"],\"split\":\"train\"}\n", {"secret.png"});
  with(original + "{\"image\":\"a.png\",\"captions\":[\"x\"],\"split\":\"trian\"}\n", {"trian", "train"});
  with("", {"set.jsonl"});
}

TEST_F(Program, ADamagedImageStopsTheRunWithItsName) {
  fs::path image;
  for (const auto& entry : fs::recursive_directory_iterator(dir() / "set"))
    if (entry.is_regular_file() && entry.path().extension() != ".jsonl" &&
        entry.path().string().find("train") != std::string::npos)
      image = entry.path();
  if (image.empty())
    for (const auto& entry : fs::recursive_directory_iterator(dir() / "set"))
      if (entry.is_regular_file() && (entry.path().extension() == ".jpg" || entry.path().extension() == ".png"))
        image = std::max(image, entry.path());
  const std::string bytes = slurp(image);
  std::ofstream(image, std::ios::binary) << bytes.substr(0, bytes.size() / 2);
  const auto result = run_program({"data", "check", "set/set.jsonl", "--decode", "all"}, dir());
  EXPECT_EQ(result.exit_code, 9) << result.err;
  EXPECT_NE((result.out + result.err).find(image.filename().string()), std::string::npos) << result.out << result.err;
  std::ofstream(image, std::ios::binary) << bytes;
}

TEST_F(Program, WrongWeightsAndCheckpoints) {
  std::ofstream(dir() / "not.safetensors") << "PK\x03\x04 nothing";
  expect_config_failure("model.image.weights=not.safetensors", {"not.safetensors"}, 4);
  expect_config_failure("model.image.weights=absent.safetensors", {"absent.safetensors"}, 4);
  fs::remove(dir() / "not.safetensors");
  expect_failure({"evaluate", "nowhere"}, 4, {"nowhere"});
  expect_failure({"evaluate", "set"}, 4, {"set"});
  expect_failure({"evaluate", "run", "--checkpoint", "step-99"}, 4, {"step-99", "best"});
  expect_failure({"train", "--resume", "nowhere"}, 2, {"nowhere"});
  expect_failure({"train", "--resume", "auto", "-c", "tiny.yaml"}, 2, {"--run-dir"});
}

TEST_F(Program, AnExistingRunIsNotOverwritten) {
  expect_failure({"train", "-c", "tiny.yaml", "--run-dir", "run"}, 2, {"not empty", "--resume"});
  expect_failure({"train", "-c", "tiny.yaml", "--run-dir", "tiny.yaml"}, 5, {"tiny.yaml"});
}

TEST_F(Program, AnExplodingLearningRateIsNamed) {
  const auto result = run_program({"train", "-c", "tiny.yaml", "--run-dir", "boom", "train.stages.2.optim.lr=1e6",
                                   "train.stages.2.optim.nesterov=false"},
                                  dir());
  EXPECT_EQ(result.exit_code, 6) << result.err;
  EXPECT_EQ(slurp(dir() / "boom" / "STATUS"), "failed:6\n");
  fs::remove_all(dir() / "boom");
}

TEST_F(Program, ErrorsInJsonAreOneDocument) {
  const auto result = run_program({"--json", "evaluate", "nowhere"}, dir());
  EXPECT_EQ(result.exit_code, 4);
  const Json document = Json::parse(result.out);
  EXPECT_FALSE(document["ok"].get<bool>());
  EXPECT_EQ(document["exit"].get<int>(), 4);
  EXPECT_FALSE(document["errors"].empty());
}

}  // namespace
}  // namespace diptych::testing

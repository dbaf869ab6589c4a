#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>

#include "diptych/core/io/json.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/tiny_corpus.h"

namespace diptych::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

fs::path torch_file(const std::string& name) {
  return fs::path(DIPTYCH_SOURCE_DIR) / "tests/golden/torch_archives" / name;
}

/// One small corpus and its configuration for all tests of a suite.
class DataTools : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempDir>();
    write_tiny_config(shared_->path());
  }
  static void TearDownTestSuite() { shared_.reset(); }
  static fs::path dir() { return shared_->path(); }
  static ProcessResult run(const Words& words) { return run_program(words, dir()); }
  static const Json* check_of(const Json& document, const std::string& name) {
    for (const Json& each : document["checks"])
      if (each["check"] == name) return &each;
    return nullptr;
  }
  static std::unique_ptr<TempDir> shared_;
};
std::unique_ptr<TempDir> DataTools::shared_;

// --- doctor

TEST_F(DataTools, DoctorFindsThisMachineReady) {
  const auto result = run({"doctor", "-c", "tiny.yaml"});
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  for (const char* check : {"build", "device", "speed", "threads", "images", "files", "config", "paths", "counts",
                            "samples", "words", "weights", "batches", "gallery", "space"})
    EXPECT_THAT(result.out, HasSubstr(check));
  EXPECT_THAT(result.out, HasSubstr("0 failed"));
  EXPECT_FALSE(fs::exists(dir() / "runs"));
}

TEST_F(DataTools, DoctorInJsonIsOneDocument) {
  const auto result = run({"--json", "doctor", "-c", "tiny.yaml"});
  const Json document = Json::parse(result.out);
  EXPECT_EQ(document["diptych"], "doctor/1");
  EXPECT_TRUE(document["ok"].get<bool>());
  ASSERT_NE(check_of(document, "batches"), nullptr);
  EXPECT_EQ((*check_of(document, "batches"))["health"], "ok");
}

TEST_F(DataTools, DoctorNamesWhatIsMissingAndTheCommandThatMendsIt) {
  const auto expect_fail = [&](const Words& overrides, const std::string& check, const std::string& word) {
    Words words = {"--json", "doctor", "-c", "tiny.yaml"};
    words.insert(words.end(), overrides.begin(), overrides.end());
    const auto result = run(words);
    EXPECT_EQ(result.exit_code, 9) << result.out << result.err;
    const Json document = Json::parse(result.out);
    EXPECT_FALSE(document["ok"].get<bool>());
    EXPECT_EQ(document["exit"], 9);
    const Json* found = check_of(document, check);
    ASSERT_NE(found, nullptr) << result.out;
    EXPECT_EQ((*found)["health"], "fail") << result.out;
    EXPECT_THAT((*found)["finding"].get<std::string>(), HasSubstr(word));
    EXPECT_THAT((*found)["remedy"].get<std::string>(), HasSubstr("diptych "));
    EXPECT_THAT(result.err, HasSubstr("1 check failed"));
  };
  expect_fail({"train.batchsize=3"}, "config", "train.batchsize");
  expect_fail({"data.corpus.annotations=absent.jsonl"}, "paths", "absent.jsonl");
  expect_fail({"model.image.weights=absent.safetensors"}, "paths", "absent.safetensors");
  expect_fail({"train.batch_size=100000"}, "batches", "100000");
  const auto absent = run({"doctor", "-c", "absent.yaml"});
  EXPECT_EQ(absent.exit_code, 9);
  EXPECT_THAT(absent.out, HasSubstr("fail  config   absent.yaml is not there\n               mend: ls .\n"));
}

TEST_F(DataTools, DoctorSeesADamagedImage) {
  std::vector<fs::path> images;
  for (const auto& entry : fs::recursive_directory_iterator(dir() / "set/images"))
    if (entry.is_regular_file()) images.push_back(entry.path());
  std::ranges::sort(images);
  images.resize(10);  // neighbours: 100 of 464, spread evenly, are decoded, so at least one of them
  std::vector<std::string> bytes;
  for (const fs::path& each : images) {
    bytes.push_back(slurp(each));
    fs::resize_file(each, bytes.back().size() / 2);
  }
  const auto result = run({"doctor", "-c", "tiny.yaml"});
  for (size_t i = 0; i < images.size(); ++i) std::ofstream(images[i], std::ios::binary) << bytes[i];
  EXPECT_EQ(result.exit_code, 9) << result.out;
  EXPECT_THAT(result.out, HasSubstr("fail  samples"));
  EXPECT_THAT(result.out, HasSubstr("mend: diptych data check --config tiny.yaml --decode all"));
  EXPECT_EQ(run({"data", "check", "tiny.yaml", "--decode", "all"}).exit_code, 0);
}

TEST_F(DataTools, DoctorRefusesOverridesWithoutAConfiguration) {
  const auto result = run({"doctor", "seed=1"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("--config"));
}

// --- check and stats

TEST_F(DataTools, ASetThatIsWrongIsNineAndOneThatIsMissingThree) {
  const fs::path set = dir() / "wrong.jsonl";
  std::ofstream(set) << R"({"image": "a.jpg", "split": "train", "captions": ["x"]})"
                     << "\n{\"image\": \n"
                     << "{\"image\": \"\xff.jpg\"}\n";
  const auto wrong = run({"--json", "data", "check", "wrong.jsonl"});
  EXPECT_EQ(wrong.exit_code, 9) << wrong.err;
  EXPECT_THAT(wrong.err, AllOf(HasSubstr("wrong.jsonl:2"), HasSubstr("wrong.jsonl:3: invalid UTF-8 at byte 11")));
  EXPECT_EQ(Json::parse(wrong.out)["exit"], 9);
  EXPECT_EQ(run({"data", "stats", "wrong.jsonl"}).exit_code, 3);
  fs::remove(set);
  EXPECT_EQ(run({"data", "check", "absent.jsonl"}).exit_code, 3);
}

TEST_F(DataTools, CheckPrintsOneDocumentWithAllFindings) {
  const fs::path set = dir() / "gone.jsonl";
  std::ofstream out(set);
  for (int i = 0; i < 12; ++i)
    out << R"({"image": "gone)" << i << R"(.jpg", "split": "train", "captions": ["x"]})"
        << "\n";
  out.close();
  const auto result = run({"--json", "data", "check", "gone.jsonl"});
  fs::remove(set);
  EXPECT_EQ(result.exit_code, 9);
  const Json document = Json::parse(result.out);
  EXPECT_EQ(document["report"]["findings"][0]["kind"], "missing_image");
  EXPECT_EQ(document["report"]["findings"][0]["count"], 12);
  EXPECT_EQ(document["errors"].size(), 1u);
}

TEST_F(DataTools, StatsTakeThresholdsAndWordVectors) {
  std::ofstream(dir() / "v.txt") << "the 1 2\ncircle 3 4\n";
  const auto result = run({"--json", "data", "stats", "set/set.jsonl", "--min-count", "1", "--min-count", "50",
                           "--word-vectors", "v.txt", "--decode", "all"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json stats = Json::parse(result.out)["stats"];
  EXPECT_EQ(stats["vocabulary"].size(), 2u);
  EXPECT_GT(stats["vocabulary"][0]["words"].get<int>(), stats["vocabulary"][1]["words"].get<int>());
  EXPECT_EQ(stats["word_vectors"]["dimension"], 2);
  EXPECT_EQ(stats["sized_images"], 64 + 200 + 200);
  fs::remove(dir() / "v.txt");
  EXPECT_EQ(run({"data", "stats", "set/set.jsonl", "--decode", "some"}).exit_code, 2);
}

// --- import

TEST_F(DataTools, AnImportedSetIsCheckedAndTrainedOn) {
  const TempDir other;
  {
    std::ofstream csv(other / "captions.csv");
    csv << "image,caption,split\n";
    std::ifstream set(dir() / "set/set.jsonl");
    for (std::string line; std::getline(set, line);) {
      const Json record = Json::parse(line);
      for (const Json& caption : record["captions"])
        csv << record["image"].get<std::string>() << ",\"" << caption.get<std::string>() << "\","
            << record["split"].get<std::string>() << "\n";
    }
  }
  const auto imported = run({"data", "import", "csv", (other / "captions.csv").string(), "-o", "import/mine.jsonl",
                             "--image-root", "set/images"});
  ASSERT_EQ(imported.exit_code, 0) << imported.err;
  EXPECT_THAT(imported.out,
              AllOf(HasSubstr("train: 64 images, 192 captions (3 / 3 / 3 per image"), HasSubstr("jsonl")));
  const auto checked = run({"data", "check", "import/mine.jsonl", "images=" + (dir() / "set/images").string()});
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
  const auto planned =
      run({"train", "-c", "tiny.yaml", "--dry-run", "data.corpus.root=import", "data.corpus.annotations=mine.jsonl",
           "data.corpus.images=" + (dir() / "set/images").string()});
  EXPECT_EQ(planned.exit_code, 0) << planned.err;
  const auto again = run({"data", "import", "jsonl", "import/mine.jsonl", "-o", "import/mine.jsonl"});
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.err, HasSubstr("there already"));
  fs::remove_all(dir() / "import");
}

TEST_F(DataTools, KnownSetsAreHeldToTheirCounts) {
  const auto result = run({"data", "import", "jsonl", "set/set.jsonl", "-o", "x.jsonl", "--known", "flickr8k"});
  EXPECT_EQ(result.exit_code, 9) << result.err;
  EXPECT_THAT(result.err, HasSubstr("train has 64 images; published for flickr8k: 6000"));
  EXPECT_FALSE(fs::exists(dir() / "x.jsonl"));
  EXPECT_EQ(run({"data", "import", "jsonl", "set/set.jsonl", "-o", "x.jsonl", "--known", "flikr8k"}).exit_code, 2);
}

TEST_F(DataTools, ImportsNameWhatIsMissing) {
  for (const auto& [words, code, word] : std::vector<std::tuple<Words, int, std::string>>{
           {{"data", "import"}, 2, "weights"},
           {{"data", "import", "karpaty"}, 2, "karpathy"},
           {{"data", "import", "csv"}, 2, "SRC"},
           {{"data", "import", "csv", "a.csv"}, 2, "-o OUT"},
           {{"data", "import", "csv", "absent.csv", "-o", "x.jsonl"}, 3, "absent.csv"},
           {{"data", "import", "csv", "tiny.yaml", "-o", "x.jsonl", "image_colunm=a"}, 2, "image_column"},
           {{"data", "import", "karpathy", "set/set.jsonl", "-o", "x.jsonl"}, 3, "set.jsonl"},
           {{"data", "import", "weights", "a.pth"}, 2, "-o OUT"},
           {{"data", "import", "weights", "absent.pth", "-o", "x.safetensors"}, 4, "absent.pth"},
           {{"data", "import", "weights", "tiny.yaml", "-o", "x.safetensors"}, 4, "no PyTorch file"}}) {
    const auto result = run(words);
    EXPECT_EQ(result.exit_code, code) << words.back() << "\n" << result.err;
    EXPECT_THAT(result.err, HasSubstr(word));
  }
  EXPECT_FALSE(fs::exists(dir() / "x.jsonl"));
  EXPECT_FALSE(fs::exists(dir() / "x.safetensors"));
}

TEST_F(DataTools, WeightsOfPythonBecomeSafetensors) {
  const auto result = run({"data", "import", "weights", torch_file("checkpoint.pth").string(), "-o", "w.safetensors"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("7 tensors"), HasSubstr("state_dict"), HasSubstr("epoch (an integer)")));
  EXPECT_THAT(run({"describe", "w.safetensors"}).out, HasSubstr("1.running_mean"));
  fs::remove(dir() / "w.safetensors");
}

TEST_F(DataTools, HostileWeightsExecuteNothing) {
  for (const char* name : {"evil.pth", "evil_legacy.pth", "stack_global.pth", "getattr.pth", "script.pt"}) {
    const auto result = run({"data", "import", "weights", torch_file(name).string(), "-o", "w.safetensors"});
    EXPECT_EQ(result.exit_code, 4) << name << result.err;
    EXPECT_THAT(result.err, HasSubstr("python3 -c")) << name;
    EXPECT_FALSE(fs::exists(dir() / "w.safetensors")) << name;
    EXPECT_FALSE(fs::exists(dir() / "hacked")) << name;
  }
}

// --- completion

TEST_F(DataTools, CompletionKnowsCommandsOptionsAndKeys) {
  const auto script = run({"--completion", "bash"});
  ASSERT_EQ(script.exit_code, 0) << script.err;
  std::ofstream(dir() / "diptych.bash") << script.out;
  std::ofstream(dir() / "ask.bash") << "source ./diptych.bash\nCOMP_LINE=$1\nCOMP_POINT=${#1}\n_diptych\n"
                                       "printf '%s\\n' \"${COMPREPLY[@]}\"\n";
  const auto offers = [&](const std::string& line) {
    const std::string command = "cd '" + dir().string() + "' && bash ask.bash '" + line + "' > answer 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0);
    return "\n" + slurp(dir() / "answer");
  };
  EXPECT_THAT(offers("diptych "), AllOf(HasSubstr("\ntrain\n"), HasSubstr("\ndoctor\n"), HasSubstr("\ndata\n")));
  EXPECT_THAT(offers("diptych data import w"), HasSubstr("\nweights\n"));
  EXPECT_THAT(offers("diptych train --res"), HasSubstr("\n--resume\n"));
  EXPECT_THAT(offers("diptych train -c tin"), HasSubstr("\ntiny.yaml\n"));
  EXPECT_THAT(offers("diptych train train.batch"), HasSubstr("\ntrain.batch_size=\n"));
  EXPECT_THAT(offers("diptych train data.image.resize="), AllOf(HasSubstr("squash\n"), Not(HasSubstr("imagenet"))));
  EXPECT_THAT(offers("diptych train objective.0.type="), HasSubstr("infonce\n"));
  EXPECT_THAT(offers("diptych evaluate --protocol flickr8"), HasSubstr("\nflickr8k-1k\n"));
  EXPECT_THAT(offers("diptych train log.tensorboard="), HasSubstr("true\n"));
  EXPECT_THAT(offers("diptych data synth "), AllOf(HasSubstr("\nshapes\n"), HasSubstr("\npositions\n")));
  EXPECT_THAT(offers("diptych describe lo"), HasSubstr("\nloss\n"));
  EXPECT_THAT(offers("diptych describe loss cm"), AllOf(HasSubstr("\ncmpm\n"), HasSubstr("\ncmpc\n")));
  EXPECT_THAT(offers("diptych config keys eva"), HasSubstr("\nevaluate\n"));
  EXPECT_EQ(offers("diptych train --hel"), "\n--help\n") << "once";
  for (const char* file : {"diptych.bash", "ask.bash", "answer"}) fs::remove(dir() / file);
}

TEST_F(DataTools, CompletionForOtherShellsAndMistakes) {
  EXPECT_THAT(run({"--completion", "zsh"}).out, HasSubstr("#compdef diptych"));
  EXPECT_THAT(run({"--completion", "fish"}).out, HasSubstr("complete -c diptych"));
  const auto wrong = run({"--completion", "bsh"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("bash"));
}

}  // namespace
}  // namespace diptych::testing

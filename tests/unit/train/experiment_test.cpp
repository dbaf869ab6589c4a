#include "diptych/train/experiment.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <regex>
#include <set>

#include "support/temp_dir.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;
using ::diptych::testing::TempDir;

Experiment read(const Catalog& catalog, const std::string& yaml) {
  return read_experiment(catalog, parse_config(yaml, "test.yaml"));
}

std::string error_of(const Catalog& catalog, const std::string& yaml) {
  try {
    read(catalog, yaml);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Experiment, DefaultsSurviveWritingAndReading) {
  const Catalog catalog;
  const auto rows = rows_of(Experiment(catalog));
  const auto again = rows_of(read(catalog, to_yaml(rows)));
  for (const auto& each : difference(rows, again)) ADD_FAILURE() << each.path << ": " << each.a << " -> " << each.b;
}

TEST(Experiment, EveryComponentSurvivesWritingAndReading) {
  const Catalog catalog;
  for (const auto& [name, entry] : catalog.losses.entries()) {
    const auto rows = rows_of(read(catalog, "objective: [{type: " + name + ", weight: 0.5}]"));
    EXPECT_TRUE(difference(rows, rows_of(read(catalog, to_yaml(rows)))).empty()) << name;
  }
}

TEST(Experiment, EveryShippedConfigurationReads) {
  setenv("DIPTYCH_DATA", "/data", 0);
  const Catalog catalog;
  int count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(DIPTYCH_SOURCE_DIR) / "configs")) {
    if (entry.path().extension() != ".yaml") continue;
    const auto folder = entry.path().parent_path().filename();
    if (folder == "base" || folder == "sweeps") continue;  // fragments; sweep_test.cpp reads the sweeps
    ++count;
    EXPECT_NO_THROW(read_experiment(catalog, load_experiment_source(entry.path(), {}).tree)) << entry.path();
  }
  EXPECT_GE(count, 15);
}

TEST(Experiment, TheWeightOfATermStandsBesideItsOptions) {
  const Catalog catalog;
  const Experiment experiment = read(catalog, "objective: [{type: cmpm}, {type: cmpc, weight: 0.25}]");
  ASSERT_EQ(experiment.objective.size(), 2u);
  EXPECT_EQ(experiment.objective[0].weight, 1);
  EXPECT_EQ(experiment.objective[1].weight, 0.25);
  EXPECT_EQ(experiment.objective[1].loss.type(), "cmpc");
}

TEST(Experiment, AllMistakesAreReportedAtOnce) {
  const Catalog catalog;
  const std::string text = error_of(
      catalog,
      "sede: 1\nmodel: {image: {type: resnet19}}\ntrain: {batch_size: 0}\nobjective: [{type: cmpm, weight: x}]\n");
  for (const char* word : {"sede", "resnet19", "train.batch_size", "objective.0.weight"})
    EXPECT_NE(text.find(word), std::string::npos) << word << " not in\n" << text;
}

TEST(Experiment, NothingIsSelectedOnTheTestSplit) {
  const Catalog catalog;
  EXPECT_NE(error_of(catalog, "evaluate: {select: test/rsum}").find("test split"), std::string::npos);
}

TEST(Experiment, SelectionNamesAMetricOfTheProtocol) {
  const Catalog catalog;
  EXPECT_EQ(read(catalog, "evaluate: {select: val/t2i/R@1}").selection_metric(), "t2i/R@1");
  EXPECT_EQ(read(catalog, "evaluate: {select: last}").selection_metric(), "");
  EXPECT_NE(error_of(catalog, "evaluate: {select: val/rsun}").find("rsun"), std::string::npos);
  EXPECT_NE(error_of(catalog, "evaluate: {select: t2i/R@1}").find("did you mean: val/t2i/R@1"), std::string::npos)
      << "a metric without its split";
}

TEST(Experiment, TermWeightsMustMatchTheObjective) {
  const Catalog catalog;
  EXPECT_NE(error_of(catalog, "train: {stages: [{term_weights: [1, 2]}]}").find("term_weights"), std::string::npos);
}

TEST(Experiment, CharacterEncodersNeedCharacters) {
  const Catalog catalog;
  const std::string model = "model: {text: {type: char_cnn_rnn}}\n";
  EXPECT_NE(error_of(catalog, model).find("data.text.unit = word"), std::string::npos);
  EXPECT_EQ(error_of(catalog, model + "data: {text: {unit: character}}\n").find("data.text"), std::string::npos);
  EXPECT_NE(error_of(catalog, "data: {text: {unit: character, word_vectors: glove.txt}}").find("has no words"),
            std::string::npos);
}

TEST(Experiment, AFittingStageHasNoTextWeight) {
  const Catalog catalog;
  EXPECT_NE(error_of(catalog, "train: {stages: [{epochs: 1, text_weight: 0.1, fit: {type: cca}}]}").find("takes none"),
            std::string::npos);
  EXPECT_EQ(read(catalog, "train: {stages: [{text_weight: 0.1}]}").train.stages[0].text_weight, 0.1);
  EXPECT_EQ(read(catalog, "train: {stages: [{epochs: 1}]}").train.stages[0].text_weight, std::nullopt);
}

TEST(Experiment, WarmUpMustFitIntoTheStage) {
  const Catalog catalog;
  EXPECT_NE(error_of(catalog, "train: {stages: [{epochs: 1, warmup_epochs: 2}]}").find("warmup_epochs"),
            std::string::npos);
}

TEST(Experiment, AnObjectiveWithoutWeightIsRefused) {
  const Catalog catalog;
  EXPECT_NE(error_of(catalog, "objective: [{type: cmpm, weight: 0}]").find("every term of the objective has weight 0"),
            std::string::npos);
  EXPECT_NE(error_of(catalog, "objective: [{type: cmpm}, {type: cmpc}]\ntrain: {stages: [{term_weights: [0, 0]}]}")
                .find("train.stages.0: every term"),
            std::string::npos);
  EXPECT_EQ(error_of(catalog, "objective: [{type: cmpm, weight: 0}, {type: cmpc}]"), "no error");
  EXPECT_EQ(error_of(catalog, "objective: [{type: cmpm, weight: 0}]\ntrain: {stages: [{term_weights: [1]}]}"),
            "no error");
}

TEST(Experiment, PatienceAndPlateauNeedASelection) {
  const Catalog catalog;
  EXPECT_NE(error_of(catalog, "evaluate: {select: last, patience: 2}").find("evaluate.patience = 2"),
            std::string::npos);
  EXPECT_NE(error_of(catalog, "evaluate: {select: last}\ntrain: {stages: [{schedule: {type: plateau}}]}")
                .find("train.stages.0.schedule.type = plateau"),
            std::string::npos);
  EXPECT_EQ(error_of(catalog, "evaluate: {patience: 2}\ntrain: {stages: [{schedule: {type: plateau}}]}"), "no error");
  EXPECT_EQ(error_of(catalog, "evaluate: {patience: 2, min_gain: 0.1}"), "no error");
  EXPECT_NE(error_of(catalog, "evaluate: {patience: 2, min_gain: -0.1}").find("evaluate.min_gain = -0.1"),
            std::string::npos);
}

TEST(Experiment, TheNameIsAFolderName) {
  const Catalog catalog;
  for (const char* name : {"../../x", "a/b", "''", "'a b'", "..", "\"a\\nb\""})
    EXPECT_NE(error_of(catalog, std::string("experiment: ") + name).find("experiment = "), std::string::npos) << name;
  for (const char* name : {"flickr8k-cmpm_cmpc.v2", "A1", "'7'"})
    EXPECT_EQ(error_of(catalog, std::string("experiment: ") + name), "no error") << name;
}

/// Every key of every component, with list places as 0.
std::set<std::string> known_keys(const Catalog& catalog) {
  std::set<std::string> keys;
  for (const Row& row : rows_of(Experiment(catalog))) keys.insert(row.path);
  const auto add = [&](const auto& registry, const std::string& place) {
    for (const auto& [name, entry] : registry.entries()) {
      Lister lister;
      lister.prefix = place + ".";
      entry.list(entry.defaults(), lister);
      for (const Row& row : lister.rows) keys.insert(row.path);
    }
  };
  add(catalog.corpora, "data.corpus"), add(catalog.samplers, "data.sampler");
  add(catalog.image_encoders, "model.image"), add(catalog.text_encoders, "model.text");
  add(catalog.heads, "model.image_head"), add(catalog.heads, "model.text_head"), add(catalog.scorers, "model.scorer");
  add(catalog.composers, "model.composer");
  add(catalog.losses, "objective.0"), add(catalog.protocols, "evaluate.protocol");
  add(catalog.optimizers, "train.stages.0.optim"), add(catalog.schedules, "train.stages.0.schedule");
  add(catalog.fits, "train.stages.0.fit");
  return keys;
}

/// Keys named in `text`: words such as data.image.height; file names such as data.json are none.
std::vector<std::string> named_keys(const std::string& text) {
  static const std::regex key(
      R"((^|[^A-Za-z0-9_./])((data|model|objective|train|evaluate|log)(\.[A-Za-z0-9_]+)+)(?![A-Za-z0-9_(]))"),
      place(R"(\.([0-9]+|N)(?=\.|$))"), file(R"(\.(json|jsonl|safetensors|npz|pkl|yaml|h|cpp)$)");
  std::vector<std::string> keys;
  for (std::sregex_iterator it(text.begin(), text.end(), key), end; it != end; ++it)
    if (const std::string word = (*it)[2]; !std::regex_search(word, file))
      keys.push_back(std::regex_replace(word, place, ".0"));
  return keys;
}

/// Calls `see` with each double-quoted text of a source file.
void for_each_literal(const fs::path& source, const std::function<void(const std::string&)>& see) {
  static const std::regex literal(R"re("((?:[^"\\]|\\.)*)")re");
  std::ifstream in(source);
  for (std::string line; std::getline(in, line);) {
    if (const size_t first = line.find_first_not_of(' ');
        first == std::string::npos || line[first] == '#' || line.compare(first, 2, "//") == 0)
      continue;
    for (std::sregex_iterator it(line.begin(), line.end(), literal), end; it != end; ++it) see((*it)[1]);
  }
}

// A hint that names a key is a promise that the key can be set.
TEST(Experiment, EveryKeyThatAMessageOrThePagesNameExists) {
  const Catalog catalog;
  const std::set<std::string> known = known_keys(catalog);
  int count = 0;
  const auto check = [&](const std::string& text, const fs::path& file) {
    for (const std::string& key : named_keys(text)) {
      ++count;
      EXPECT_TRUE(known.contains(key)) << file << " names " << key << ", which is no key:\n" << text;
    }
  };
  const fs::path root = DIPTYCH_SOURCE_DIR;
  for (const char* folder : {"src", "tools"})
    for (const auto& entry : fs::recursive_directory_iterator(root / folder))
      if (entry.path().extension() == ".cpp" || entry.path().extension() == ".h")
        for_each_literal(entry.path(), [&](const std::string& text) { check(text, entry.path()); });
  for (const char* page : {"README.md", "configs/README.md"}) {
    std::ifstream in(root / page);
    for (std::string line; std::getline(in, line);) check(line, root / page);
  }
  EXPECT_GE(count, 50);
}

TEST(Experiment, NamedKeysAreRecognised) {
  EXPECT_EQ(named_keys("set data.corpus.root, or train.stages.2.epochs=3 (see data.json, run/model.safetensors)"),
            (std::vector<std::string>{"data.corpus.root", "train.stages.0.epochs"}));
}

TEST(Experiment, HashIgnoresWhatDoesNotDecideTheResult) {
  const Catalog catalog;
  const auto hash = [&](const std::string& yaml) { return config_hash(rows_of(read(catalog, yaml))); };
  EXPECT_EQ(hash("seed: 1"), hash("seed: 1\nlog: {every_steps: 7}\ndata: {loader: {workers: 5}}"));
  EXPECT_NE(hash("seed: 1"), hash("seed: 2"));
}

TEST(Catalog, EveryEntryHasADocAndReadableDefaults) {
  const Catalog catalog;
  catalog.for_each([](const auto& registry) {
    EXPECT_FALSE(registry.entries().empty()) << registry.kind();
    for (const auto& [name, entry] : registry.entries()) {
      EXPECT_GE(entry.doc.size(), 5u) << registry.kind() << " " << name;
      Lister lister;
      entry.list(entry.defaults(), lister);
      for (const Row& row : lister.rows)
        EXPECT_FALSE(row.doc.empty()) << registry.kind() << " " << name << " " << row.path;
    }
  });
}

}  // namespace
}  // namespace diptych

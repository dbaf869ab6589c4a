#include "diptych/train/experiment.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

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
    if (entry.path().parent_path().filename() == "base") continue;  // fragments
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
}

TEST(Experiment, TermWeightsMustMatchTheObjective) {
  const Catalog catalog;
  EXPECT_NE(error_of(catalog, "train: {stages: [{term_weights: [1, 2]}]}").find("term_weights"), std::string::npos);
}

TEST(Experiment, WarmUpMustFitIntoTheStage) {
  const Catalog catalog;
  EXPECT_NE(error_of(catalog, "train: {stages: [{epochs: 1, warmup_epochs: 2}]}").find("warmup_epochs"),
            std::string::npos);
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

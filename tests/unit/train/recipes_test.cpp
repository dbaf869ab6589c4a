// Every recipe below configs/, found by looking: each trains one step per stage on a few pictures in the format of its
// data set, and says what is published about it in a form that programs read.
#include <gmock/gmock.h>
#include <stdlib.h>
#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "diptych/core/log.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/train/session.h"
#include "report/published.h"
#include "support/temp_dir.h"
#include "train/ensemble.h"
#include "unit/train/composed_recipe_corpora.h"
#include "unit/train/recipe_corpora.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;
using ::diptych::testing::TempDir;
using ::testing::AnyOf;
using ::testing::HasSubstr;

std::vector<fs::path> recipes() {
  std::vector<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(DIPTYCH_SOURCE_DIR) / "configs")) {
    const auto folder = entry.path().parent_path().filename();
    if (entry.path().extension() == ".yaml" && folder != "base" && folder != "sweeps") out.push_back(entry.path());
  }
  std::ranges::sort(out);
  return out;
}

std::string text_at(const ConfigNode& tree, const std::string& path) {
  const ConfigNode* node = tree.at_path(path);
  return node ? node->text : "";
}

/// Word vectors for the first words of any recipe: 50 dimensions of a few words.
void write_word_vectors(const fs::path& file) {
  std::ofstream out(file);
  for (const char* word : {"a", "the", "red", "blue", "circle", "square", "left", "right"}) {
    out << word;
    for (int i = 0; i < 50; ++i) out << " " << 0.01 * i;
    out << "\n";
  }
}

/// Overrides that make a recipe small enough for a test: small pictures and batches, no downloaded files, a narrow
/// ResNet-18 in place of its deeper forms, whose layers have the same names, a narrow VGG. What the recipe says
/// otherwise stays.
class Small {
 public:
  explicit Small(const fs::path& folder) : folder_(folder) { write_word_vectors(folder / "vectors.txt"); }

  /// Empty, after a failure, for a corpus that cannot be written.
  std::vector<std::string> overrides(const ConfigNode& tree) {
    std::vector<std::string> out{"device=cpu", "threads=1", "data.loader.workers=1",
                                 "data.corpus.root=" + corpus(tree)};
    const std::string pixels = text_at(tree, "model.image.pool") == "grid" ? "96" : "32";  // 3 x 3 places need 96
    for (const char* key : {"height", "width"}) out.push_back(concat("data.image.", key, "=", pixels));
    if (tree.at_path("data.image.short_side")) out.push_back("data.image.short_side=" + pixels);
    if (text_at(tree, "model.image.type") == "features") out.push_back("model.image.file=" + features(tree));
    const std::string text = text_at(tree, "model.text.type");
    if (text == "hglmm") out.insert(out.end(), {"model.text.word_dim=50", "model.text.components=2"});
    if (text == "text_resnet") out.push_back("model.text.width=0.1");
    if (text_at(tree, "model.scorer.type") == "sm_lstm")
      out.insert(out.end(), {"model.scorer.hidden=16", "model.scorer.attention=16"});
    if (text_at(tree, "model.composer.type") == "combiner")
      out.insert(out.end(), {"model.composer.projection=16", "model.composer.hidden=16"});
    if (tree.at_path("data.corpus.test_nouns")) out.push_back("data.corpus.test_nouns=[tomato, window]");
    if (text_at(tree, "data.corpus.type") == "flickr_token")
      for (const char* split : {"train", "val", "test"})
        out.push_back(concat("data.corpus.", split, "_list=", split, ".txt"));
    if (text_at(tree, "data.corpus.type") == "mit_states_comp") out.push_back("data.corpus.metadata=metadata.tsv");
    if (text_at(tree, "data.corpus.type") == "fashioniq") out.push_back("evaluate.select=last");  // few to select on
    if (tree.at_path("model.text.pca")) out.push_back("model.text.pca=8");
    if ((text == "tfidf" || text == "hglmm") && tree.at_path("model.image_head.dim"))
      for (const char* head : {"image_head", "text_head"}) out.push_back(concat("model.", head, ".dim=8"));
    if (tree.at_path("model.image.weights")) out.push_back("model.image.weights=\"\"");
    if (text_at(tree, "model.image.type").starts_with("resnet"))
      out.insert(out.end(), {"model.image.type=resnet18", "model.image.width=0.25"});
    if (text_at(tree, "model.image.type").starts_with("vgg")) out.push_back("model.image.width=0.125");
    if (tree.at_path("data.text.word_vectors"))
      out.push_back(concat("data.text.word_vectors=", (folder_ / "vectors.txt").string()));
    const auto captions = parse_number(text_at(tree, "data.sampler.captions_per_image")).value_or(1);
    // At least two images, of which a class has ten captions; more pairs than dimensions for deep CCA. One
    // image of each of eight identities.
    const bool identities = text_at(tree, "data.sampler.type") == "identities";
    const bool many = text == "tfidf" || text_at(tree, "data.corpus.type") == "css" ||
                      (text_at(tree, "data.corpus.type") == "reed" && !identities);
    const std::string batch = concat(captions > 1 ? 4 * captions : many ? 24.0 : 8.0);
    out.push_back("train.batch_size=" + batch);
    if (const ConfigNode* stages = tree.at_path("train.stages"))
      for (size_t i = 0; i < stages->items.size(); ++i)
        if (stages->items[i].find("batch_size")) out.push_back(concat("train.stages.", i, ".batch_size=", batch));
    return out;
  }

 private:
  /// Six numbers for every picture of the recipe's corpus.
  std::string features(const ConfigNode& tree) {
    const fs::path root = corpus(tree), file = root / "features.safetensors";
    if (text_at(tree, "data.corpus.type") == "reed") {
      testing::write_class_features(root, root / "t7");
      return (root / "t7").string();
    }
    Json names = Json::array();
    for (const auto& entry : fs::recursive_directory_iterator(root))
      if (entry.path().extension() == ".jpg") names.push_back(entry.path().filename().string());
    const std::string ids = names.dump();
    TensorFile out;
    out.tensors["features"] = at::rand({static_cast<int64_t>(names.size()), 6});
    out.tensors["ids"] = torch::tensor(at::ArrayRef<uint8_t>(reinterpret_cast<const uint8_t*>(ids.data()), ids.size()));
    write_safetensors(out, file);
    return file.string();
  }
  std::string corpus(const ConfigNode& tree) {
    const std::string type = text_at(tree, "data.corpus.type"), protocol = text_at(tree, "evaluate.protocol.type");
    const std::string annotations = text_at(tree, "data.corpus.annotations");
    const std::string table = text_at(tree, "data.corpus.table");
    const fs::path root = folder_ / concat(type, "-", annotations, table, protocol == "positions" ? "-positions" : "");
    if (written_.insert(root).second) {
      fs::create_directories(root);
      if (!testing::write_composed_recipe_corpus(type, table, root) &&
          !testing::write_recipe_corpus(type, annotations, protocol, root))
        ADD_FAILURE() << "recipe_corpora.h and composed_recipe_corpora.h cannot write a corpus of type " << type;
    }
    return root.string();
  }
  fs::path folder_;
  std::set<fs::path> written_;
};

/// The protocol of each run where `protocol` is that of an ensemble of two; otherwise itself.
std::string of_each_run(const std::string& protocol) {
  const std::string ending = ensemble_protocol("", 2);
  return protocol.ends_with(ending) ? protocol.substr(0, protocol.size() - ending.size()) : protocol;
}

TEST(Recipes, TrainOneStepPerStageOnASmallCorpusOfTheirFormat) {
  setenv("DIPTYCH_DATA", "/data", 0);
  const Catalog catalog;
  const TempDir folder;
  Small small(folder.path());
  log::set_level(log::Level::error);
  log::set_progress(log::Progress::off);
  for (const fs::path& recipe : recipes()) {
    TrainRequest request;
    request.config = recipe, request.dry_run = true;
    std::string plan;
    try {
      request.overrides = small.overrides(load_experiment_source(recipe, {}).tree);
      train(catalog, request, [&](const std::string& text) { plan += text; });
      EXPECT_THAT(plan, AnyOf(HasSubstr("objective on one batch"), HasSubstr("fit cca"))) << recipe;
    } catch (const std::exception& error) {
      ADD_FAILURE() << recipe << ": " << error.what();
    }
  }
  log::set_level(log::Level::info);
  log::set_progress(log::Progress::automatic);
}

// Protocol, metrics, source and tolerance of published numbers; a recipe without numbers says why.
TEST(Recipes, PublishedNumbersNameTheirProtocolSourceAndTolerance) {
  setenv("DIPTYCH_DATA", "/data", 0);
  const Catalog catalog;
  int with_numbers = 0;
  for (const fs::path& recipe : recipes()) {
    const Experiment experiment = read_experiment(catalog, load_experiment_source(recipe, {}).tree);
    const report::Published published =
        report::read_published({experiment.published.begin(), experiment.published.end()});
    for (const auto& [protocol, text] : published.texts) {
      const auto* entry = catalog.protocols.find(of_each_run(protocol));
      ASSERT_NE(entry, nullptr) << recipe << ": published." << protocol << " is no protocol";
      EXPECT_TRUE(published.results.contains(protocol)) << recipe << ": no numbers are read from \"" << text << "\"";
      const std::vector<std::string> names = entry->make(entry->defaults())->metric_names();
      for (const auto& [metric, value] : published.results.at(protocol))
        EXPECT_TRUE(std::ranges::count(names, metric)) << recipe << ": " << protocol << " has no metric " << metric;
    }
    if (published.texts.empty()) continue;
    ++with_numbers;
    EXPECT_FALSE(published.source.empty()) << recipe << ": published.source";
    EXPECT_THAT(published.provenance, AnyOf("paper", "code", "listed", "recall")) << recipe;
    EXPECT_TRUE(published.tolerance && *published.tolerance > 0) << recipe << ": published.tolerance";
  }
  EXPECT_GE(with_numbers, 110);
}

TEST(Recipes, ThoseOfPublishedSetsHaveAPublishedBlock) {
  const Catalog catalog;
  setenv("DIPTYCH_DATA", "/data", 0);
  for (const fs::path& recipe : recipes()) {
    const auto folder = recipe.parent_path().filename();
    if (folder == "own" || folder == "synthetic" || folder == "positions") continue;
    EXPECT_FALSE(read_experiment(catalog, load_experiment_source(recipe, {}).tree).published.empty()) << recipe;
  }
}

}  // namespace
}  // namespace diptych

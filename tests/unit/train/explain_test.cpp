#include "diptych/train/explain.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/data/image/drawn_objects.h"
#include "diptych/data/image/positions.h"
#include "diptych/train/catalog.h"
#include "support/temp_dir.h"
#include "unit/train/trained_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Six maps, one a colour: 1 where a pixel has that colour, 0 where it is far from it. Averaged over the picture.
class ColourMaps : public ImageEncoder {
 public:
  explicit ColourMaps(bool linear) : linear_(linear) {}
  Encoded forward(const at::Tensor& image) override { return {pool(feature_map(image)), {}, {}}; }
  at::Tensor feature_map(const at::Tensor& image) override {
    const at::Tensor colours = torch::tensor({{214.f, 39.f, 40.f},
                                              {44.f, 160.f, 44.f},
                                              {31.f, 80.f, 200.f},
                                              {240.f, 200.f, 20.f},
                                              {150.f, 50.f, 190.f},
                                              {30.f, 30.f, 30.f}}) /
                               255;
    return at::exp(-40 * (image.unsqueeze(1) - colours.view({1, 6, 3, 1, 1})).square().sum(2));
  }
  at::Tensor place_weights(int64_t h, int64_t w) const override {
    return linear_ ? at::full({1, h * w}, 1.0 / static_cast<double>(h * w)) : at::Tensor();
  }
  int64_t features() const override { return 6; }
  const std::string& weights() const override { return none_; }

 private:
  bool linear_;
  std::string none_;
};

/// Counts the words of each colour; `shift` takes one colour for another.
class ColourWords final : public TextEncoder {
 public:
  ColourWords(const Vocabulary& vocabulary, int64_t shift) : table_(at::zeros({vocabulary.size(), 6})) {
    int64_t colour = 0;
    for (const char* word : {"red", "green", "blue", "yellow", "purple", "black"})
      table_[vocabulary.id(word)][(colour++ + shift) % 6] = 1;
  }
  Encoded forward(const at::Tensor& tokens, const at::Tensor&) override {
    return {table_.index_select(0, tokens.reshape(-1)).view({tokens.size(0), tokens.size(1), 6}).sum(1), {}, {}};
  }
  int64_t features() const override { return 6; }

 private:
  at::Tensor table_;
};

class Unchanged final : public Head {
 public:
  at::Tensor forward(const at::Tensor& features) override { return features; }
  int64_t dimension() const override { return 6; }
  at::Tensor linear_part() const override { return at::eye(6); }
};

class ExplainTest : public ::testing::Test {
 protected:
  ExplainTest() {
    PositionsOptions options;
    options.images = 64, options.val_images = 8, options.test_images = 80, options.size = 64;
    write_positions_corpus(dir_ / "set", options);
  }

  /// A run that knows colours by heart.
  LoadedRun run(bool linear = true, int64_t shift = 0) {
    std::string config = use_config();
    const auto replace = [&](const std::string& from, const std::string& to) {
      config.replace(config.find(from), from.size(), to);
    };
    replace("{type: csv, root: nowhere}", "{type: jsonl, root: " + (dir_ / "set").string() + "}");
    replace("height: 32, width: 32, normalise: half", "height: 64, width: 64, flip: false, normalise: none");
    LoadedRun out;
    out.experiment = std::make_unique<Experiment>(
        read_experiment(catalog_, load_experiment_source(dir_.write("c.yaml", config), {}).tree));
    out.data = load_data(*out.experiment);
    out.system = build_system(*out.experiment, out.data);
    out.system->model = std::make_shared<JointModel>(std::make_shared<ColourMaps>(linear),
                                                     std::make_shared<ColourWords>(out.data.vocabulary, shift),
                                                     std::make_shared<Unchanged>(), std::make_shared<Unchanged>(),
                                                     out.experiment->model.scorer.make(ScorerContext{6, 6, 6}));
    return out;
  }
  std::string picture(const std::string& id) const { return (dir_ / "set/images" / (id + ".jpg")).string(); }

  Catalog catalog_;
  TempDir dir_;
};

TEST(MostRelevantPixel, IsTheMiddleOfTheHighestPlace) {
  EXPECT_EQ(most_relevant_pixel(torch::tensor({{0.f, 0.f, 0.f}, {0.f, 0.f, 7.f}, {0.f, 0.f, 0.f}}), 9, 15),
            std::pair(int64_t{4}, int64_t{12}));
  EXPECT_EQ(most_relevant_pixel(torch::tensor({{-9.f, -3.f}, {-5.f, -4.f}}), 2, 2), std::pair(int64_t{0}, int64_t{1}));
  // A first place that looks at pixel 0, as convolutions do: place p of stride 3 is pixel 3 p.
  EXPECT_EQ(
      most_relevant_pixel(torch::tensor({{0.f, 0.f, 0.f}, {0.f, 0.f, 7.f}, {0.f, 0.f, 0.f}}), 9, 9, {0.5 / 3, 0.5 / 3}),
      std::pair(int64_t{3}, int64_t{6}));
}

TEST_F(ExplainTest, AModelThatKnowsColoursPointsAtThem) {
  const PointingResult result = measure_pointing(run(), Split::test);
  EXPECT_EQ(result.pictures, 80);
  EXPECT_EQ(result.queries, 160);
  EXPECT_GT(result.hits, 90);  // not 100: thin shapes are blurred by JPEG
  EXPECT_LT(result.other, 2);
  EXPECT_LE(result.low, result.hits);
  EXPECT_GE(result.high, result.hits);
  ASSERT_EQ(result.parts.size(), 1u);
  EXPECT_EQ(result.parts[0].objects, 2);
  EXPECT_EQ(result.parts[0].hits, result.hits);

  double area = 0, centre = 0;
  int64_t count = 0;
  for (const auto& [id, objects] : drawn_objects(dir_ / "set/set.jsonl"))
    if (id.starts_with("test"))
      for (const DrawnObject& each : objects) {
        area += (each.right - each.left) * (each.bottom - each.top), ++count;
        centre += each.left <= 0.5 && each.right >= 0.5 && each.top <= 0.5 && each.bottom >= 0.5;
      }
  EXPECT_NEAR(result.random, 100 * area / static_cast<double>(count), 1e-9);
  EXPECT_NEAR(result.centre, 100 * centre / static_cast<double>(count), 1e-9);
  EXPECT_THAT(to_text(result), HasSubstr("160 queries"));
}

TEST_F(ExplainTest, WithoutAClosedFormItPointsAtTheSamePlaces) {
  const PointingResult closed = measure_pointing(run(true), Split::test),
                       slopes = measure_pointing(run(false), Split::test);
  EXPECT_EQ(closed.hits, slopes.hits);
  EXPECT_EQ(closed.other, slopes.other);
}

TEST_F(ExplainTest, AModelThatTakesOneColourForAnotherPointsElsewhere) {
  const PointingResult result = measure_pointing(run(true, 1), Split::test);
  EXPECT_LT(result.hits, 30);
  EXPECT_GT(result.other, 5);  // the other object has the colour that it looks for in a fifth of the pictures
}

TEST_F(ExplainTest, ExplainsOnePairByPlacesAndWords) {
  const LoadedRun known = run();
  const auto objects = drawn_objects(dir_ / "set/set.jsonl").at("test-00000-a");
  const Explanation told = explain(known, picture("test-00000-a"), "The " + objects[0].colour + " zebra, left of it");
  EXPECT_EQ(told.method, "Grad-CAM");
  ASSERT_TRUE(told.closed_form_difference);
  EXPECT_LT(*told.closed_form_difference, 1e-5);
  EXPECT_EQ(told.relevance.sizes(), (at::IntArrayRef{64, 64}));
  std::vector<std::string> words;
  for (const auto& each : told.words) words.push_back(each.word);
  EXPECT_THAT(words, ElementsAre("the", objects[0].colour, "zebra", "left", "of", "it"));
  EXPECT_FALSE(told.words[2].known);
  EXPECT_NEAR(told.words[1].left_out, told.score, 1e-6) << "without its colour the text says nothing";
  EXPECT_NEAR(told.words[3].left_out, 0, 1e-6);
  const auto [row, column] = most_relevant_pixel(told.relevance, 64, 64);
  EXPECT_GE(static_cast<double>(column) / 64, objects[0].left - 0.02);
  EXPECT_LE(static_cast<double>(column) / 64, objects[0].right);
  EXPECT_EQ(explain(known, picture("test-00000-a"), "a a a a a a a a").words_cut, 2);
  EXPECT_THROW(explain(known, picture("test-00000-a"), "?!"), UsageError);
  EXPECT_THROW(explain(known, picture("nobody"), "a"), DataError);
}

// The rank of a caption's picture, counted again from the scores of explain().
TEST_F(ExplainTest, ChosenPairsStandInOrderOfRank) {
  const LoadedRun known = run();
  const auto worst = explain_pairs(known, Split::val, parse_pair_choice("worst:2"));
  ASSERT_GE(worst.size(), 2u);
  EXPECT_TRUE(worst[0].is_match);
  const auto best = explain_pairs(known, Split::val, parse_pair_choice("best:1"));
  EXPECT_LE(best[0].rank, worst[0].rank);
  int64_t rank = 0;
  for (const auto& image : known.data.corpus.images)
    if (image.split == Split::val)
      rank += explain(known, picture(image.id), worst[0].explanation.text).score >= worst[0].explanation.score - 1e-6;
  EXPECT_EQ(worst[0].rank, rank);
}

}  // namespace
}  // namespace diptych::testing

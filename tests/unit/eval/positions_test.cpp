#include "eval/positions.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/error.h"
#include "unit/eval/matrix_tiles.h"

namespace diptych::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Images 2i and 2i + 1 are partners; `captions` of each, in the order of the images.
struct PairedSet {
  MatrixTiles tiles;
  RetrievalSet set;
  PairedSet(const at::Tensor& scores, std::vector<std::string> relation_of_pair, int64_t captions = 1) : tiles(scores) {
    set.scores = &tiles;
    set.split = "test", set.bootstrap = false;
    for (int64_t row = 0; row < tiles.rows(); ++row) {
      set.x_partner.push_back(row ^ 1);
      set.x_relation.push_back(relation_of_pair[static_cast<size_t>(row / 2)]);
      set.y_image.insert(set.y_image.end(), static_cast<size_t>(captions), row);
    }
  }
  ProtocolResult evaluate() const { return PositionsProtocol({}).evaluate(set); }
};
double accuracy(const ProtocolResult& result, const std::string& name) { return result.find(name)->value; }

TEST(Positions, CountsEachChoiceOfAPair) {
  // Scores between the pairs are higher, and do not matter.
  const PairedSet data(torch::tensor({{0.5, 0.4, 0.9, 0.9},    // image 0: right
                                      {0.6, 0.7, 0.9, 0.9},    // image 1: right; caption 0 prefers image 1: wrong
                                      {0.9, 0.9, 0.2, 0.3},    // image 2: wrong
                                      {0.9, 0.9, 0.1, 0.4}}),  // image 3: right; captions 2, 3: right
                       {"left_right", "above_below"});
  const ProtocolResult result = data.evaluate();
  EXPECT_EQ(accuracy(result, "i2t/left_right"), 100);
  EXPECT_EQ(accuracy(result, "t2i/left_right"), 50);
  EXPECT_EQ(accuracy(result, "group/left_right"), 0);
  EXPECT_EQ(accuracy(result, "i2t/above_below"), 50);
  EXPECT_EQ(accuracy(result, "t2i/above_below"), 100);
  EXPECT_EQ(accuracy(result, "i2t/all"), 75);
  EXPECT_EQ(accuracy(result, "pair-accuracy"), 75);
  EXPECT_EQ(result.images, 4);
  EXPECT_EQ(result.opposites.size(), 2u);
  EXPECT_EQ(result.opposites[0].relation, "above_below");  // by name
  EXPECT_FLOAT_EQ(result.opposites[0].score[0][1], 0.3f);
  EXPECT_THAT(result.ranks[0].first, ElementsAre(3, 3, 4, 3));  // among all captions
}

TEST(Positions, AGroupNeedsAllFour) {
  const PairedSet right(torch::tensor({{0.5, 0.4}, {0.3, 0.7}}), {"r"});
  EXPECT_EQ(accuracy(right.evaluate(), "group/r"), 100);
  EXPECT_TRUE(right.evaluate().opposites[0].all_right());
  const PairedSet almost(torch::tensor({{0.5, 0.4}, {0.5, 0.7}}), {"r"});
  EXPECT_EQ(accuracy(almost.evaluate(), "group/r"), 0);
}

TEST(Positions, CaptionKIsOppositeToCaptionK) {
  // Images 0, 1 with captions 0, 1 and 2, 3. Caption 0 against 2 is right, 1 against 3 wrong, for image 0.
  const PairedSet data(torch::tensor({{0.9, 0.1, 0.5, 0.3}, {0.0, 0.0, 1.0, 1.0}}), {"r"}, 2);
  const ProtocolResult result = data.evaluate();
  EXPECT_EQ(accuracy(result, "i2t/r"), 75);
  EXPECT_EQ(result.opposites[1].caption[0], 1);
  EXPECT_EQ(result.opposites[1].caption[1], 3);
}

// Who reads words without the relation gives both captions the same score; who sees pictures without it, both images.
TEST(Positions, TiesAreWrongAndTheStableRuleSeesChance) {
  const at::Tensor blind_to_words = torch::tensor({{0.5, 0.5}, {0.2, 0.2}});
  const ProtocolResult result = PairedSet(blind_to_words, {"r"}).evaluate();
  EXPECT_EQ(accuracy(result, "i2t/r"), 0);
  EXPECT_EQ(result.find("i2t/r")->stable, 50);
  EXPECT_EQ(accuracy(result, "t2i/r"), 50);  // both captions choose image 0
  EXPECT_EQ(accuracy(result, "group/r"), 0);
  const ProtocolResult all_equal = PairedSet(torch::ones({4, 4}), {"r", "s"}).evaluate();
  EXPECT_EQ(accuracy(all_equal, "pair-accuracy"), 0);
  EXPECT_TRUE(all_equal.collapsed);
}

// Known answers: random scores give 50, 50 and 16.7 %; exchanging the captions of every pair turns 100 into 0.
TEST(Positions, RandomScoresGiveChance) {
  torch::manual_seed(5);
  const int64_t images = 4000;
  const at::Tensor scores = torch::zeros({images, images});
  const at::Tensor blocks = torch::rand({images / 2, 2, 2});
  for (int64_t pair = 0; pair < images / 2; ++pair)
    scores.slice(0, 2 * pair, 2 * pair + 2).slice(1, 2 * pair, 2 * pair + 2).copy_(blocks[pair]);
  std::vector<std::string> relations;
  for (int64_t pair = 0; pair < images / 2; ++pair) relations.push_back(pair % 2 ? "r" : "s");
  const ProtocolResult result = PairedSet(scores, relations).evaluate();
  EXPECT_NEAR(accuracy(result, "i2t/all"), 50, 3.5);
  EXPECT_NEAR(accuracy(result, "t2i/all"), 50, 3.5);
  EXPECT_NEAR(accuracy(result, "group/all"), 100.0 / 6, 3.5);
}

TEST(Positions, ExchangedCaptionsTurnRightIntoWrong) {
  const at::Tensor perfect = torch::eye(8);
  const std::vector<std::string> relations = {"a", "a", "b", "b"};
  EXPECT_EQ(accuracy(PairedSet(perfect, relations).evaluate(), "group/all"), 100);
  const at::Tensor exchanged = perfect.index_select(1, torch::tensor({1, 0, 3, 2, 5, 4, 7, 6}));
  EXPECT_EQ(accuracy(PairedSet(exchanged, relations).evaluate(), "pair-accuracy"), 0);
}

// n pairs of which a share p is right: the interval over pairs is about p +- 1.96 sqrt(p (1 - p) / n).
TEST(Positions, IntervalsAreOverPairs) {
  const int64_t pairs = 200;
  at::Tensor scores = torch::eye(2 * pairs);
  for (int64_t pair = 0; pair < pairs; pair += 4)  // a quarter all wrong
    for (int64_t i = 0; i < 2; ++i) scores[2 * pair + i][2 * pair + i] = 0, scores[2 * pair + i][2 * pair + 1 - i] = 1;
  PairedSet data(scores, std::vector<std::string>(pairs, "r"));
  data.set.bootstrap = true;
  const ProtocolResult result = data.evaluate();
  const Metric& metric = *result.find("i2t/r");
  EXPECT_EQ(metric.value, 75);
  const double half = 1.96 * std::sqrt(0.25 * 0.75 / pairs) * 100;
  EXPECT_NEAR(metric.high - metric.low, 2 * half, 2);
  EXPECT_THAT(table_text(result), HasSubstr("over pairs of images"));
}

TEST(Positions, ImagesWithoutAPartnerTakeNoPart) {
  PairedSet data(torch::eye(4), {"r", "s"});
  data.set.x_partner[2] = data.set.x_partner[3] = -1;
  const ProtocolResult result = data.evaluate();
  EXPECT_EQ(result.opposites.size(), 1u);
  EXPECT_THAT(result.description, HasSubstr("1 pairs of images"));
  data.set.x_partner.assign(4, -1);
  EXPECT_THROW(data.evaluate(), DataError);
  data.set.x_partner.clear();
  try {
    data.evaluate();
    ADD_FAILURE();
  } catch (const DataError& error) {
    EXPECT_THAT(error.issues().front().hint, HasSubstr("data synth positions"));
  }
}

TEST(Positions, BrokenListsAreNamed) {
  PairedSet data(torch::eye(4), {"r", "s"});
  data.set.x_partner = {1, 2, 3, 0};
  EXPECT_THROW(data.evaluate(), ShapeError);
  data.set.x_partner = {1, 0};
  EXPECT_THROW(data.evaluate(), ShapeError);
  PairedSet broken(torch::full({2, 2}, std::nan("")), {"r"});
  EXPECT_THROW(broken.evaluate(), NumericError);
}

TEST(Positions, TheMainMetricIsNamed) {
  const PositionsProtocol protocol({});
  EXPECT_THAT(protocol.metric_names(), Contains(protocol.main_metric()));
  EXPECT_THAT(protocol.metric_names(), Contains("i2t/left_right"));
}

// Pairs that lie in several tiles of the score matrix.
TEST(Positions, ReadsScoresAcrossTiles) {
  const int64_t images = 2 * ScoreTiles::kTileRows + 6;
  at::Tensor scores = torch::eye(images);
  PairedSet data(scores, std::vector<std::string>(static_cast<size_t>(images / 2), "r"));
  const int64_t far = images - 1, near = 1;  // partners 1 and images - 1; 0 and images - 2
  data.set.x_partner[near] = far, data.set.x_partner[far] = near;
  data.set.x_partner[0] = images - 2, data.set.x_partner[static_cast<size_t>(images - 2)] = 0;
  EXPECT_EQ(accuracy(data.evaluate(), "group/r"), 100);
}

}  // namespace
}  // namespace diptych::testing

#include "eval/pair_top1.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <algorithm>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "unit/eval/matrix_tiles.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Images against one text for each pair of an attribute and an object.
struct AttributedPairs {
  MatrixTiles tiles;
  RetrievalSet set;
  AttributedPairs(const at::Tensor& scores, std::vector<int64_t> label_of_image, std::vector<int64_t> label_of_text,
                  std::vector<std::string> names)
      : tiles(scores) {
    set.scores = &tiles, set.split = "test", set.scorer = "cosine", set.bootstrap = false;
    set.x_label = std::move(label_of_image), set.y_label = std::move(label_of_text);
    set.label_names = std::move(names);
    set.y_captions.assign(set.y_label.size(), 4), set.y_image.assign(set.y_label.size(), 0);
  }
  AttributedPairs(const AttributedPairs&) = delete;
  AttributedPairs& operator=(const AttributedPairs&) = delete;
};

void expect_shares(const ProtocolResult& result, const std::string& name, double value, double stable) {
  ASSERT_NE(result.find(name), nullptr) << name;
  EXPECT_NEAR(result.find(name)->value, value, 1e-9) << name;
  EXPECT_NEAR(result.find(name)->stable, stable, 1e-9) << name << ", stable";
}

TEST(PairTop1, TellsAttributesAndObjectsApart) {
  // Pairs: wet dog, wet road, old dog, old road. Images: wet dog, wet road, old dog, old road, old road.
  const AttributedPairs pairs(torch::tensor({{.9f, .1f, .2f, .3f},    // right
                                             {.9f, .8f, .1f, .2f},    // wet dog: the attribute; its road is wet
                                             {.9f, .1f, .2f, .8f},    // wet dog: the object; its dog is wet
                                             {.9f, .1f, .2f, .8f},    // wet dog: nothing; but its road is old
                                             {.1f, .2f, .7f, .7f}}),  // old dog and old road alike
                              {0, 1, 2, 3, 3}, {0, 1, 2, 3}, {"wet dog", "wet road", "old dog", "old road"});
  const ProtocolResult result = PairTop1({}).evaluate(pairs.set);
  expect_shares(result, "i2t/pair-top1", 20, 20);  // equal scores: old dog comes first under either rule
  expect_shares(result, "i2t/attribute-top1", 60, 60);
  expect_shares(result, "i2t/object-top1", 40, 40);
  expect_shares(result, "i2t/object-oracle", 80, 80);
  EXPECT_THAT(result.description, AllOf(HasSubstr("5 images x 4 pairs"), HasSubstr("closed world"), HasSubstr("cosine"),
                                        HasSubstr("pessimistic")));
  EXPECT_EQ(result.clusters, "images");
  EXPECT_TRUE(result.class_texts && result.by_identity && !result.collapsed);
}

TEST(PairTop1, EqualScoresAreWrongUnlessTheRightPairComesFirst) {
  const AttributedPairs pairs(torch::tensor({{.5f, .5f, .1f}, {.5f, .5f, .1f}}), {4, 1}, {4, 1, 0},
                              {"old sea", "old dog", "", "", "wet dog"});
  const ProtocolResult result = PairTop1({}).evaluate(pairs.set);
  expect_shares(result, "i2t/pair-top1", 0, 50);
  expect_shares(result, "i2t/attribute-top1", 0, 50);
  expect_shares(result, "i2t/object-top1", 100, 100);  // both are dogs
  expect_shares(result, "i2t/object-oracle", 0, 50);
}

TEST(PairTop1, EqualsTheArgmaxOfEachImage) {
  const int64_t images = 300, texts = 12;
  std::vector<std::string> names;
  for (const char* attribute : {"a", "b", "c"})
    for (const char* object : {"p", "q", "r", "s"}) names.push_back(concat(attribute, " ", object));
  std::vector<int64_t> label(static_cast<size_t>(images)), text(static_cast<size_t>(texts));
  Random random(3, {25});
  for (int64_t& each : label) each = static_cast<int64_t>(random.below(static_cast<uint64_t>(texts)));
  for (int64_t i = 0; i < texts; ++i) text[static_cast<size_t>(i)] = (i * 5 + 3) % texts;
  const at::Tensor scores = normal_rows(images, texts, 4);  // no ties
  AttributedPairs pairs(scores, label, text, names);
  pairs.set.bootstrap = true;
  const ProtocolResult result = PairTop1({}).evaluate(pairs.set);
  double right[4] = {};
  for (int64_t i = 0; i < images; ++i) {
    const int64_t truth = label[static_cast<size_t>(i)];
    const int64_t best = text[static_cast<size_t>(scores[i].argmax().item<int64_t>())];
    int64_t oracle = -1;
    float highest = -10;
    for (int64_t c = 0; c < texts; ++c)
      if (const float score = scores[i][c].item<float>();
          text[static_cast<size_t>(c)] % 4 == truth % 4 && score > highest)
        oracle = text[static_cast<size_t>(c)], highest = score;
    right[0] += best == truth, right[1] += best / 4 == truth / 4, right[2] += best % 4 == truth % 4;
    right[3] += oracle == truth;
  }
  const std::vector<std::string> metrics = PairTop1({}).metric_names();
  ASSERT_EQ(metrics.size(), 4u);
  for (size_t m = 0; m < 4; ++m) {
    const double share = 100 * right[m] / static_cast<double>(images);
    expect_shares(result, metrics[m], share, share);
    EXPECT_LT(result.find(metrics[m])->low, share);
    EXPECT_GT(result.find(metrics[m])->high, share);
  }
}

TEST(PairTop1, NamesThatAreNoPairsAreRefused) {
  AttributedPairs pairs(at::eye(2), {0, 1}, {0, 1}, {"wet dog", "very old dog"});
  try {
    PairTop1({}).evaluate(pairs.set);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const DataError& error) {
    EXPECT_THAT(to_text(error.issues().front()), AllOf(HasSubstr("mit-states-unseen"), HasSubstr("very old dog")));
  }
  pairs.set.label_names.clear();
  EXPECT_THROW(PairTop1({}).evaluate(pairs.set), ShapeError);
  pairs.set.label_names = {"wet dog", "old dog"}, pairs.set.y_captions.clear();
  EXPECT_THROW(PairTop1({}).evaluate(pairs.set), ShapeError);
  pairs.set.y_captions = {1, 1}, pairs.set.label_names.insert(pairs.set.label_names.end(), {"a b", "c d"});
  pairs.set.y_label = {2, 3};
  EXPECT_THROW(PairTop1({}).evaluate(pairs.set), DataError);
}

}  // namespace
}  // namespace diptych::testing

#include "eval/class_zeroshot.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <algorithm>
#include <map>

#include "diptych/core/error.h"
#include "diptych/core/options.h"
#include "unit/eval/matrix_tiles.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// Images against one text for each class.
struct Classes {
  MatrixTiles tiles;
  RetrievalSet set;
  Classes(const at::Tensor& scores, std::vector<int64_t> label_of_image, std::vector<int64_t> label_of_text)
      : tiles(scores) {
    set.scores = &tiles, set.split = "test", set.scorer = "cosine", set.bootstrap = false;
    set.x_label = std::move(label_of_image), set.y_label = std::move(label_of_text);
    set.y_captions.assign(set.y_label.size(), 10);
    for (const int64_t label : set.y_label)
      set.y_image.push_back(std::ranges::find(set.x_label, label) - set.x_label.begin());
  }
};

std::shared_ptr<Protocol> class_protocol(const std::string& name, const std::string& yaml = "{}") {
  ProtocolRegistry registry("protocol");
  register_protocols(registry);
  const auto* entry = registry.find(name);
  std::any options = entry->defaults();
  Complaints complaints;
  entry->read(parse_config(yaml, "test.yaml"), "evaluate.protocol", options, complaints);
  complaints.throw_if_any();
  return entry->make(options);
}
void expect_metric(const ProtocolResult& result, const std::string& name, double value, double stable) {
  const Metric* metric = result.find(name);
  ASSERT_NE(metric, nullptr) << name;
  EXPECT_NEAR(metric->value, value, 1e-9) << name;
  EXPECT_NEAR(metric->stable, stable, 1e-9) << name << ", stable";
}

// Test value M3 of the definitions: five images, two classes, many equal scores.
const std::vector<int64_t> kLabels{0, 1, 0, 1, 1};
at::Tensor m3_scores() { return torch::tensor({{.3f, .9f, .9f, .1f, .9f}, {.2f, .8f, .8f, .8f, .1f}}).t(); }

TEST(ClassZeroshot, CountsThePrecisionOfEachClassUnderBothTieRules) {
  Classes classes(m3_scores(), kLabels, {0, 1});
  const ProtocolResult result = class_protocol("class-zeroshot", "{precision: [4, 2]}")->evaluate(classes.set);
  expect_metric(result, "t2i/class-ap@2", 25, 50);  // class 0: 0 or 1 of 2; class 1: 1 of 2 under both
  expect_metric(result, "t2i/class-ap@4", 50, 50);
  // Images 0 and 2 go to class 0; of 1, 3 and 4 only image 3 goes to class 1.
  expect_metric(result, "i2t/class-r@1", (100 + 100.0 / 3) / 2, (100 + 100.0 / 3) / 2);
  EXPECT_EQ(result.metrics.front().first, "i2t/class-r@1");
  EXPECT_EQ(result.metrics[1].first, "t2i/class-ap@2");
}

TEST(ClassZeroshot, EqualScoresOfTwoClassesAreWrongUnlessTheFirstWins) {
  Classes classes(torch::tensor({{0.5f, 0.5f}, {0.5f, 0.5f}, {0.1f, 0.2f}}), {0, 1, 1}, {0, 1});
  const ProtocolResult result = class_protocol("class-zeroshot")->evaluate(classes.set);
  // Class 0: wrong, or right by order. Class 1: image 1 wrong under both, image 2 right.
  expect_metric(result, "i2t/class-r@1", (0 + 50) / 2.0, (100 + 50) / 2.0);
}

TEST(ClassZeroshot, ASmallGalleryIsItsOwnDivisor) {
  Classes classes(m3_scores(), kLabels, {0, 1});
  const ProtocolResult result = class_protocol("cub")->evaluate(classes.set);
  expect_metric(result, "t2i/class-ap@50", 50, 50);  // (2/5 + 3/5) / 2
  EXPECT_EQ(result.find("t2i/class-ap@50")->gallery, 5);
  EXPECT_EQ(result.find("i2t/class-r@1")->gallery, 2);
}

TEST(ClassZeroshot, ClassesCountAlikeWhateverTheirSizes) {
  // Class 5 has one image and it is right; class 2 has four and one of them is.
  Classes classes(torch::tensor({{0.f, 1.f}, {1.f, 0.f}, {0.f, 1.f}, {0.f, 1.f}, {0.f, 1.f}}), {5, 2, 2, 2, 2}, {2, 5});
  const ProtocolResult result = class_protocol("flowers")->evaluate(classes.set);
  expect_metric(result, "i2t/class-r@1", 62.5, 62.5);
}

TEST(ClassZeroshot, EqualsSortingOnManyTiedScores) {
  const int64_t images = 700, texts = 23;
  const at::Tensor scores = tied_scores(images, texts, 9, 5);
  std::vector<int64_t> label(images), text(texts);
  Random random(3, {4});
  for (int64_t& each : label) each = static_cast<int64_t>(random.below(texts));
  for (int64_t i = 0; i < texts; ++i) text[static_cast<size_t>(i)] = texts - 1 - i;
  Classes classes(scores, label, text);
  const ProtocolResult result = class_protocol("class-zeroshot")->evaluate(classes.set);
  for (const bool stable : {false, true}) {
    double precision = 0, accuracy = 0;
    for (int64_t c = 0; c < texts; ++c) {
      const at::Tensor column = scores.select(1, c).contiguous();
      std::vector<bool> relevant;
      int64_t right = 0;
      for (int64_t i = 0; i < images; ++i) {
        relevant.push_back(label[static_cast<size_t>(i)] == text[static_cast<size_t>(c)]);
        if (!relevant.back()) continue;
        const at::Tensor row = scores.select(0, i).contiguous();
        std::vector<bool> own(static_cast<size_t>(texts));
        own[static_cast<size_t>(c)] = true;
        right += sorted_ranks({row.data_ptr<float>(), row.data_ptr<float>() + texts}, own, stable).front() == 1;
      }
      const auto ranks = sorted_ranks({column.data_ptr<float>(), column.data_ptr<float>() + images}, relevant, stable);
      precision += static_cast<double>(std::ranges::count_if(ranks, [](int32_t rank) { return rank <= 50; })) / 50;
      accuracy += static_cast<double>(right) / static_cast<double>(ranks.size());
    }
    const auto found = [&](const char* name) { return stable ? result.find(name)->stable : result.find(name)->value; };
    EXPECT_NEAR(found("t2i/class-ap@50"), 100 * precision / texts, 1e-9);
    EXPECT_NEAR(found("i2t/class-r@1"), 100 * accuracy / texts, 1e-9);
  }
}

TEST(ClassZeroshot, SaysWhatWasMeasured) {
  Classes classes(m3_scores(), kLabels, {0, 1});
  classes.set.x_id = {"a", "b", "c", "d", "e"}, classes.set.y_id = {"albatross", "auklet"};
  const ProtocolResult result = class_protocol("cub", "{captions_per_class: 10}")->evaluate(classes.set);
  EXPECT_THAT(result.description,
              AllOf(HasSubstr("5 images x 2 classes"), HasSubstr("20 in all, at most 10 of a class"),
                    HasSubstr("scores: cosine"), HasSubstr("not the published test split of 50 classes")));
  EXPECT_TRUE(result.by_identity);
  ASSERT_TRUE(result.class_texts);
  EXPECT_EQ(result.class_texts->most_captions, 10);
  EXPECT_THAT(result.ranks[1].query_id, ElementsAre("albatross", "auklet"));
  EXPECT_THAT(result.ranks[0].query_id, ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_THAT(table_text(result), AllOf(HasSubstr("class-r@1  class-ap@50\n"), HasSubstr("  i2t       66.7\n")));
  EXPECT_THAT(class_protocol("class-zeroshot")->evaluate(classes.set).description, Not(HasSubstr("published")));
}

TEST(ClassZeroshot, ResamplesClassesForItsIntervals) {
  Classes classes(tied_scores(300, 12, 1000, 8), std::vector<int64_t>(300), {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  for (size_t i = 0; i < 300; ++i) classes.set.x_label[i] = static_cast<int64_t>(i % 12);
  classes.set.bootstrap = true;
  const ProtocolResult result = class_protocol("class-zeroshot")->evaluate(classes.set);
  EXPECT_EQ(result.clusters, "classes");
  for (const auto& [name, metric] : result.metrics) {
    EXPECT_LT(metric.low, metric.value) << name;
    EXPECT_GT(metric.high, metric.value) << name;
  }
}

TEST(ClassZeroshot, CaptionsInPlaceOfClassTextsAreRefused) {
  Classes classes(m3_scores(), kLabels, {0, 1});
  classes.set.y_captions.clear();
  EXPECT_THROW(class_protocol("cub")->evaluate(classes.set), ShapeError);
  Classes twice(m3_scores(), kLabels, {1, 1});
  EXPECT_THROW(class_protocol("cub")->evaluate(twice.set), ShapeError);
  Classes strangers(m3_scores(), kLabels, {0, 1});
  strangers.set.y_label = {8, 9};
  EXPECT_THROW(class_protocol("cub")->evaluate(strangers.set), DataError);
}

TEST(ClassZeroshot, ItsCutoffsAreALegalList) {
  EXPECT_THROW(class_protocol("cub", "{precision: []}"), UsageError);
  EXPECT_THROW(class_protocol("cub", "{precision: [5, 5]}"), UsageError);
  EXPECT_THROW(class_protocol("cub", "{precision: [0]}"), UsageError);
  EXPECT_THAT(class_protocol("cub", "{precision: [50, 10]}")->metric_names(),
              ElementsAre("i2t/class-r@1", "t2i/class-ap@10", "t2i/class-ap@50"));
}

}  // namespace
}  // namespace diptych::testing

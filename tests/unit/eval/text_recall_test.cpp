#include "diptych/eval/text_recall.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/error.h"
#include "unit/eval/matrix_tiles.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

ProtocolResult result_of(const std::vector<int32_t>& fold) {
  ProtocolResult result;
  result.protocol = "image-retrieval", result.split = "test", result.y_fold = fold;
  for (const char* name : {"i2t/R@1", "t2i/R@1", "t2i/R@2", "rsum"}) result.metrics.emplace_back(name, Metric{});
  return result;
}

double metric_value(const ProtocolResult& result, const std::string& name) {
  const Metric* metric = result.find(name);
  EXPECT_TRUE(metric) << name;
  return metric ? metric->value : -1;
}

/// Five captions of images 0 0 1 1 2; the last has no sibling. The diagonal is high and must not count.
const std::vector<int64_t> kImage = {0, 0, 1, 1, 2};
at::Tensor matrix() {
  return torch::tensor(
      {{9., 5., 4., 1., 1.},  // caption 0: its sibling 1 is first
       {5., 9., 6., 7., 1.},  // 1: 3, 2, then 0 -> rank 3
       {4., 6., 9., 6., 2.},  // 2: 1 and the sibling 3 are equal -> rank 2, stable rank 2 (1 is before)
       {6., 7., 6., 9., 2.},  // 3: 1, then 0 and the sibling 2 are equal -> rank 3, stable 3
       {1., 1., 2., 2., 9.}});
}

TEST(TextToText, RanksTheOtherCaptionsWithoutTheQuery) {
  ProtocolResult result = result_of({0, 0, 0, 0, 0});
  add_text_to_text(result, MatrixTiles(matrix().to(at::kFloat)), kImage, 1, /*bootstrap=*/true);
  EXPECT_DOUBLE_EQ(metric_value(result, "t2t/R@1"), 25);  // caption 0 of four queries
  EXPECT_DOUBLE_EQ(metric_value(result, "t2t/R@2"), 50);
  EXPECT_DOUBLE_EQ(metric_value(result, "t2t/meanr"), (1 + 3 + 2 + 3) / 4.);
  EXPECT_EQ(result.find("t2t/R@1")->gallery, 4);
  EXPECT_LE(result.find("t2t/R@1")->low, 25);
  EXPECT_GE(result.find("t2t/R@1")->high, 25);
  EXPECT_EQ(result.metrics[3].first, "rsum");  // what was there stays in its place
}

TEST(TextToText, KeepsToTheFoldsOfTheProtocol) {
  ProtocolResult result = result_of({0, 0, 1, 1, -1});
  add_text_to_text(result, MatrixTiles(matrix().to(at::kFloat)), kImage, 1, false);
  EXPECT_DOUBLE_EQ(metric_value(result, "t2t/R@1"), 100);  // the sibling is alone in the fold's gallery
  EXPECT_EQ(result.find("t2t/R@1")->gallery, 1);
  EXPECT_FALSE(result.find("t2t/R@2")->available);
  EXPECT_GT(result.find("t2t/R@1")->low, result.find("t2t/R@1")->high);  // no interval was asked for
}

TEST(TextToText, AgreesWithSortingOnRandomScores) {
  torch::manual_seed(5);
  const int64_t count = 700;  // more than one tile each way
  std::vector<int64_t> image;
  for (int64_t i = 0; i < count; ++i) image.push_back(i / 3);
  const at::Tensor scores = at::randn({count, count});
  ProtocolResult result = result_of(std::vector<int32_t>(static_cast<size_t>(count), 0));
  add_text_to_text(result, MatrixTiles(scores), image, 1, false);
  int64_t hits = 0;
  for (int64_t query = 0; query < count; ++query) {
    at::Tensor row = scores[query].clone();
    row[query] = -1e9;
    hits += image[static_cast<size_t>(row.argmax().item<int64_t>())] == image[static_cast<size_t>(query)];
  }
  // the last caption, number 699, is alone with its image
  EXPECT_NEAR(metric_value(result, "t2t/R@1"), 100. * static_cast<double>(hits) / (count - 1), 1e-9);
}

TEST(TextToText, NeedsSiblings) {
  ProtocolResult result = result_of({0, 0});
  EXPECT_THAT(
      [&] {
        add_text_to_text(result, MatrixTiles(at::ones({2, 2})), {0, 1}, 1, false);
      },
      ThrowsMessage<DataError>(HasSubstr("no image has two captions")));
  EXPECT_THROW(add_text_to_text(result, MatrixTiles(at::ones({2, 3})), {0, 1}, 1, false), ShapeError);
}

}  // namespace
}  // namespace diptych::testing

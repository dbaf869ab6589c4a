#include "diptych/report/embedding_map.h"

#include <gmock/gmock.h>

#include "unit/report/record_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;

/// Images and captions of pairs lie together.
EvaluationRecord paired(int64_t images) {
  torch::manual_seed(2);
  std::vector<int64_t> image_of_caption;
  for (int64_t i = 0; i < images; ++i) image_of_caption.insert(image_of_caption.end(), {i, i});
  EvaluationRecord record = record_of_scores(torch::rand({images, 2 * images}), image_of_caption);
  record.x_points = 3 * torch::randn({images, 6});
  record.y_points = record.x_points.repeat_interleave(2, 0) + 0.01 * torch::randn({2 * images, 6});
  return record;
}

TEST(EmbeddingMap, KeepsPairsTogether) {
  const EmbeddingMap map = embedding_map(paired(40));
  ASSERT_EQ(map.pairs.size(), 40u);
  double widest = 0, across = 0;
  for (const auto& pair : map.pairs) {
    widest = std::max(widest, std::hypot(pair.image_x - pair.caption_x, pair.image_y - pair.caption_y));
    across = std::max(across, std::hypot(pair.image_x - map.pairs[0].image_x, pair.image_y - map.pairs[0].image_y));
  }
  EXPECT_LT(widest, 0.2 * across);
  EXPECT_GT(map.trustworthiness, 0.85);
  EXPECT_THAT(map.description, HasSubstr("exact t-SNE, perplexity 26, "));  // 79 / 3
}

TEST(EmbeddingMap, PrincipalComponentsSayHowMuchTheyShow) {
  const EmbeddingMap map = embedding_map(paired(20), {.method = MapMethod::pca});
  EXPECT_THAT(map.description, HasSubstr("% of the variance"));
  EXPECT_NEAR(map.pairs[3].image_x, map.pairs[3].caption_x, 0.1);
}

TEST(EmbeddingMap, SamplesImagesInRowOrderWithTheirFirstCaption) {
  const EmbeddingMap map = embedding_map(paired(50), {.method = MapMethod::pca, .pairs = 20});
  ASSERT_EQ(map.pairs.size(), 20u);
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(map.pairs[i].caption, 2 * map.pairs[i].image);
    if (i > 0) {
      EXPECT_GT(map.pairs[i].image, map.pairs[i - 1].image);
    }
  }
  EXPECT_GT(map.pairs.back().image, 25);
}

TEST(EmbeddingMap, OfVeryFewPairsIsDefined) {
  for (const int64_t images : {1, 2, 3}) {
    for (const MapMethod method : {MapMethod::tsne, MapMethod::pca}) {
      const EmbeddingMap map = embedding_map(paired(images), {.method = method});
      EXPECT_EQ(map.pairs.size(), static_cast<size_t>(images));
      EXPECT_TRUE(std::isfinite(map.pairs[0].image_x + map.pairs[0].caption_y));
    }
  }
}

TEST(EmbeddingMap, PairsComposedQueriesWithTheirBestAnswer) {
  // Queries 0 and 1 start from image 0; the best answers of the four queries are the images 1, 2, 1 and 3.
  const at::Tensor scores =
      torch::tensor({{0.f, 0.f, 0.f, .2f}, {.9f, .1f, .9f, .1f}, {.5f, .8f, .2f, .0f}, {.1f, .1f, .3f, .7f}});
  const EvaluationRecord record = composed_record_of_scores(scores, {0, 1, 1, 2}, {0, 0, 3, 2}, {1, 1, 1, 2});
  const EmbeddingMap map = embedding_map(record, {.method = MapMethod::pca});
  ASSERT_EQ(map.pairs.size(), 2u);  // one query a source, and every answer once
  EXPECT_EQ(map.pairs[0].image, 1);
  EXPECT_EQ(map.pairs[0].caption, 0);
  EXPECT_EQ(map.pairs[1].image, 3);
  EXPECT_EQ(map.pairs[1].caption, 3);
}

}  // namespace
}  // namespace diptych::testing

#include "train/scorer_tiles.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>

#include "model/artemis.h"
#include "support/tensor_near.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr int64_t kWidth = 3;

at::Tensor waves(int64_t rows, int64_t columns, double step) {
  return (step * at::arange(rows * columns, at::kFloat)).sin().view({rows, columns});
}
at::Tensor wave_images(int64_t count) { return waves(count, kWidth, 0.7); }
at::Tensor wave_queries(int64_t count) {
  at::Tensor out = waves(count, 4 * kWidth, 0.37);
  for (const int64_t part : {1, 3}) out.slice(1, part * kWidth, (part + 1) * kWidth).square_();  // weights
  return out;
}

class ScorerTilesTest : public ::testing::Test {
 protected:
  ArtemisScorer scorer_{{}, ScorerContext{kWidth, 1, 1}};
};

TEST_F(ScorerTilesTest, HoldTheScoresOfAllPairs) {
  const at::Tensor x = wave_images(300), y = wave_queries(1100);  // two tiles either way
  const auto tiles = scorer_tiles(scorer_, at::kCPU, x, y);
  EXPECT_EQ(tiles->rows(), 300);
  EXPECT_EQ(tiles->cols(), 1100);
  EXPECT_THAT(all_scores(*tiles), TensorNear(scorer_.forward(x, y).detach(), 1e-4, 1e-3));
  EXPECT_FALSE(tiles->tile(256, 1024, 44, 76).requires_grad());
}

TEST_F(ScorerTilesTest, EqualRowsHaveEqualScoresWhereverTheyStand) {
  at::Tensor x = wave_images(300), y = wave_queries(1100);
  x[299] = x[0].clone(), y[1099] = y[0].clone();
  const at::Tensor scores = all_scores(*scorer_tiles(scorer_, at::kCPU, x, y));
  EXPECT_TRUE(scores[299].equal(scores[0]));
  EXPECT_TRUE(scores.select(1, 1099).equal(scores.select(1, 0)));
}

TEST_F(ScorerTilesTest, TopScoredAreTheFirstOfASort) {
  const at::Tensor x = wave_images(5000), y = wave_queries(3);  // two blocks of the gallery
  const at::NoGradGuard no_grad;
  const at::Tensor scores = scorer_.forward(y, x);
  const auto best = top_scored(scorer_, at::kCPU, y, x, 4);
  ASSERT_EQ(best.size(), 3u);
  for (int64_t q = 0; q < 3; ++q) {
    const auto& list = best[static_cast<size_t>(q)];
    ASSERT_EQ(list.size(), 4u);
    const at::Tensor sorted = std::get<0>(scores[q].sort(/*dim=*/0, /*descending=*/true));
    for (size_t i = 0; i < list.size(); ++i) {
      EXPECT_NEAR(list[i].score, sorted[static_cast<int64_t>(i)].item<float>(), 1e-3);
      EXPECT_NEAR(list[i].score, scores[q][list[i].index].item<float>(), 1e-3);
      if (i > 0) {
        EXPECT_TRUE(list[i - 1].before(list[i]));
      }
    }
  }
  EXPECT_EQ(top_scored(scorer_, at::kCPU, y, wave_images(2), 4)[0].size(), 2u);
}

TEST_F(ScorerTilesTest, RowsThatAreNotFiniteAreRefused) {
  at::Tensor x = wave_images(3), y = wave_queries(2);
  x[1][0] = std::nanf("");
  EXPECT_THAT([&] { scorer_tiles(scorer_, at::kCPU, x, y); },
              ThrowsMessage<NumericError>(HasSubstr("embeddings of x")));
  EXPECT_THAT([&] { top_scored(scorer_, at::kCPU, y, x, 1); }, ThrowsMessage<NumericError>(HasSubstr("the gallery")));
}

}  // namespace
}  // namespace diptych::testing

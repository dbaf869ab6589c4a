#include "train/shortlist.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <algorithm>
#include <set>

#include "support/tensor_near.h"

namespace diptych::testing {
namespace {

using ::testing::ElementsAre;

at::Tensor fast_scores() { return torch::tensor({{.9f, .1f, .2f, .3f}, {.2f, .8f, .7f, .1f}, {.3f, .4f, .6f, .5f}}); }

TEST(Shortlist, HoldsTheBestOfEveryRowAndEveryColumn) {
  const auto cells = shortlisted_cells(*matrix_tiles(fast_scores()), 1);
  using Cell = std::pair<int64_t, int64_t>;
  // best of the rows: (0,0), (1,1), (2,2); of the columns: (0,0), (1,1), (1,2), (2,3)
  EXPECT_THAT(cells, ElementsAre(Cell(0, 0), Cell(1, 1), Cell(1, 2), Cell(2, 2), Cell(2, 3)));
  EXPECT_EQ(shortlisted_cells(*matrix_tiles(fast_scores()), 100).size(), 12u) << "more than there are: all of them";
}

TEST(Shortlist, StaysWithinTheFolds) {
  const auto cells = shortlisted_cells(*matrix_tiles(fast_scores()), 1, {0, 0, 1}, {0, 1, 1, -1});
  using Cell = std::pair<int64_t, int64_t>;
  EXPECT_THAT(cells, ElementsAre(Cell(0, 0), Cell(1, 0), Cell(2, 1), Cell(2, 2)));
}

TEST(Shortlist, ChosenCellsRankAboveAllOthersInTheOrderOfTheirPairScores) {
  torch::manual_seed(3);
  const at::Tensor fast = at::randn({30, 50}), pair = at::randn({30, 50}) * 7 - 20;  // far below the fast ones
  const auto cells = shortlisted_cells(*matrix_tiles(fast), 4);
  std::vector<float> chosen;
  for (const auto& [i, j] : cells) chosen.push_back(pair[i][j].item<float>());
  const at::Tensor out = reranked(*matrix_tiles(fast), cells, torch::tensor(chosen));
  const std::set<std::pair<int64_t, int64_t>> set(cells.begin(), cells.end());
  const auto key = [&](int64_t i, int64_t j) {  // what the order has to be: storey, then score
    const bool in = set.contains({i, j});
    return std::pair(in, in ? pair[i][j].item<float>() : fast[i][j].item<float>());
  };
  for (int64_t i = 0; i < 30; ++i)
    for (int64_t j = 1; j < 50; ++j)
      EXPECT_EQ(out[i][j - 1].item<float>() < out[i][j].item<float>(), key(i, j - 1) < key(i, j)) << i << " " << j;
}

TEST(Shortlist, ScoresThatLieAboveAlreadyStayAsTheyAre) {
  const at::Tensor out = reranked(*matrix_tiles(fast_scores()), {{0, 1}, {2, 0}}, torch::tensor({5.f, 7.f}));
  EXPECT_EQ(out[0][1].item<float>(), 5);
  EXPECT_EQ(out[2][0].item<float>(), 7);
  EXPECT_EQ(out[0][0].item<float>(), .9f);
}

// 1e-7 apart near zero, which is less than one float apart near one.
TEST(Shortlist, RaisingNeitherJoinsScoresNorPartsEqualOnes) {
  const at::Tensor pair = torch::tensor({0.f, 1e-9f, 1e-9f, -1e-9f});
  const at::Tensor out = reranked(*matrix_tiles(fast_scores()), {{0, 0}, {0, 1}, {0, 2}, {0, 3}}, pair);
  const auto at = [&](int64_t j) { return out[0][j].item<float>(); };
  EXPECT_GT(at(3), .9f);
  EXPECT_LT(at(3), at(0));
  EXPECT_LT(at(0), at(1));
  EXPECT_EQ(at(1), at(2));
}

TEST(Shortlist, ScoresThatAreNotFiniteOrDoNotFitAreRefused) {
  const auto tiles = matrix_tiles(fast_scores());
  EXPECT_THROW(reranked(*tiles, {{0, 0}}, torch::tensor({std::nanf("")})), NumericError);
  EXPECT_THROW(reranked(*tiles, {{0, 0}}, at::zeros({2})), ShapeError);
  EXPECT_THAT(reranked(*tiles, {}, at::zeros({0})), TensorNear(fast_scores(), 0, 0));
}

}  // namespace
}  // namespace diptych::testing

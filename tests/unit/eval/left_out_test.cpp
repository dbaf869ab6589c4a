#include "diptych/eval/left_out.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/eval/top_k.h"
#include "support/tensor_near.h"
#include "unit/eval/matrix_tiles.h"

namespace diptych::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<int64_t> list_of(const IndexLists& lists, int64_t query) {
  return {lists[query].begin(), lists[query].end()};
}

TEST(LeftOutRows, AreTheOwnImageWhereAllAreRanked) {
  const IndexLists lists = left_out_rows({2, 0}, {5, 5, 5}, {});
  EXPECT_THAT(list_of(lists, 0), ElementsAre(2));
  EXPECT_THAT(list_of(lists, 1), ElementsAre(0));
  EXPECT_THAT(list_of(left_out_rows({1}, {5, 5, 5}, {true, true, true}), 0), ElementsAre(1));
}

TEST(LeftOutRows, AreAlsoTheRankedImagesThatShowWhatAnUnrankedSourceShows) {
  // Rows 0 to 3 are ranked; row 4 is another drawing of scene 7, row 5 of a scene that nothing else shows.
  const std::vector<bool> ranked{true, true, true, true, false, false};
  const IndexLists lists = left_out_rows({4, 5, 0}, {7, 8, 7, 9, 7, 6}, ranked);
  EXPECT_THAT(list_of(lists, 0), ElementsAre(0, 2, 4));
  EXPECT_THAT(list_of(lists, 1), ElementsAre(5));
  EXPECT_THAT(list_of(lists, 2), ElementsAre(0));  // a ranked source leaves out itself only
}

TEST(LeftOutRows, RefuseListsThatDoNotFit) {
  EXPECT_THROW(left_out_rows({0}, {1, 2}, {true}), ShapeError);
  EXPECT_THROW(left_out_rows({2}, {1, 2}, {true, false}), ShapeError);
}

TEST(WithoutRows, KeepsTheBitsOfAllOtherScores) {
  const at::Tensor scores = normal_rows(300, 1100, 3);
  const MatrixTiles tiles(scores);
  std::vector<int64_t> source;
  for (int64_t q = 0; q < 1100; ++q) source.push_back(q * 7 % 300);
  const auto without = without_own(tiles, source, {}, {});
  at::Tensor expected = scores.clone();
  for (int64_t q = 0; q < 1100; ++q) expected[source[static_cast<size_t>(q)]][q] = ScoreTiles::kLeftOut;
  for (const int64_t row : {0, 256})
    for (const int64_t col : {0, 1024}) {
      const int64_t rows = std::min<int64_t>(256, 300 - row), cols = std::min<int64_t>(1024, 1100 - col);
      EXPECT_TRUE(without->tile(row, col, rows, cols).equal(expected.narrow(0, row, rows).narrow(1, col, cols)));
    }
  EXPECT_TRUE(tiles.scores().equal(scores)) << "the source is unchanged";
}

TEST(WithoutRows, LeavesASourceAloneThatHandsOutItsMemory) {
  const at::Tensor scores = torch::tensor({{0.9f, 0.1f}, {0.2f, 0.8f}});
  const auto tiles = matrix_tiles(scores);
  const auto without = without_own(*tiles, {0, 1}, {}, {});
  EXPECT_EQ(without->tile(0, 0, 2, 2)[0][0].item<float>(), ScoreTiles::kLeftOut);
  EXPECT_EQ(tiles->tile(0, 0, 2, 2)[0][0].item<float>(), 0.9f);
}

TEST(WithoutRows, AreInNoListOfTheBestHoweverShortItGets) {
  const MatrixTiles tiles(torch::tensor({{0.9f, 0.1f}, {0.2f, 0.8f}, {0.5f, 0.3f}}));
  const auto without = without_own(tiles, {0, 1}, {}, {});
  const TopLists lists = top_lists(*without, 10);
  EXPECT_THAT(lists.rows_of_col[0], ElementsAre(Scored{2, 0.5f}, Scored{1, 0.2f}));
  EXPECT_THAT(lists.rows_of_col[1], ElementsAre(Scored{2, 0.3f}, Scored{0, 0.1f}));
  EXPECT_THAT(lists.cols_of_row[0], ElementsAre(Scored{1, 0.1f}));
  const MatrixTiles only(torch::tensor({{1.f}}));
  EXPECT_THAT(top_lists(*without_own(only, {0}, {}, {}), 3).rows_of_col[0], IsEmpty());
}

TEST(WithoutRows, RefusesListsThatAreNoRows) {
  const MatrixTiles tiles(at::eye(3));
  IndexLists lists;
  lists.add(std::vector<int64_t>{0});
  EXPECT_THROW(without_rows(tiles, lists), ShapeError);  // one list for three columns
  lists.add(std::vector<int64_t>{2, 1}), lists.add({});
  EXPECT_THROW(without_rows(tiles, lists), ShapeError);
  EXPECT_THROW(without_own(tiles, {0, 1, 3}, {}, {}), ShapeError);
}

}  // namespace
}  // namespace diptych::testing

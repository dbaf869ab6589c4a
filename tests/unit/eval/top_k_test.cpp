#include "diptych/eval/top_k.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/error.h"
#include "unit/eval/matrix_tiles.h"

namespace diptych::testing {
namespace {

using ::testing::ElementsAre;

std::vector<Scored> sorted_list(const at::Tensor& scores, int64_t k) {
  std::vector<Scored> all;
  for (int64_t i = 0; i < scores.numel(); ++i) all.push_back({i, scores[i].item<float>()});
  std::ranges::stable_sort(all, [](const Scored& a, const Scored& b) { return a.score > b.score; });
  all.resize(static_cast<size_t>(std::min<int64_t>(k, scores.numel())));
  return all;
}

TEST(TopK, KeepsTheBestInWhateverOrderTheyCome) {
  TopK list(3);
  for (const Scored& item :
       {Scored{4, 1.f}, Scored{0, 3.f}, Scored{3, 1.f}, Scored{1, 2.f}, Scored{2, 1.f}, Scored{5, 0.f}})
    list.offer(item);
  EXPECT_THAT(list.items(), ElementsAre(Scored{0, 3.f}, Scored{1, 2.f}, Scored{2, 1.f}));
  EXPECT_EQ(list.threshold(), 1.f);
}

TEST(TopLists, EqualAStableSortInBothDirections) {
  const ThreadCount threads(3);
  for (const uint64_t levels : {1, 3, 50}) {
    const at::Tensor scores = tied_scores(520, 1100, levels, levels);
    const MatrixTiles tiles(scores);
    const TopLists lists = top_lists(tiles, 10);
    ASSERT_EQ(lists.cols_of_row.size(), 520u);
    ASSERT_EQ(lists.rows_of_col.size(), 1100u);
    for (const int64_t i : {0, 255, 256, 519})
      EXPECT_EQ(lists.cols_of_row[static_cast<size_t>(i)], sorted_list(scores[i], 10)) << i;
    for (const int64_t j : {0, 1023, 1024, 1099})
      EXPECT_EQ(lists.rows_of_col[static_cast<size_t>(j)], sorted_list(scores.select(1, j), 10)) << j;
  }
}

// N21: ATen's topk answers 0, 0 and 3 for k = 1, 2 and 5 on such a row.
TEST(TopLists, AConstantRowIsListedInAscendingOrderForEveryK) {
  const MatrixTiles tiles(at::full({1, 5000}, 0.25));
  for (const int64_t k : {1, 2, 5, 10, 50, 100}) {
    const TopLists lists = top_lists(tiles, k);
    for (int64_t i = 0; i < k; ++i) EXPECT_EQ(lists.cols_of_row[0][static_cast<size_t>(i)], (Scored{i, 0.25f}));
  }
}

TEST(TopLists, AreShortWhenTheGalleryIs) {
  const MatrixTiles tiles(torch::tensor({{0.1, 0.9}}));
  const TopLists lists = top_lists(tiles, 10);
  EXPECT_THAT(lists.cols_of_row[0], ElementsAre(Scored{1, 0.9f}, Scored{0, 0.1f}));
  EXPECT_THAT(lists.rows_of_col[0], ElementsAre(Scored{0, 0.1f}));
  EXPECT_THROW(top_lists(tiles, 0), UsageError);
}

TEST(TopLists, StayWithinTheirBlocks) {
  const MatrixTiles tiles(torch::tensor({{0.1, 0.9, 0.8}, {0.3, 0.2, 0.7}}));
  const TopLists lists = top_lists(tiles, 2, {0, -1}, {0, 1, 0});
  EXPECT_THAT(lists.cols_of_row[0], ElementsAre(Scored{2, 0.8f}, Scored{0, 0.1f}));
  EXPECT_TRUE(lists.cols_of_row[1].empty());
  EXPECT_THAT(lists.rows_of_col[2], ElementsAre(Scored{0, 0.8f}));
  EXPECT_TRUE(lists.rows_of_col[1].empty());
  EXPECT_THROW(top_lists(tiles, 2, {0}, {0, 0, 0}), ShapeError);
}

}  // namespace
}  // namespace diptych::testing

#include "diptych/eval/nearest.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <limits>

#include "diptych/core/error.h"

namespace diptych::testing {
namespace {

TEST(TopRows, AgreesWithSortingTheWholeMatrix) {
  torch::manual_seed(3);
  const at::Tensor queries = at::randn({300, 16}), gallery = at::randn({2500, 16});
  const auto lists = top_rows(queries, gallery, 7);
  const at::Tensor scores = queries.mm(gallery.t());
  for (const int64_t q : {0, 17, 255, 256, 299}) {
    std::vector<Scored> expected;
    for (int64_t i = 0; i < 2500; ++i) expected.push_back({i, scores[q][i].item<float>()});
    std::ranges::stable_sort(expected, [](const Scored& a, const Scored& b) { return a.score > b.score; });
    ASSERT_EQ(lists[static_cast<size_t>(q)].size(), 7u);
    for (size_t i = 0; i < 7; ++i) {
      EXPECT_EQ(lists[static_cast<size_t>(q)][i].index, expected[i].index) << q;
      EXPECT_NEAR(lists[static_cast<size_t>(q)][i].score, expected[i].score, 1e-5);
    }
  }
}

TEST(TopRows, EqualItemsGoByIndexWhereverTheyStand) {
  torch::manual_seed(4);
  at::Tensor gallery = 0.1 * at::randn({1500, 24});
  const at::Tensor query = at::randn({1, 24});
  for (const int64_t row : {3, 1023, 1024, 1499}) gallery[row].copy_(query[0]);
  const auto list = top_rows(query, gallery, 4)[0];
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(list[i].index, (std::array<int64_t, 4>{3, 1023, 1024, 1499})[i]);
  EXPECT_EQ(list[0].score, list[3].score);
}

TEST(TopRows, ClipsKAndNamesMistakes) {
  const at::Tensor two = at::eye(2);
  EXPECT_EQ(top_rows(two, two, 50)[1].size(), 2u);
  EXPECT_THROW(top_rows(two, two, 0), UsageError);
  EXPECT_THROW(top_rows(two, at::eye(3), 1), ShapeError);
  EXPECT_THROW(top_rows(two, at::full({2, 2}, std::numeric_limits<float>::quiet_NaN()), 1), NumericError);
}

}  // namespace
}  // namespace diptych::testing

#include "diptych/eval/ranks.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <numeric>

#include "diptych/core/error.h"
#include "diptych/eval/top_k.h"
#include "unit/eval/matrix_tiles.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr float kInfinite = std::numeric_limits<float>::infinity();

/// Random relevance: each row has 0 to 4 relevant columns.
struct Relevance {
  IndexLists cols_of_row, rows_of_col;
  std::vector<std::vector<bool>> matrix;
};
Relevance random_relevance(int64_t rows, int64_t cols, uint64_t seed) {
  Relevance out;
  out.matrix.assign(static_cast<size_t>(rows), std::vector<bool>(static_cast<size_t>(cols)));
  Random random(seed, {19});
  for (auto& row : out.matrix)
    for (uint64_t n = random.below(5); n > 0; --n) row[random.below(static_cast<uint64_t>(cols))] = true;
  for (int64_t i = 0; i < rows; ++i) {
    std::vector<int64_t> list;
    for (int64_t j = 0; j < cols; ++j)
      if (out.matrix[static_cast<size_t>(i)][static_cast<size_t>(j)]) list.push_back(j);
    out.cols_of_row.add(list);
  }
  for (int64_t j = 0; j < cols; ++j) {
    std::vector<int64_t> list;
    for (int64_t i = 0; i < rows; ++i)
      if (out.matrix[static_cast<size_t>(i)][static_cast<size_t>(j)]) list.push_back(i);
    out.rows_of_col.add(list);
  }
  return out;
}

std::vector<int32_t> concatenated(const std::vector<std::vector<int32_t>>& lists) {
  std::vector<int32_t> out;
  for (const auto& list : lists) out.insert(out.end(), list.begin(), list.end());
  return out;
}

/// Compares with sorting, for both directions and both tie rules; blocks as in RankRequest.
void expect_equal_to_sorting(const at::Tensor& scores, const Relevance& relevance, const RankTable& table, bool all,
                             const std::vector<int32_t>& row_block, const std::vector<int32_t>& col_block) {
  for (const bool rows : {true, false}) {
    const at::Tensor s = (rows ? scores : scores.t()).contiguous();
    const auto& query_block = rows ? row_block : col_block;
    const auto& item_block = rows ? col_block : row_block;
    const QueryRanks& ranks = rows ? table.rows : table.cols;
    std::vector<std::vector<int32_t>> pessimistic, stable;
    std::vector<int32_t> first, first_stable, first_tied;
    std::vector<int64_t> query;
    int64_t skipped = 0;
    for (int64_t q = 0; q < s.size(0); ++q) {
      if (query_block[static_cast<size_t>(q)] < 0) continue;
      std::vector<float> values;
      std::vector<bool> relevant;
      for (int64_t item = 0; item < s.size(1); ++item) {
        if (item_block[static_cast<size_t>(item)] != query_block[static_cast<size_t>(q)]) continue;
        values.push_back(s.const_data_ptr<float>()[q * s.size(1) + item]);
        relevant.push_back(rows ? relevance.matrix[static_cast<size_t>(q)][static_cast<size_t>(item)]
                                : relevance.matrix[static_cast<size_t>(item)][static_cast<size_t>(q)]);
      }
      const auto p = sorted_ranks(values, relevant, false), t = sorted_ranks(values, relevant, true);
      if (p.empty()) {
        ++skipped;
        continue;
      }
      query.push_back(q), pessimistic.push_back(p), stable.push_back(t);
      first.push_back(p.front()), first_stable.push_back(t.front());
      float best = -kInfinite;
      for (size_t i = 0; i < values.size(); ++i)
        if (relevant[i]) best = std::max(best, values[i]);
      first_tied.push_back(0);
      for (size_t i = 0; i < values.size(); ++i) first_tied.back() += !relevant[i] && values[i] == best;
    }
    SCOPED_TRACE(rows ? "rows" : "columns");
    EXPECT_EQ(ranks.query, query);
    EXPECT_EQ(ranks.skipped, skipped);
    EXPECT_EQ(ranks.first, first);
    EXPECT_EQ(ranks.first_stable, first_stable);
    EXPECT_EQ(ranks.first_tied, first_tied);
    if (!all) {
      EXPECT_TRUE(ranks.positives.empty());
      continue;
    }
    EXPECT_EQ(ranks.positives, concatenated(pessimistic));
    EXPECT_EQ(ranks.positives_stable, concatenated(stable));
    ASSERT_EQ(ranks.offsets.size(), query.size() + 1);
    for (size_t q = 0; q < query.size(); ++q)
      EXPECT_EQ(ranks.offsets[q + 1] - ranks.offsets[q], static_cast<int32_t>(pessimistic[q].size()));
    ASSERT_EQ(ranks.positive_items.size(), ranks.positives.size());
    for (size_t q = 0; q < query.size(); ++q)
      for (auto i = static_cast<size_t>(ranks.offsets[q]); i < static_cast<size_t>(ranks.offsets[q + 1]); ++i) {
        const auto item = static_cast<size_t>(ranks.positive_items[i]), of = static_cast<size_t>(query[q]);
        EXPECT_TRUE(rows ? relevance.matrix[of][item] : relevance.matrix[item][of]);
        EXPECT_EQ(ranks.positive_scores[i], s.const_data_ptr<float>()[query[q] * s.size(1) + ranks.positive_items[i]]);
        if (i == static_cast<size_t>(ranks.offsets[q])) continue;  // best score first, of equal ones the lower index
        EXPECT_TRUE((Scored{ranks.positive_items[i - 1], ranks.positive_scores[i - 1]}.before(
            {ranks.positive_items[i], ranks.positive_scores[i]})));
      }
  }
}

std::vector<int32_t> random_blocks(int64_t count, uint64_t seed) {
  std::vector<int32_t> out;
  Random random(seed, {20});
  for (int64_t i = 0; i < count; ++i) out.push_back(static_cast<int32_t>(random.below(4)) - 1);
  return out;
}

struct Shape {
  int64_t rows, cols;
};
class RankByCounting : public ::testing::TestWithParam<Shape> {};

TEST_P(RankByCounting, EqualsSortingForManyTiesBothRulesBothDirections) {
  const ThreadCount threads(3);
  const auto [rows, cols] = GetParam();
  const std::vector<int32_t> row_zero(static_cast<size_t>(rows)), col_zero(static_cast<size_t>(cols));
  for (const uint64_t levels : {1, 2, 7, 1000}) {
    const at::Tensor scores = tied_scores(rows, cols, levels, levels);
    const Relevance relevance = random_relevance(rows, cols, levels + 5);
    for (const bool all : {false, true})
      for (const bool concurrent : {false, true}) {
        SCOPED_TRACE(::testing::Message() << levels << " levels, all " << all << ", concurrent " << concurrent);
        const MatrixTiles tiles(scores, concurrent);
        const RankTable table = rank_by_counting({&tiles, relevance.cols_of_row, relevance.rows_of_col, {}, {}, all});
        expect_equal_to_sorting(scores, relevance, table, all, row_zero, col_zero);
      }
  }
}

TEST_P(RankByCounting, EqualsSortingWithinScatteredBlocks) {
  const ThreadCount threads(2);
  const auto [rows, cols] = GetParam();
  const at::Tensor scores = tied_scores(rows, cols, 9, 3);
  const Relevance relevance = random_relevance(rows, cols, 4);
  const auto row_block = random_blocks(rows, 1), col_block = random_blocks(cols, 2);
  const MatrixTiles tiles(scores);
  const RankTable table =
      rank_by_counting({&tiles, relevance.cols_of_row, relevance.rows_of_col, row_block, col_block, true});
  expect_equal_to_sorting(scores, relevance, table, true, row_block, col_block);
}

INSTANTIATE_TEST_SUITE_P(Shapes, RankByCounting,
                         ::testing::Values(Shape{1, 1}, Shape{3, 7}, Shape{37, 90}, Shape{256, 1024}, Shape{257, 1025},
                                           Shape{600, 40}, Shape{40, 2100}),
                         [](const auto& p) {
                           return std::to_string(p.param.rows) + "x" + std::to_string(p.param.cols);
                         });

TEST(RankRequest, ADirectionWithoutListsIsNotRanked) {
  const MatrixTiles tiles(torch::tensor({{0.5, 0.2}, {0.6, 0.9}}));
  const RankTable table = rank_by_counting({&tiles, {}, equal_values({0, 1}, {0, 1}), {}, {}, false});
  EXPECT_TRUE(table.rows.first.empty());
  EXPECT_EQ(table.rows.skipped, 0);
  EXPECT_THAT(table.cols.first, ElementsAre(2, 1));
}

TEST(RankRequest, LeftOutItemsAreNeitherQueriesNorRivals) {
  // Column 1 would beat column 0 in row 0. Row 1 is left out, so column 2 has nothing relevant.
  const MatrixTiles tiles(torch::tensor({{0.5, 0.9, 0.1}, {0.3, 0.3, 0.8}}));
  const RankTable table = rank_by_counting(
      {&tiles, equal_values({0, 1}, {0, 5, 1}), equal_values({0, 5, 1}, {0, 1}), {0, -1}, {0, -1, 0}, true});
  EXPECT_THAT(table.rows.query, ElementsAre(0));
  EXPECT_THAT(table.rows.first, ElementsAre(1));
  EXPECT_EQ(table.rows.skipped, 0);
  EXPECT_THAT(table.cols.query, ElementsAre(0));
  EXPECT_EQ(table.cols.skipped, 1);
}

TEST(RankRequest, ScoreRangeCoversOnlyWhatTakesPart) {
  const MatrixTiles tiles(torch::tensor({{-0.5, 2.0}, {0.25, 0.125}}));
  const IndexLists lists = equal_values({0, 1}, {0, 1});
  const RankTable all = rank_by_counting({&tiles, lists, lists, {}, {}, false});
  EXPECT_EQ(all.lowest, -0.5f);
  EXPECT_EQ(all.highest, 2.0f);
  const RankTable diagonal = rank_by_counting({&tiles, lists, lists, {0, 1}, {0, 1}, false});
  EXPECT_EQ(diagonal.lowest, -0.5f);
  EXPECT_EQ(diagonal.highest, 0.125f);
}

TEST(RankRequest, NegativeZeroEqualsZero) {
  const MatrixTiles tiles(torch::tensor({{0.0, -0.0}, {-0.0, 0.0}}));
  const IndexLists lists = equal_values({0, 1}, {0, 1});
  const RankTable table = rank_by_counting({&tiles, lists, lists, {}, {}, false});
  EXPECT_EQ(table.lowest, table.highest);
  EXPECT_THAT(table.rows.first, ElementsAre(2, 2));
  EXPECT_THAT(table.rows.first_stable, ElementsAre(1, 2));
}

TEST(RankRequest, NonFiniteScoresAreRefusedWithTheirPlace) {
  const IndexLists lists = equal_values({0, 1}, {0, 1});
  for (const float bad : {std::nanf(""), -std::nanf(""), kInfinite, -kInfinite})
    for (const int64_t col : {0, 1}) {  // in a relevant pair, and in a rival
      at::Tensor scores = torch::tensor({{0.1f, 0.2f}, {0.3f, 0.4f}});
      scores[1][col] = bad;
      const MatrixTiles tiles(scores);
      try {
        rank_by_counting({&tiles, lists, lists, {}, {}, false});
        FAIL() << bad << " was accepted";
      } catch (const NumericError& error) {
        EXPECT_THAT(error.what(),
                    AllOf(HasSubstr("row 1"), HasSubstr("column " + std::to_string(col)), HasSubstr("not finite")));
        EXPECT_EQ(error.exit_code(), 6);
      }
    }
}

/// Gives other bits at every second look at the same tile.
class FickleTiles final : public ScoreTiles {
 public:
  int64_t rows() const override { return 2; }
  int64_t cols() const override { return 2; }
  at::Tensor tile(int64_t, int64_t, int64_t, int64_t) const override {
    return torch::tensor({{0.5f, 0.1f}, {0.1f, looks_++ % 2 ? 0.7f : std::nextafter(0.7f, 1.0f)}});
  }

 private:
  mutable int looks_ = 0;
};

TEST(RankRequest, ATileThatChangesItsBitsIsABug) {
  const FickleTiles tiles;
  const IndexLists lists = equal_values({0, 1}, {0, 1});
  try {
    rank_by_counting({&tiles, lists, lists, {}, {}, false});
    FAIL() << "changed bits were not noticed";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("row 1, column 1"), HasSubstr("changed its bits")));
    EXPECT_EQ(error.exit_code(), 1);
  }
}

TEST(RankRequest, ListsAndBlocksMustFitTheScores) {
  const MatrixTiles tiles(at::zeros({2, 3}));
  const IndexLists rows = equal_values({0, 1}, {0, 1, 1}), cols = equal_values({0, 1, 1}, {0, 1});
  EXPECT_THROW(rank_by_counting({&tiles, cols, {}, {}, {}, false}), ShapeError);
  EXPECT_THROW(rank_by_counting({&tiles, rows, rows, {}, {}, false}), ShapeError);
  EXPECT_THROW(rank_by_counting({&tiles, rows, cols, {0}, {}, false}), ShapeError);
  IndexLists outside;
  outside.add(std::vector<int64_t>{3}), outside.add({});
  EXPECT_THROW(rank_by_counting({&tiles, outside, {}, {}, {}, false}), ShapeError);
  IndexLists descending;
  descending.add(std::vector<int64_t>{1, 0}), descending.add({});
  EXPECT_THROW(rank_by_counting({&tiles, descending, {}, {}, {}, false}), ShapeError);
}

TEST(EqualValues, ListsThePlacesOfEachValueInAscendingOrder) {
  const IndexLists lists = equal_values({7, 5, 9, 7}, {7, 5, 7});
  ASSERT_EQ(lists.size(), 4);
  EXPECT_THAT(lists[0], ElementsAre(0, 2));
  EXPECT_THAT(lists[1], ElementsAre(1));
  EXPECT_THAT(lists[2], ElementsAre());
  EXPECT_THAT(lists[3], ElementsAre(0, 2));
}

}  // namespace
}  // namespace diptych::testing

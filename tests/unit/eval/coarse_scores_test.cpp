#include "eval/coarse_scores.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <bit>
#include <cmath>
#include <limits>

#include "diptych/eval/ranks.h"
#include "eval/coarse_counting.h"
#include "eval/count_kernels.h"
#include "unit/eval/matrix_tiles.h"

namespace diptych::testing {
namespace {

float value_of_bits(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

/// Scores in float64, one after the other, rounded: what fine scores must be but for the order of summation.
at::Tensor scores_in_double(const at::Tensor& x, const at::Tensor& y) {
  return at::mm(x.to(at::kDouble), y.to(at::kDouble).t()).to(at::kFloat);
}

/// Embeddings of which `copies` rows of y repeat others exactly, so that some scores tie.
struct Embeddings {
  at::Tensor x, y;
  std::vector<int64_t> x_label, y_label;
};
Embeddings embeddings(int64_t images, int64_t per_image, int64_t dimension, double noise) {
  Embeddings out;
  out.x = normal_rows(images, dimension, 1);
  const at::Tensor y = out.x.repeat_interleave(per_image, 0) + noise * normal_rows(images * per_image, dimension, 2);
  out.y = (y / y.norm(2, {1}, true)).contiguous();
  for (int64_t i = 0; i + 7 < out.y.size(0); i += 11) out.y[i + 7].copy_(out.y[i]);
  for (int64_t i = 0; i + 5 < out.x.size(0); i += 13) out.x[i + 5].copy_(out.x[i]);
  for (int64_t i = 0; i < images; ++i) {
    out.x_label.push_back(i);
    out.y_label.insert(out.y_label.end(), static_cast<size_t>(per_image), i);
  }
  return out;
}

void expect_equal(const QueryRanks& a, const QueryRanks& b) {
  EXPECT_EQ(a.query, b.query);
  EXPECT_EQ(a.first, b.first);
  EXPECT_EQ(a.first_stable, b.first_stable);
  EXPECT_EQ(a.first_tied, b.first_tied);
  EXPECT_EQ(a.positives, b.positives);
  EXPECT_EQ(a.positives_stable, b.positives_stable);
  EXPECT_EQ(a.positive_items, b.positive_items);
  EXPECT_EQ(a.positive_scores, b.positive_scores);
}

TEST(CoarseBounds, HoldForEveryBf16Number) {
  Random random(3, {1});
  for (const double slack : {0.0, 1e-30, 1e-6, 0.003, 0.5})
    for (int n = 0; n < 40; ++n) {
      const auto threshold = n < 2 ? (n ? -0.0f : 0.0f) : static_cast<float>(random.normal() * (n % 2 ? 1 : 1e-4));
      const CoarseBounds bounds = coarse_bounds(threshold, slack);
      for (uint32_t bits = 0; bits < 0x10000; ++bits) {
        const float value = value_of_bits(static_cast<uint16_t>(bits));
        if (!std::isfinite(value)) continue;
        const CoarseKey key = coarse_key(static_cast<uint16_t>(bits));
        // A sum that rounds to `value` lies between its two neighbours' midpoints, so the order of bfloat16 decides.
        ASSERT_TRUE(key >= bounds.low || value < threshold - slack) << value << " " << threshold << " " << slack;
        ASSERT_TRUE(key <= bounds.high || value > threshold + slack) << value << " " << threshold << " " << slack;
        const double step = std::abs(value) / 64 + 1e-37;  // not wider than it must be: a step of bfloat16
        ASSERT_TRUE(value >= threshold - slack - step || key < bounds.low) << value << " " << threshold << " " << slack;
        ASSERT_TRUE(value <= threshold + slack + step || key > bounds.high)
            << value << " " << threshold << " " << slack;
      }
    }
}

TEST(CoarseKernels, CountAndFindDoubts) {
  Random random(4, {1});
  for (const int64_t count : {1, 31, 32, 33, 1024, 1000}) {
    std::vector<uint16_t> bits;
    std::vector<CoarseKey> keys(static_cast<size_t>(count)), low, high;
    for (int64_t j = 0; j < count; ++j) {
      bits.push_back(static_cast<uint16_t>(random.below(2) * 0x8000 + 0x3f00 + random.below(64)));
      low.push_back(coarse_key(static_cast<uint16_t>(0x3f00 + random.below(64))));
      high.push_back(static_cast<CoarseKey>(low.back() + static_cast<CoarseKey>(random.below(9))));
    }
    CoarseRange range;
    coarse_keys(bits.data(), keys.data(), count, range);
    EXPECT_EQ(range.lowest, *std::ranges::min_element(keys));
    EXPECT_EQ(range.highest, *std::ranges::max_element(keys));
    int64_t doubt_count = 0, expected = 0;
    std::vector<int32_t> doubts(static_cast<size_t>(count) + 1), places, column_places;
    const int32_t above = coarse_count_row(keys.data(), count, {low[0], high[0]}, doubts.data(), doubt_count);
    for (size_t j = 0; j < keys.size(); ++j) {
      EXPECT_EQ(keys[j], coarse_key(bits[j]));
      expected += keys[j] > high[0];
      if (keys[j] >= low[0] && keys[j] <= high[0]) places.push_back(static_cast<int32_t>(j));
      if (keys[j] >= low[j] && keys[j] <= high[j]) column_places.push_back(static_cast<int32_t>(j));
    }
    EXPECT_EQ(above, expected);
    EXPECT_EQ(std::vector<int32_t>(doubts.begin(), doubts.begin() + doubt_count), places);
    std::vector<int16_t> columns(static_cast<size_t>(count), 7);
    doubt_count = 0;
    coarse_count_columns(keys.data(), low.data(), high.data(), columns.data(), count, doubts.data(), doubt_count);
    EXPECT_EQ(std::vector<int32_t>(doubts.begin(), doubts.begin() + doubt_count), column_places);
    for (size_t j = 0; j < keys.size(); ++j) EXPECT_EQ(columns[j], 7 + (keys[j] > high[j])) << j;
  }
}

TEST(CoarseScores, StayWithinTheirBoundAlsoForUnequalNorms) {
  for (const int64_t dimension : {1, 7, 64, 512}) {
    const at::Tensor scale = at::logspace(-6, 6, 300).unsqueeze(1);
    const at::Tensor x = (normal_rows(300, dimension, 5) * scale).contiguous();
    const at::Tensor y = (normal_rows(1100, dimension, 6) * 3).contiguous();
    const auto scores = CoarseScores::make(x, y);
    ASSERT_TRUE(scores);
    const at::Tensor exact = at::mm(x.to(at::kDouble), y.to(at::kDouble).t());
    double tightest = 1e9;
    for (int64_t row = 0; row < 300; row += 256)
      for (int64_t col = 0; col < 1100; col += 1024) {
        const at::Tensor tile = scores->tile(row, col).to(at::kFloat);
        for (int64_t i = row; i < std::min<int64_t>(row + 256, 300); ++i)
          for (int64_t j = col; j < std::min<int64_t>(col + 1024, 1100); ++j) {
            const double coarse = tile[i - row].const_data_ptr<float>()[j - col];
            const double score = exact.const_data_ptr<double>()[i * 1100 + j];
            const double slack = std::min(scores->row_slack(i), scores->col_slack(j));
            ASSERT_LE(std::abs(coarse - score), slack + std::abs(coarse) / 256) << i << " " << j;
            ASSERT_EQ(scores->fine(i, j), static_cast<float>(score)) << i << " " << j;
            tightest = std::min(tightest, slack / (x[i].norm().item<double>() * 3));
          }
        EXPECT_LT(tightest, 0.006);  // of |x| |y|: a bound that says something
      }
  }
}

TEST(CoarseScores, AreRefusedWhereScoresOverflow) {
  const at::Tensor x = at::full({4, 8}, 1e20), y = at::full({4, 8}, 1e20);
  EXPECT_FALSE(CoarseScores::make(x, y));
  EXPECT_FALSE(CoarseScores::make(at::full({4, 8}, 3.4e38), at::full({4, 8}, 1e-30)));  // infinite in bfloat16
  EXPECT_TRUE(CoarseScores::make(at::full({4, 8}, 1e10), y));
}

TEST(CountCoarsely, GivesTheRanksOfTheFineScoresForAnyThreadCount) {
  const auto [x, y, x_label, y_label] = embeddings(300, 4, 64, 1.5);
  const MatrixTiles fine(scores_in_double(x, y));
  const auto tiles = dot_tiles(x, y, Coarse::always);
  ASSERT_TRUE(tiles->coarse());
  RankRequest request{nullptr, equal_values(x_label, y_label), equal_values(y_label, x_label), {}, {}, false};
  for (const bool all : {false, true})
    for (const int workers : {1, 3}) {
      SCOPED_TRACE(::testing::Message() << "all " << all << ", threads " << workers);
      const ThreadCount threads(workers);
      request.all = all, request.scores = tiles.get();
      const RankTable coarse = rank_by_counting(request);
      request.scores = &fine;
      const RankTable expected = rank_by_counting(request);
      expect_equal(coarse.rows, expected.rows), expect_equal(coarse.cols, expected.cols);
      EXPECT_NEAR(coarse.lowest, expected.lowest, 0.01);
      EXPECT_NEAR(coarse.highest, expected.highest, 0.01);
    }
  const RankTable table = rank_by_counting(request);
  EXPECT_GT(*std::ranges::max_element(table.rows.first_tied), 0) << "the test needs ties";
}

TEST(CountCoarsely, IsWhatRanksUseAndNotTheFloatTiles) {
  const auto [x, y, x_label, y_label] = embeddings(300, 4, 64, 1.5);
  const auto coarse = CoarseScores::make(x, y);
  Pairs rows, cols;
  rows.item = equal_values(x_label, y_label), cols.item = equal_values(y_label, x_label);
  rows.score.resize(rows.item.items.size()), cols.score.resize(cols.item.items.size());
  read_pair_scores(*coarse, rows, cols);
  EXPECT_EQ(rows.score, cols.score);  // the same pairs in the same order
  EXPECT_TRUE(count_coarsely(*coarse, 1, rows, cols)) << "the tests of ranks would not test it";
}

TEST(CountCoarsely, GivesUpWhereNearlyEverythingIsInDoubtAndTheRanksStayRight) {
  const at::Tensor x = at::ones({300, 16}) + 1e-3 * normal_rows(300, 16, 8);
  const at::Tensor y = at::ones({300, 16}) + 1e-3 * normal_rows(300, 16, 9);
  const auto coarse = CoarseScores::make(x, y);
  std::vector<int64_t> label;
  for (int64_t i = 0; i < 300; ++i) label.push_back(i);
  Pairs rows, cols;
  rows.item = cols.item = equal_values(label, label);
  rows.score.resize(300), cols.score.resize(300);
  read_pair_scores(*coarse, rows, cols);
  EXPECT_FALSE(count_coarsely(*coarse, 1, rows, cols));
  EXPECT_FALSE(count_coarsely(*coarse, 2, rows, cols));
  RankRequest request{nullptr, equal_values(label, label), equal_values(label, label), {}, {}, true};
  const auto with = dot_tiles(x, y, Coarse::always), without = dot_tiles(x, y, Coarse::never);
  request.scores = with.get();
  const RankTable a = rank_by_counting(request);
  request.scores = without.get();
  const RankTable b = rank_by_counting(request);
  expect_equal(a.rows, b.rows), expect_equal(a.cols, b.cols);
  EXPECT_EQ(a.lowest, b.lowest);
}

TEST(CountCoarsely, SeesACollapsedModelAsTheFloatTilesDo) {
  const at::Tensor x = at::ones({40, 16}), y = at::ones({50, 16});
  RankRequest request;
  const auto tiles = dot_tiles(x, y, Coarse::always);
  request.scores = tiles.get();
  request.rows_of_col = equal_values(std::vector<int64_t>(50, 1), std::vector<int64_t>(40, 1));
  const RankTable table = rank_by_counting(request);
  EXPECT_EQ(table.lowest, table.highest);
}

TEST(CountCoarsely, IsLeftOutForFoldsAndWhenNotWanted) {
  const auto [x, y, x_label, y_label] = embeddings(60, 2, 32, 1);
  EXPECT_FALSE(dot_tiles(x, y)->coarse()) << "few scores";
  EXPECT_FALSE(dot_tiles(x, y, Coarse::never)->coarse());
  RankRequest request{nullptr, equal_values(x_label, y_label), equal_values(y_label, x_label), {}, {}, true};
  for (int64_t i = 0; i < 60; ++i) request.row_block.push_back(i % 2);
  for (int64_t j = 0; j < 120; ++j) request.col_block.push_back(j / 2 % 2);
  const auto with = dot_tiles(x, y, Coarse::always), without = dot_tiles(x, y, Coarse::never);
  request.scores = with.get();
  const RankTable a = rank_by_counting(request);
  request.scores = without.get();
  const RankTable b = rank_by_counting(request);
  expect_equal(a.rows, b.rows), expect_equal(a.cols, b.cols);
}

}  // namespace
}  // namespace diptych::testing

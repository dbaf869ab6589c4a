#include "diptych/eval/rescore.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "diptych/core/error.h"
#include "support/tensor_near.h"
#include "unit/eval/matrix_tiles.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr RescoreOptions kInverted{Rescore::inverted_softmax, 7, 10}, kCsls{Rescore::csls, 20, 3};

/// All scores at once, tile by tile.
at::Tensor whole(const ScoreTiles& scores) {
  at::Tensor out = at::empty({scores.rows(), scores.cols()});
  for (int64_t i = 0; i < scores.rows(); i += ScoreTiles::kTileRows)
    for (int64_t j = 0; j < scores.cols(); j += ScoreTiles::kTileCols) {
      const int64_t rows = std::min(ScoreTiles::kTileRows, scores.rows() - i);
      const int64_t cols = std::min(ScoreTiles::kTileCols, scores.cols() - j);
      out.narrow(0, i, rows).narrow(1, j, cols).copy_(scores.tile(i, j, rows, cols));
    }
  return out;
}
at::Tensor rescored_matrix(const at::Tensor& scores, const RescoreOptions& options,
                           const std::vector<int32_t>& row_block = {}, const std::vector<int32_t>& col_block = {}) {
  const MatrixTiles tiles(scores);
  return whole(*rescored(tiles, rescoring_of(tiles, options, row_block, col_block)));
}

// The definitions, number by number, for a matrix without folds.
at::Tensor inverted_by_hand(const at::Tensor& scores, double beta) {
  const at::Tensor s = scores.to(at::kDouble), power = (beta * s).exp();
  const at::Tensor rows = power.sum(1, /*keepdim=*/true).log(), cols = power.sum(0, /*keepdim=*/true).log();
  return (s - rows / beta - cols / beta).to(at::kFloat);
}
double mean_of_largest(at::Tensor line, int64_t k) {
  std::vector<double> values(line.numel());
  for (size_t i = 0; i < values.size(); ++i) values[i] = line[static_cast<int64_t>(i)].item<double>();
  std::ranges::sort(values, std::greater());
  const auto n = static_cast<size_t>(std::min<int64_t>(k, line.numel()));
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += values[i];
  return sum / static_cast<double>(n);
}
at::Tensor csls_by_hand(const at::Tensor& scores, int64_t k) {
  at::Tensor out = 2 * scores.to(at::kDouble);
  for (int64_t i = 0; i < out.size(0); ++i) out[i] -= mean_of_largest(scores[i], k);
  for (int64_t j = 0; j < out.size(1); ++j) out.select(1, j) -= mean_of_largest(scores.select(1, j), k);
  return out.to(at::kFloat);
}

TEST(Rescore, FollowsTheDefinitionsOnSmallMatrices) {
  const at::Tensor scores = normal_rows(7, 5, 1);
  EXPECT_THAT(rescored_matrix(scores, kInverted), TensorNear(inverted_by_hand(scores, 7), 1e-5, 1e-6));
  EXPECT_THAT(rescored_matrix(scores, kCsls), TensorNear(csls_by_hand(scores, 3), 1e-5, 1e-6));
}

TEST(Rescore, FollowsTheDefinitionsAcrossTiles) {
  const at::Tensor scores = normal_rows(300, 1100, 2) * 5;
  EXPECT_THAT(rescored_matrix(scores, kInverted), TensorNear(inverted_by_hand(scores, 7), 1e-5, 1e-5));
  EXPECT_THAT(rescored_matrix(scores, kCsls), TensorNear(csls_by_hand(scores, 3), 1e-5, 1e-5));
}

TEST(Rescore, CslsAveragesWhatThereIsOfFewerNeighbours) {
  const at::Tensor scores = normal_rows(2, 4, 3);
  EXPECT_THAT(rescored_matrix(scores, {Rescore::csls, 1, 50}), TensorNear(csls_by_hand(scores, 50), 1e-5, 1e-6));
}

TEST(Rescore, InvertedSoftmaxRanksByTheSoftmaxOverQueries) {
  const at::Tensor scores = normal_rows(6, 8, 4), out = rescored_matrix(scores, kInverted);
  const at::Tensor over_rows = (7 * scores).softmax(0), over_cols = (7 * scores).softmax(1);
  EXPECT_TRUE(out.argsort(1, false).equal(over_rows.argsort(1, false)));  // rows query columns
  EXPECT_TRUE(out.argsort(0, false).equal(over_cols.argsort(0, false)));  // columns query rows
}

TEST(Rescore, StaysFiniteForHugeScores) {
  const at::Tensor scores = 1e4 * normal_rows(6, 8, 4);
  EXPECT_TRUE(rescored_matrix(scores, kInverted).isfinite().all().item<bool>());
}

TEST(Rescore, FoldsDoNotSeeOneAnother) {
  const at::Tensor scores = normal_rows(9, 6, 5);
  const std::vector<int32_t> rows{0, 0, 0, 0, 1, 1, 1, 1, -1}, cols{1, 0, 0, -1, 1, 1};
  const at::Tensor first_rows = torch::tensor({0, 1, 2, 3}), first_cols = torch::tensor({1, 2});
  const at::Tensor other_rows = torch::tensor({4, 5, 6, 7}), other_cols = torch::tensor({0, 4, 5});
  const auto part = [](const at::Tensor& of, const at::Tensor& r, const at::Tensor& c) {
    return of.index_select(0, r).index_select(1, c);
  };
  for (const RescoreOptions& options : {kInverted, kCsls}) {
    const at::Tensor all = rescored_matrix(scores, options, rows, cols);
    EXPECT_TRUE(all.isfinite().all().item<bool>());
    EXPECT_THAT(part(all, first_rows, first_cols),
                TensorNear(rescored_matrix(part(scores, first_rows, first_cols), options), 1e-6, 1e-6));
    EXPECT_THAT(part(all, other_rows, other_cols),
                TensorNear(rescored_matrix(part(scores, other_rows, other_cols), options), 1e-6, 1e-6));
  }
}

TEST(Rescore, EmbeddingsOfTwoMoreColumnsGiveTheSameScores) {
  const at::Tensor x = normal_rows(20, 6, 6), y = normal_rows(30, 6, 7);
  const auto tiles = dot_tiles(x, y);
  for (const RescoreOptions& options : {kInverted, kCsls}) {
    const Rescoring rescoring = rescoring_of(*tiles, options);
    const auto [more_x, more_y] = rescored_embeddings(x, y, rescoring);
    EXPECT_EQ(more_x.size(1), 8);
    EXPECT_THAT(more_x.mm(more_y.t()), TensorNear(whole(*rescored(*tiles, rescoring)), 1e-5, 1e-5));
  }
}

TEST(Rescore, HasEqualBitsWhateverTheThreads) {
  const at::Tensor x = normal_rows(300, 16, 8), y = normal_rows(1100, 16, 9);
  for (const RescoreOptions& options : {kInverted, kCsls}) {
    std::vector<at::Tensor> made;
    for (const int threads : {1, 2}) {
      const ThreadCount scope(threads);
      const auto tiles = dot_tiles(x, y, Coarse::never);
      made.push_back(whole(*rescored(*tiles, rescoring_of(*tiles, options))));
    }
    EXPECT_TRUE(made[0].equal(made[1]));
  }
}

TEST(Rescore, NamesAScoreThatIsNotFinite) {
  at::Tensor scores = normal_rows(5, 4, 10);
  scores[3][2] = std::numeric_limits<float>::quiet_NaN();
  for (const RescoreOptions& options : {kInverted, kCsls}) {
    try {
      rescored_matrix(scores, options);
      ADD_FAILURE() << "accepted";
    } catch (const NumericError& error) {
      EXPECT_THAT(error.what(), HasSubstr("row 3 (x) and column 2 (y)"));
    }
    EXPECT_NO_THROW(rescored_matrix(scores, options, {0, 0, 0, -1, 0}, {0, 0, 0, 0}));  // it takes no part
  }
}

TEST(Rescore, RefusesBlocksThatDoNotFit) {
  EXPECT_THROW(rescored_matrix(normal_rows(5, 4, 10), kCsls, {0, 0}, {}), ShapeError);
}

// Four images with a caption each. Image 3 is a hub: nearest to captions 0 and 1, too.
struct HubSet {
  MatrixTiles tiles{torch::tensor(
      {{.60F, .10F, .20F, .3F}, {.10F, .60F, .20F, .3F}, {.10F, .20F, .60F, .3F}, {.65F, .65F, .59F, .7F}})};
  RetrievalSet set;
  HubSet() {
    set.scores = &tiles, set.x_label = set.y_label = set.y_image = {0, 1, 2, 3};
    set.split = "test", set.scorer = "cosine", set.bootstrap = false;
  }
};
ProtocolResult evaluated(const RetrievalSet& set, const std::string& name = "image-retrieval") {
  ProtocolRegistry protocols("protocol");
  register_protocols(protocols);
  return protocols.make_default(name)->evaluate(set);
}

TEST(Rescore, TakesTheHubOutOfTheProtocolsNumbersAndNamesItself) {
  HubSet hub;
  EXPECT_EQ(evaluated(hub.set).find("t2i/R@1")->value, 50);
  EXPECT_THAT(evaluated(hub.set).description, Not(HasSubstr("rescored")));
  hub.set.rescore = {Rescore::csls, 20, 2};
  EXPECT_EQ(evaluated(hub.set).find("t2i/R@1")->value, 100);
  EXPECT_THAT(evaluated(hub.set).description,
              HasSubstr("scores: cosine, rescored by CSLS (2 neighbours) over all queries of the split"));
  hub.set.rescore = {Rescore::inverted_softmax, 20, 2};
  EXPECT_EQ(evaluated(hub.set).find("t2i/R@1")->value, 100);
  EXPECT_THAT(evaluated(hub.set).description,
              HasSubstr("rescored by inverted softmax (beta 20) over all queries of the split"));
}

TEST(Rescore, ChangesTheScoresOfOppositesToo) {
  HubSet hub;
  hub.set.x_partner = {1, 0, 3, 2}, hub.set.x_relation = {"left_right", "left_right", "above_below", "above_below"};
  hub.set.rescore = kCsls;
  const ProtocolResult result = evaluated(hub.set, "positions");
  EXPECT_THAT(result.description, HasSubstr("rescored by CSLS"));
  const at::Tensor expected = csls_by_hand(hub.tiles.scores(), 3);
  for (const OppositePair& pair : result.opposites)
    for (const int i : {0, 1})
      for (const int j : {0, 1})
        EXPECT_NEAR(pair.score[i][j], expected[pair.image[i]][pair.caption[j]].item<float>(), 1e-6);
}

}  // namespace
}  // namespace diptych::testing

#include "diptych/loss/attention.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "support/gradcheck.h"
#include "unit/loss/worked_examples.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;

TEST(AttentionPenalty, IsTheMeanOverOwnPairsOrOverAll) {
  const at::Tensor penalty = torch::tensor({{1., 2.}, {4., 9.}}, at::kDouble);
  EXPECT_DOUBLE_EQ(number(attention_penalty_loss(penalty).total), 5);
  EXPECT_DOUBLE_EQ(number(attention_penalty_loss(penalty, PenalisedPairs::all).total), 4);
}

TEST(AttentionPenalty, GradientsMatchDifferences) {
  const at::Tensor penalty = torch::tensor({{1., 2.}, {4., 9.}}, at::kDouble);
  for (const PenalisedPairs pairs : {PenalisedPairs::matching, PenalisedPairs::all})
    expect_gradients([&](const at::Tensor& x) { return attention_penalty_loss(x.square(), pairs).total; }, penalty);
}

TEST(AttentionPenalty, RefusesWhatIsNoMatrixOfPairs) {
  EXPECT_THAT(complaint([&] { attention_penalty_loss(at::zeros({3, 2})); }), HasSubstr("[3, 2] has no diagonal"));
  EXPECT_THAT(complaint([&] { attention_penalty_loss(at::Tensor()); }), HasSubstr("[N, M]"));
}

}  // namespace
}  // namespace diptych::testing

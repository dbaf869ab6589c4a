#include "diptych/core/tensor/row_blocks.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace diptych::testing {
namespace {

TEST(RowBlocks, TheLastBlockIsFilledUpWithZeros) {
  const at::Tensor rows = at::arange(10, at::kFloat).view({5, 2});
  const RowBlocks blocks(rows, 3);
  EXPECT_EQ(blocks.rows(), 5);
  EXPECT_TRUE(blocks.block(0).equal(rows.narrow(0, 0, 3)));
  EXPECT_TRUE(blocks.block(3).equal(torch::tensor({{6.f, 7.f}, {8.f, 9.f}, {0.f, 0.f}})));
}

TEST(RowBlocks, WholeBlocksAreViews) {
  const at::Tensor rows = at::ones({6, 2});
  EXPECT_TRUE(RowBlocks(rows, 3).block(3).is_alias_of(rows));
  EXPECT_EQ(RowBlocks(at::ones({0, 2}), 3).rows(), 0);
}

}  // namespace
}  // namespace diptych::testing

#include "diptych/model/affine.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "../../support/tensor_near.h"
#include "diptych/core/error.h"
#include "formula.h"

namespace diptych::testing {
namespace {

TEST(AffineMap, ComposesAsItsMapsOneAfterTheOther) {
  const AffineMap inner{formula_centred({3, 5}, 1), formula_centred({3}, 2)};
  const AffineMap outer{formula_centred({2, 3}, 3), formula_centred({2}, 4)};
  const at::Tensor x = formula_centred({4, 5}, 5);
  EXPECT_THAT(inner(x), TensorNear(x.mm(inner.weight.t()) + inner.offset));
  EXPECT_THAT(compose(outer, inner)(x), TensorNear(outer(inner(x))));
  EXPECT_FALSE(AffineMap{}.defined());
}

TEST(AffineMap, IsCopiedIntoParametersOfAnotherTypeAndOnlyOfItsSizes) {
  const AffineMap from{formula_centred({3, 5}, 1), formula_centred({3}, 2)};
  const AffineMap to{at::zeros({3, 5}), at::zeros({3})};
  copy_map(from, to);
  EXPECT_THAT(to.weight, TensorNear(from.weight.to(at::kFloat)));
  EXPECT_THAT(to.offset, TensorNear(from.offset.to(at::kFloat)));
  EXPECT_THROW(copy_map(from, {at::zeros({5, 3}), at::zeros({3})}), ShapeError);
}

}  // namespace
}  // namespace diptych::testing

#include "model/principal_axes.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <limits>

#include "diptych/core/error.h"
#include "diptych/core/tensor/safetensors.h"
#include "support/tensor_near.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

RowBlocks in_blocks(const at::Tensor& rows, int64_t size) {
  return [=](const auto& visit) {
    for (int64_t first = 0; first < rows.size(0); first += size)
      visit(rows.slice(0, first, std::min(first + size, rows.size(0))));
  };
}

// 300 rows of 40 features whose variances fall by a third from one axis to the next, about a mean of 2.
at::Tensor falling_rows() {
  torch::manual_seed(4);
  const at::Tensor axes = std::get<0>(at::linalg_qr(torch::randn({40, 40}, at::kDouble)));
  return (torch::randn({300, 40}, at::kDouble) * at::pow(0.8, at::arange(40, at::kDouble))).mm(axes.t()) + 2;
}

TEST(PrincipalAxes, EqualNumpy) {
  const TensorFile golden = read_safetensors(std::string(DIPTYCH_GOLDEN_DIR) + "/principal_axes.safetensors");
  const PrincipalAxes found = principal_axes(in_blocks(golden.tensors.at("rows"), 7), 6);
  EXPECT_THAT(found.mean, TensorNear(golden.tensors.at("mean")));
  EXPECT_THAT(found.variance, TensorNear(golden.tensors.at("variance"), 1e-10, 1e-12));
  EXPECT_THAT(found.axes, TensorNear(golden.tensors.at("axes"), 0, 1e-10));
}

TEST(PrincipalAxes, OfAnAxisParallelCloudAreTheAxes) {
  const at::Tensor rows = torch::tensor({{0., 3.}, {0., -3.}, {1., 0.}, {-1., 0.}}, at::kDouble);
  const PrincipalAxes found = principal_axes(in_blocks(rows, 4), 2);
  EXPECT_THAT(found.axes, TensorNear(torch::tensor({{0., 1.}, {1., 0.}}, at::kDouble)));
  EXPECT_THAT(found.variance, TensorNear(torch::tensor({6., 2. / 3}, at::kDouble)));
}

TEST(PrincipalAxes, IterationFindsWhatTheCovarianceTells) {
  const at::Tensor rows = falling_rows();
  const PrincipalAxes exact = principal_axes(in_blocks(rows, 64), 5);
  const PrincipalAxes iterated = principal_axes(in_blocks(rows, 64), 5, {.exact_up_to = 10});
  EXPECT_THAT(iterated.mean, TensorNear(exact.mean, 0, 1e-6));
  EXPECT_THAT(iterated.variance, TensorNear(exact.variance, 1e-5, 0));
  EXPECT_THAT(iterated.axes, TensorNear(exact.axes, 0, 1e-4));
  EXPECT_THAT(iterated.axes.t().mm(iterated.axes), TensorNear(at::eye(5, at::kDouble), 0, 1e-12));
}

TEST(PrincipalAxes, IterationFollowsItsSeed) {
  const at::Tensor rows = falling_rows();
  const auto axes = [&](uint64_t seed) {
    return principal_axes(in_blocks(rows, 64), 5, {.exact_up_to = 10, .passes = 1, .seed = seed}).axes;
  };
  EXPECT_TRUE(axes(1).equal(axes(1)));
  EXPECT_FALSE(axes(1).equal(axes(2)));
}

TEST(PrincipalAxes, KeepTheirDigitsFarFromZero) {
  const at::Tensor rows = falling_rows();
  EXPECT_THAT(principal_axes(in_blocks(rows + 1e6, 64), 5).variance,
              TensorNear(principal_axes(in_blocks(rows, 64), 5).variance, 1e-8, 0));
}

TEST(PrincipalAxes, RefuseWhatHasNoAnswer) {
  const at::Tensor rows = falling_rows();
  EXPECT_THAT([&] { principal_axes(in_blocks(rows.slice(0, 0, 5), 64), 5); },
              ThrowsMessage<DataError>(HasSubstr("at most 4")));
  EXPECT_THROW(principal_axes(in_blocks(rows, 64), 41), DataError);
  EXPECT_THROW(principal_axes([](const auto&) {}, 1), DataError);
  at::Tensor bad = rows.clone();
  bad[7][3] = std::numeric_limits<double>::infinity();
  EXPECT_THROW(principal_axes(in_blocks(bad, 64), 5), NumericError);
}

}  // namespace
}  // namespace diptych::testing

#include "diptych/model/cca.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <limits>

#include "diptych/core/tensor/safetensors.h"
#include "formula.h"
#include "support/tensor_near.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

at::Tensor noise(at::IntArrayRef sizes, uint64_t seed) {
  torch::manual_seed(seed);
  return torch::randn(sizes, at::kDouble);
}

struct Views {
  at::Tensor x = noise({80, 6}, 1) + 3, y = x.narrow(1, 0, 4).mm(noise({4, 5}, 2)) + noise({80, 5}, 3) - 1;
};

PairMoments moments_of(const at::Tensor& x, const at::Tensor& y) {
  PairMoments moments;
  moments.add(x, y);
  return moments;
}

at::Tensor covariance(const at::Tensor& x, const at::Tensor& y) {
  return (x - x.mean(0)).t().mm(y - y.mean(0)) / (x.size(0) - 1);
}

TEST(PairMoments, AreMeansAndCovariances) {
  const Views views;
  const PairMoments moments = moments_of(views.x, views.y);
  EXPECT_EQ(moments.pairs(), 80);
  EXPECT_THAT(moments.mean_x(), TensorNear(views.x.mean(0)));
  EXPECT_THAT(moments.mean_y(), TensorNear(views.y.mean(0)));
  EXPECT_THAT(moments.xx(), TensorNear(covariance(views.x, views.x)));
  EXPECT_THAT(moments.xy(), TensorNear(covariance(views.x, views.y)));
  EXPECT_THAT(moments.yy(), TensorNear(covariance(views.y, views.y)));
}

TEST(PairMoments, DoNotDependOnTheBatches) {
  const Views views;
  PairMoments pieces;
  for (const auto& [first, last] : {std::pair{0, 1}, {1, 30}, {30, 30}, {30, 80}})
    pieces.add(views.x.slice(0, first, last), views.y.slice(0, first, last));
  const PairMoments whole = moments_of(views.x, views.y);
  EXPECT_EQ(pieces.pairs(), 80);
  EXPECT_THAT(pieces.mean_y(), TensorNear(whole.mean_y()));
  EXPECT_THAT(pieces.xx(), TensorNear(whole.xx()));
  EXPECT_THAT(pieces.xy(), TensorNear(whole.xy()));
}

TEST(PairMoments, CountAnImageOncePerText) {
  const at::Tensor x = noise({4, 3}, 4), y = noise({6, 2}, 5);
  const at::Tensor image = torch::tensor({0, 2, 2, 0, 3, 2}, at::kLong);  // image 1 has no text
  PairMoments grouped;
  grouped.add(x, y, image);
  const PairMoments repeated = moments_of(x.index_select(0, image), y);
  EXPECT_EQ(grouped.pairs(), 6);
  EXPECT_THAT(grouped.mean_x(), TensorNear(repeated.mean_x()));
  EXPECT_THAT(grouped.xx(), TensorNear(repeated.xx()));
  EXPECT_THAT(grouped.xy(), TensorNear(repeated.xy()));
}

TEST(PairMoments, KeepTheirDigitsFarFromZero) {
  const Views views;
  PairMoments far;
  for (int64_t first = 0; first < 80; first += 16)
    far.add(views.x.slice(0, first, first + 16) + 1e6, views.y.slice(0, first, first + 16) - 1e6);
  EXPECT_THAT(far.xy(), TensorNear(covariance(views.x, views.y), 1e-7, 1e-8));
}

TEST(PairMoments, RefuseWhatDoesNotFit) {
  PairMoments moments = moments_of(noise({3, 2}, 1), noise({3, 2}, 2));
  EXPECT_THROW(moments.add(noise({3, 2}, 1), noise({4, 2}, 2)), ShapeError);
  EXPECT_THROW(moments.add(noise({3, 3}, 1), noise({3, 2}, 2)), ShapeError);
  const at::Tensor bad = at::full({3, 2}, std::numeric_limits<double>::quiet_NaN(), at::kDouble);
  EXPECT_THAT([&] { moments.add(bad, noise({3, 2}, 2)); }, ThrowsMessage<NumericError>(HasSubstr("images")));
  EXPECT_THAT([&] { moments.add(noise({3, 2}, 2), bad); }, ThrowsMessage<NumericError>(HasSubstr("texts")));
  EXPECT_THROW(PairMoments().xx(), ShapeError);
}

TEST(Cca, EqualsNumpy) {
  const TensorFile golden = read_safetensors(std::string(DIPTYCH_GOLDEN_DIR) + "/cca.safetensors");
  const at::Tensor x = golden.tensors.at("x"), y = golden.tensors.at("y");
  const PairMoments moments = moments_of(x, y);
  const Cca plain = fit_cca(moments, 4, {.regularisation = 0});
  EXPECT_THAT(plain.correlation, TensorNear(golden.tensors.at("correlation"), 0, 1e-12));
  const Cca regularised = fit_cca(moments, 4, {.regularisation = 0.05, .relative = false});
  EXPECT_THAT(regularised.correlation, TensorNear(golden.tensors.at("regularised.correlation"), 0, 1e-10));
  EXPECT_THAT(regularised.x(x), TensorNear(golden.tensors.at("regularised.x"), 0, 1e-10));
  EXPECT_THAT(regularised.y(y), TensorNear(golden.tensors.at("regularised.y"), 0, 1e-10));
}

TEST(Cca, ProjectionsAreWhiteAndCorrelateAsPromised) {
  const Views views;
  const Cca cca = fit_cca(moments_of(views.x, views.y), 3, {.regularisation = 0});
  const at::Tensor p = cca.x(views.x), q = cca.y(views.y), one = at::eye(3, at::kDouble);
  EXPECT_THAT(p.mean(0), TensorNear(at::zeros({3}, at::kDouble), 0, 1e-10));
  EXPECT_THAT(covariance(p, p), TensorNear(one, 0, 1e-10));
  EXPECT_THAT(covariance(q, q), TensorNear(one, 0, 1e-10));
  EXPECT_THAT(covariance(p, q), TensorNear(at::diag(cca.correlation), 0, 1e-10));
}

TEST(Cca, FindsWhatTwoViewsShare) {
  // One common factor; the rest is noise. Its two images correlate by 1 / (1 + 0.01).
  const at::Tensor factor = noise({4000, 1}, 6);
  const at::Tensor x = at::cat({noise({4000, 2}, 7), factor + 0.1 * noise({4000, 1}, 8)}, 1);
  const at::Tensor y = at::cat({factor + 0.1 * noise({4000, 1}, 9), noise({4000, 1}, 10)}, 1);
  const Cca cca = fit_cca(moments_of(x, y), 2);
  EXPECT_NEAR(cca.correlation[0].item<double>(), 1 / 1.01, 2e-3);
  EXPECT_LT(cca.correlation[1].item<double>(), 0.1);
  EXPECT_GT(cca.x.weight[0].abs()[2].item<double>(), 0.95);
}

TEST(Cca, PowerWeighsTheDimensionsByTheirCorrelation) {
  const Views views;
  const PairMoments moments = moments_of(views.x, views.y);
  const Cca plain = fit_cca(moments, 4), normalised = fit_cca(moments, 4, {.power = 4});
  EXPECT_THAT(normalised.correlation, TensorNear(plain.correlation));
  EXPECT_THAT(normalised.y(views.y), TensorNear(plain.y(views.y) * plain.correlation.pow(4), 0, 1e-10));
}

TEST(Cca, RelativeRegularisationDoesNotSeeTheUnits) {
  const Views views;
  const Cca cca = fit_cca(moments_of(views.x, views.y), 4, {.regularisation = 0.1});
  const Cca scaled = fit_cca(moments_of(1e-3 * views.x, 50 * views.y), 4, {.regularisation = 0.1});
  EXPECT_THAT(scaled.correlation, TensorNear(cca.correlation, 0, 1e-10));
  EXPECT_THAT(scaled.x(1e-3 * views.x), TensorNear(cca.x(views.x), 0, 1e-8));
}

TEST(Cca, RefusesWhatHasNoAnswer) {
  const PairMoments few = moments_of(noise({5, 6}, 1), noise({5, 3}, 2));
  EXPECT_THAT([&] { fit_cca(few, 4); }, ThrowsMessage<UsageError>(HasSubstr("1 to 3 dimensions")));
  EXPECT_THAT([&] { fit_cca(few, 3, {.regularisation = 0}); }, ThrowsMessage<DataError>(HasSubstr("5 pairs")));
  EXPECT_TRUE(fit_cca(few, 3).correlation.isfinite().all().item<bool>());
}

TEST(Cca, AFeatureThatDoesNotVaryIsNoTrouble) {
  Views views;
  views.x.select(1, 2).fill_(5);
  const Cca cca = fit_cca(moments_of(views.x, views.y), 4, {.regularisation = 0});
  EXPECT_TRUE(cca.x.weight.isfinite().all().item<bool>());
  EXPECT_LT(cca.x.weight.select(1, 2).abs().max().item<double>(), 1e-6);
}

}  // namespace
}  // namespace diptych::testing

#include "diptych/report/spectrum.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/error.h"

namespace diptych::testing {
namespace {

TEST(SingularSpectrum, OfACrossByHand) {
  // (+-3, 0, 0) and (0, +-1, 0): singular values sqrt(18), sqrt(2), 0.
  const Spectrum found = singular_spectrum(torch::tensor({{3., 0., 0.}, {-3., 0., 0.}, {0., 1., 0.}, {0., -1., 0.}}));
  ASSERT_EQ(found.values.size(), 3u);
  EXPECT_NEAR(found.values[0], std::sqrt(18.0), 1e-12);
  EXPECT_NEAR(found.values[1], std::sqrt(2.0), 1e-12);
  EXPECT_NEAR(found.values[2], 0, 1e-7);
  // Shares 3/4 and 1/4 of the sum.
  EXPECT_NEAR(found.effective_rank, std::exp(-0.75 * std::log(0.75) - 0.25 * std::log(0.25)), 1e-6);
  EXPECT_EQ(found.directions_of_90_percent, 1);  // 18 of 20
}

TEST(SingularSpectrum, OfARoundCloudItIsTheDimension) {
  const at::Tensor corners = at::cat({at::eye(5), -at::eye(5)});
  const Spectrum found = singular_spectrum(corners);
  EXPECT_NEAR(found.effective_rank, 5, 1e-9);
  EXPECT_EQ(found.directions_of_90_percent, 5);
}

TEST(SingularSpectrum, DoesNotDependOnTheMeanNorOnTheShape) {
  const at::Tensor points = torch::randn({6, 4});
  const Spectrum plain = singular_spectrum(points);
  EXPECT_NEAR(singular_spectrum(points + 7).effective_rank, plain.effective_rank, 1e-4);
  const Spectrum wide = singular_spectrum(at::cat({points, at::zeros({6, 20})}, 1));
  EXPECT_NEAR(wide.effective_rank, plain.effective_rank, 1e-5);
  EXPECT_EQ(wide.values.size(), 6u);
}

TEST(SingularSpectrum, OfEqualPointsIsZero) {
  EXPECT_EQ(singular_spectrum(at::ones({4, 3})).effective_rank, 0);
  EXPECT_EQ(singular_spectrum(at::ones({4, 3})).directions_of_90_percent, 0);
  EXPECT_THROW(singular_spectrum(at::ones({4})), ShapeError);
}

}  // namespace
}  // namespace diptych::testing

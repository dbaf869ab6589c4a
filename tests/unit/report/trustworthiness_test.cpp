#include "diptych/report/trustworthiness.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/error.h"

namespace diptych::testing {
namespace {

TEST(Trustworthiness, OfThePointsThemselvesIsOne) {
  torch::manual_seed(1);
  const at::Tensor points = torch::randn({30, 5});
  EXPECT_EQ(trustworthiness(points, points, 5), 1);
  EXPECT_EQ(trustworthiness(points, points * 3 + 1, 1), 1);
}

TEST(Trustworthiness, CountsByHowMuchAnIntruderIsTooFar) {
  // Points 0, 1, 3, 6, 10 on a line; in the map the last two have changed places: 0, 1, 3, 10, 6. k = 1.
  // Nearest in the map: 0 -> 1 (place 1), 1 -> 0 (1), 3 -> 1 (its distances 3, 2, -, 3, 7: place 1),
  // fourth (6; map 10) -> fifth, place: distances 6, 5, 3, -, 4: 2, one too far,
  // fifth (10; map 6) -> third (map distance 3), place: distances 10, 9, 7, 4: 2, one too far.
  const at::Tensor points = torch::tensor({0., 1., 3., 6., 10.}).view({5, 1});
  const at::Tensor places = torch::tensor({0., 1., 3., 10., 6.}).view({5, 1});
  // 1 - 2 / (5 * 1 * (10 - 3 - 1)) * 2
  EXPECT_NEAR(trustworthiness(points, places, 1), 1 - 4.0 / 30, 1e-15);
}

TEST(Trustworthiness, OfARandomMapIsAboutAHalf) {
  torch::manual_seed(2);
  EXPECT_NEAR(trustworthiness(torch::randn({400, 10}), torch::randn({400, 2}), 5), 0.5, 0.03);
}

TEST(Trustworthiness, OfEqualDistancesTheLowerIndexIsNearer) {
  // All points equal: everybody's neighbours are 0, 1 (or 2) in both.
  EXPECT_EQ(trustworthiness(at::zeros({6, 3}), at::zeros({6, 2}), 2), 1);
}

TEST(Trustworthiness, RefusesTooManyNeighboursAndOtherCounts) {
  EXPECT_THROW(trustworthiness(at::ones({6, 3}), at::ones({6, 2}), 3), ShapeError);
  EXPECT_THROW(trustworthiness(at::ones({6, 3}), at::ones({6, 2}), 0), ShapeError);
  EXPECT_THROW(trustworthiness(at::ones({6, 3}), at::ones({7, 2}), 2), ShapeError);
}

}  // namespace
}  // namespace diptych::testing

#include "diptych/report/hubness.h"

#include <gmock/gmock.h>

#include "unit/report/record_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::ElementsAre;

TEST(Skewness, ByHand) {
  // Mean 1, gaps -1 -1 -1 3: variance 3, third moment (27 - 3) / 4 = 6.
  EXPECT_NEAR(skewness(std::vector<int64_t>{0, 0, 0, 4}), 6 / std::pow(3.0, 1.5), 1e-12);
  EXPECT_NEAR(skewness(std::vector<int64_t>{4, 4, 4, 0}), -6 / std::pow(3.0, 1.5), 1e-12);
  EXPECT_EQ(skewness(std::vector<int64_t>{2, 2, 2}), 0);
  EXPECT_EQ(skewness({}), 0);
}

// Four captions, one to each image; image 1 is the nearest of all captions but the last.
EvaluationRecord record_with_a_hub() {
  return record_of_scores(
      torch::tensor({{0.5, 0.1, 0.1, 0.1}, {0.9, 0.9, 0.9, 0.2}, {0.1, 0.3, 0.8, 0.3}, {0.2, 0.2, 0.2, 0.7}}),
      {0, 1, 2, 3});
}

TEST(Hubness, CountsHowOftenEachItemIsFound) {
  const EvaluationRecord record = record_with_a_hub();
  const Hubness found = hubness(record, direction_of(record, "t2i"), 1);
  EXPECT_EQ(found.direction, "t2i");
  EXPECT_EQ(found.queries, 4);
  EXPECT_EQ(found.gallery, 4);
  EXPECT_EQ(found.mean, 1);
  EXPECT_EQ(found.never_percent, 50);                     // images 0 and 2
  EXPECT_THAT(found.histogram, ElementsAre(2, 1, 0, 1));  // N_1 = 0, 3, 0, 1
  ASSERT_EQ(found.hubs.size(), 4u);
  EXPECT_EQ(found.hubs[0].row, 1);
  EXPECT_EQ(found.hubs[0].times, 3);
  EXPECT_EQ(found.hubs[0].right, 1);
  EXPECT_EQ(found.hubs[1].row, 3);
  EXPECT_EQ(found.hubs[2].row, 0);  // of equal ones the lower row
}

TEST(Hubness, TheOtherDirectionCountsCaptions) {
  const EvaluationRecord record = record_with_a_hub();
  const Hubness found = hubness(record, direction_of(record, "i2t"), 2, 1);
  // Lists of two: image 0 finds captions 0 1, image 1 finds 0 1, image 2 finds 2 1, image 3 finds 3 0.
  EXPECT_THAT(found.histogram, ElementsAre(0, 2, 0, 2));
  EXPECT_EQ(found.mean, 2);
  EXPECT_EQ(found.never_percent, 0);
  ASSERT_EQ(found.hubs.size(), 1u);
  EXPECT_EQ(found.hubs[0].row, 0);
  EXPECT_EQ(found.hubs[0].right, 1);
}

TEST(Hubness, KIsAtMostTheLengthOfTheLists) {
  const EvaluationRecord record = record_with_a_hub();
  EXPECT_EQ(hubness(record, 0, 1000).k, kTopItems);
}

TEST(Hubness, WhatTookNoPartIsNotInTheGallery) {
  EvaluationRecord record = record_with_a_hub();
  record.images[0].fold = -1;
  const Hubness found = hubness(record, direction_of(record, "t2i"), 1);
  EXPECT_EQ(found.gallery, 3);
  EXPECT_THAT(found.histogram, ElementsAre(1, 1, 0, 1));
}

}  // namespace
}  // namespace diptych::testing

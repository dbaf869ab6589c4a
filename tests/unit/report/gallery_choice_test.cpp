#include "diptych/report/gallery_choice.h"

#include <gmock/gmock.h>

#include <set>

#include "unit/report/record_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::ElementsAre;

/// Six images with one caption each. Ranks of the captions: 1 (margin 0.5), 1 (0.8), 2, 3, 3, 6.
EvaluationRecord six() {
  const at::Tensor columns = torch::tensor({{0.9, 0.4, 0.1, 0.1, 0.1, 0.1},
                                            {0.1, 0.9, 0.1, 0.1, 0.1, 0.1},
                                            {0.9, 0.1, 0.8, 0.1, 0.1, 0.1},
                                            {0.9, 0.8, 0.1, 0.7, 0.1, 0.1},
                                            {0.9, 0.8, 0.1, 0.1, 0.6, 0.1},
                                            {0.9, 0.8, 0.7, 0.6, 0.5, 0.1}});
  return record_of_scores(columns.t(), {0, 1, 2, 3, 4, 5});
}

TEST(ChooseGallery, TakesBestMedianAndWorstByRankAndMargin) {
  const EvaluationRecord record = six();
  const GalleryChoice chosen = choose_gallery(record, direction_of(record, "t2i"), 2);
  EXPECT_THAT(chosen.best, ElementsAre(1, 0));
  EXPECT_THAT(chosen.worst, ElementsAre(5, 4));   // of ranks 3 and 3 the wider wrong margin: 0.3 against 0.2
  EXPECT_THAT(chosen.median, ElementsAre(2, 0));  // the median is 2; then the first at a distance of 1
  EXPECT_EQ(chosen.random.size(), 2u);
}

TEST(ChooseGallery, TheRandomSampleDoesNotDependOnTheScores) {
  const EvaluationRecord a = six();
  const EvaluationRecord b = record_of_scores(torch::rand({6, 6}), {0, 1, 2, 3, 4, 5});
  EXPECT_EQ(choose_gallery(a, 0, 3).random, choose_gallery(b, 0, 3).random);
  std::set<std::vector<size_t>> samples;
  for (uint64_t seed = 0; seed < 10; ++seed) samples.insert(choose_gallery(a, 0, 3, seed).random);
  EXPECT_GT(samples.size(), 3u);
}

TEST(ChooseGallery, ShowsAnImageOncePerKind) {
  const EvaluationRecord record = record_of_scores(torch::rand({3, 9}), {0, 0, 0, 1, 1, 1, 2, 2, 2});
  const GalleryChoice chosen = choose_gallery(record, direction_of(record, "t2i"), 8);
  for (const auto* kind : {&chosen.best, &chosen.median, &chosen.worst, &chosen.random}) {
    std::set<size_t> images;
    for (const size_t q : *kind) images.insert(q / 3);
    EXPECT_EQ(kind->size(), 3u);
    EXPECT_EQ(images.size(), 3u);
  }
}

}  // namespace
}  // namespace diptych::testing

#include "diptych/data/published.h"

#include <gmock/gmock.h>

namespace diptych {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void add(Corpus& corpus, Split split, int64_t images, int64_t captions) {
  const auto first = static_cast<int64_t>(corpus.images.size());
  for (int64_t i = 0; i < images; ++i) corpus.images.push_back({"", "", split, first + i});
  for (int64_t i = 0; i < captions; ++i) corpus.captions.push_back({"", {}, first + i % images});
}

TEST(PublishedDifferences, Flickr8kAsPublishedHasNone) {
  Corpus corpus;
  add(corpus, Split::train, 6000, 30000), add(corpus, Split::val, 1000, 5000), add(corpus, Split::test, 1000, 5000);
  EXPECT_THAT(published_differences(corpus, "flickr8k"), IsEmpty());
  EXPECT_THAT(published_differences(corpus, "my own set"), IsEmpty());
}

TEST(PublishedDifferences, NamesSplitFoundAndExpected) {
  Corpus corpus;
  add(corpus, Split::train, 6000, 30000), add(corpus, Split::val, 999, 4995), add(corpus, Split::test, 1000, 5000);
  EXPECT_THAT(published_differences(corpus, "flickr8k"),
              ElementsAre("val has 999 images; published for flickr8k: 1000",
                          "val has 4995 captions; published for flickr8k: 5000"));
}

TEST(PublishedDifferences, RestvalMayBeMergedIntoTrain) {
  for (const bool merged : {false, true}) {
    Corpus corpus;
    add(corpus, Split::train, 82783, 414113);
    add(corpus, merged ? Split::train : Split::rest, 30504, 152634);
    add(corpus, Split::val, 5000, 25010), add(corpus, Split::test, 5000, 25010);
    EXPECT_THAT(published_differences(corpus, "coco"), IsEmpty()) << merged;
  }
}

TEST(PublishedDifferences, CuhkPedesCountsIdentities) {
  Corpus corpus;
  add(corpus, Split::train, 34054, 68126), add(corpus, Split::val, 3078, 6158), add(corpus, Split::test, 3074, 6156);
  const auto differences = published_differences(corpus, "cuhk-pedes");
  EXPECT_EQ(differences.size(), 3u);  // every image is a label of its own here
  EXPECT_THAT(differences[0], HasSubstr("34054 identities; published for cuhk-pedes: 11003"));
}

TEST(PublishedDifferences, PeopleOfIcfgPedesThatWereCutFromTrainCountWithIt) {
  Corpus corpus;
  add(corpus, Split::train, 31200, 31200), add(corpus, Split::val, 3474, 3474), add(corpus, Split::test, 19848, 19848);
  for (size_t i = 0; i < corpus.images.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    corpus.images[i].label = row < 34674 ? row % 3102 : 3102 + row % 1000;
  }
  EXPECT_THAT(published_differences(corpus, "icfg-pedes"), IsEmpty());
  corpus.images.back().split = Split::train;
  EXPECT_THAT(published_differences(corpus, "icfg-pedes"), ::testing::Contains(HasSubstr("test has 19847 images")));
}

TEST(PublishedDifferences, ClassesOfCubMayBeTrainedOnWithTheirValidationClasses) {
  for (const bool merged : {false, true}) {
    Corpus corpus;  // every image is a class of its own
    add(corpus, Split::train, 100, 100), add(corpus, merged ? Split::train : Split::val, 50, 50);
    add(corpus, Split::test, 50, 50);
    EXPECT_THAT(published_differences(corpus, "cub"), IsEmpty()) << merged;
    EXPECT_EQ(published_differences(corpus, "flowers").size(), merged ? 2u : 3u);
  }
}

TEST(PublishedDifferences, QueriesAreCountedAndValidationThatWasCutFromTrainCountsWithIt) {
  Corpus corpus;
  add(corpus, Split::train, 3, 0), add(corpus, Split::val, 1, 0), add(corpus, Split::test, 2, 0);
  const auto ask = [&](Split split, int64_t queries) {
    for (int64_t i = 0; i < queries; ++i)
      corpus.modifications.push_back({.text = "", .tokens = {}, .split = split, .target_label = 0});
  };
  ask(Split::train, 28000), ask(Split::val, 225), ask(Split::test, 4180);
  EXPECT_THAT(published_differences(corpus, "cirr"), ElementsAre("test has 4180 queries; published for cirr: 4181"));
  EXPECT_THAT(published_differences(corpus, "fashion200k"),
              ElementsAre("test has 4180 queries; published for fashion200k: 33480"));
  EXPECT_THAT(published_differences(corpus, "mit-states-comp"),
              ElementsAre("train has 4 identities; published for mit-states-comp: 1262",
                          "test has 2 identities; published for mit-states-comp: 700"));
}

TEST(PublishedSets, AllAreListed) {
  EXPECT_THAT(published_sets(), ElementsAre("flickr8k", "flickr30k", "coco", "coco2014", "cuhk-pedes", "icfg-pedes",
                                            "cub", "flowers", "fashion200k", "mit-states-comp", "cirr"));
}

}  // namespace
}  // namespace diptych

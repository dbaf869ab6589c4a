#include "train/ensemble.h"

#include <gmock/gmock.h>

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// Two test images with a caption each, and one of training.
Corpus small_corpus() {
  Corpus corpus;
  corpus.images = {{"t.jpg", "t", Split::train, 0}, {"a.jpg", "a", Split::test, 1}, {"b.jpg", "b", Split::test, 2}};
  corpus.captions = {{"a cat", {"a", "cat"}, 0}, {"a dog", {"a", "dog"}, 1}, {"a cow", {"a", "cow"}, 2}};
  return corpus;
}

TEST(RequireSameSplit, TakesEqualSplitsWhateverTheRestIs) {
  Corpus other = small_corpus();
  other.fingerprint = "features of another file";
  other.images[0].id = "u", other.captions[0].text = "training is not looked at";
  other.images[1].path = "elsewhere/a.jpg";
  EXPECT_NO_THROW(require_same_split(small_corpus(), other, Split::test, "run"));
}

TEST(RequireSameSplit, NamesTheFirstDifference) {
  Corpus renamed = small_corpus(), retold = small_corpus(), moved = small_corpus(), fewer = small_corpus();
  renamed.images[2].id = "c", retold.captions[1].text = "a hog", fewer.captions.pop_back();
  moved.captions[2].image_row = 1;
  const auto check = [](const Corpus& other) {
    return [&other] { require_same_split(small_corpus(), other, Split::test, "runs/two"); };
  };
  EXPECT_THAT(check(renamed), ThrowsMessage<DataError>(AllOf(HasSubstr("runs/two"), HasSubstr("image 2 is 'c'"))));
  EXPECT_THAT(check(retold), ThrowsMessage<DataError>(HasSubstr("caption 1 is 'a hog' of 'a', not 'a dog'")));
  EXPECT_THAT(check(moved), ThrowsMessage<DataError>(HasSubstr("caption 2 is 'a cow' of 'a'")));
  EXPECT_THAT(check(fewer), ThrowsMessage<DataError>(HasSubstr("2 images and 1 captions, not 2 and 2")));
}

TEST(EnsembleProtocol, SaysHowManyRuns) {
  EXPECT_EQ(ensemble_protocol("flickr30k-1k", 2), "flickr30k-1k-ensemble-2");
  EXPECT_EQ(ensemble_protocol("coco-1k-5fold", 3), "coco-1k-5fold-ensemble-3");
}

}  // namespace
}  // namespace diptych::testing

#include "diptych/data/sampler.h"

#include <algorithm>
#include <map>
#include <set>

#include "corpus_fixture.h"

namespace diptych {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// `captions[i]` captions for image i; label i / images_per_label when that is not 0.
Corpus corpus_of(const std::vector<int64_t>& captions, int64_t images_per_label = 0) {
  Corpus corpus;
  corpus.name = "toy";
  corpus.has_identities = images_per_label > 0;
  for (size_t i = 0; i < captions.size(); ++i) {
    const std::string name = std::to_string(100000 + i);
    corpus.images.push_back(
        {name, name, Split::train, images_per_label > 0 ? static_cast<int64_t>(i) / images_per_label : 0});
    for (int64_t k = 0; k < captions[i]; ++k)
      corpus.captions.push_back(
          {"x", std::vector<std::string>(1 + (i * 7 + k * 3) % 11, "x"), static_cast<int64_t>(i)});
  }
  finish_corpus(corpus);
  return corpus;
}

const SamplerRegistry& samplers() {
  static const SamplerRegistry* registry = [] {
    auto* filled = new SamplerRegistry("sampler");
    register_samplers(*filled);
    return filled;
  }();
  return *registry;
}
std::shared_ptr<Sampler> make(const Corpus& corpus, int64_t batch_size, const std::string& yaml, uint64_t seed = 1) {
  Choice<SamplerRegistry> choice(samplers(), "shuffled_pairs");
  Complaints complaints;
  choice.read(parse_config(yaml, "test.yaml"), "data.sampler", complaints);
  complaints.throw_if_any();
  return choice.make(SamplerContext{corpus, corpus.caption_rows(Split::train), batch_size, seed});
}
std::vector<Pair> flat(const std::vector<PairBatch>& batches) {
  std::vector<Pair> pairs;
  for (const PairBatch& batch : batches) pairs.insert(pairs.end(), batch.begin(), batch.end());
  return pairs;
}
std::vector<int64_t> sorted_captions(const std::vector<PairBatch>& batches) {
  std::vector<int64_t> rows;
  for (const Pair& pair : flat(batches)) rows.push_back(pair.caption_row);
  std::sort(rows.begin(), rows.end());
  return rows;
}
std::vector<int64_t> range(int64_t n) {
  std::vector<int64_t> rows(n);
  for (int64_t i = 0; i < n; ++i) rows[i] = i;
  return rows;
}
template <class Act>
std::string error_of(int code, Act&& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), code) << error.what();
    return to_text(error.issues().front());
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}
void expect_pairs_belong_together(const Corpus& corpus, const std::vector<PairBatch>& batches) {
  for (const Pair& pair : flat(batches)) ASSERT_EQ(corpus.captions[pair.caption_row].image_row, pair.image_row);
}

TEST(Samplers, AreFunctionsOfSeedAndEpoch) {
  const Corpus corpus = corpus_of(std::vector<int64_t>(40, 3), 4);
  for (const char* yaml : {"{type: shuffled_pairs}", "{type: shuffled_pairs, bucket_batches: 3}",
                           "{type: unique_images, passes: 2}", "{type: identities}"}) {
    const auto one = make(corpus, 8, yaml), same = make(corpus, 8, yaml), other = make(corpus, 8, yaml, 2);
    same->epoch(9);
    EXPECT_EQ(one->epoch(3), same->epoch(3)) << yaml;
    EXPECT_NE(one->epoch(3), one->epoch(4)) << yaml;
    EXPECT_NE(one->epoch(3), other->epoch(3)) << yaml;
    EXPECT_THAT(one->epoch(3), SizeIs(one->batches_per_epoch())) << yaml;
    expect_pairs_belong_together(corpus, one->epoch(3));
  }
}
TEST(Samplers, GoldenFirstRows) {
  const Corpus corpus = corpus_of(std::vector<int64_t>(20, 3), 2);
  const auto first = [&](const char* yaml) {
    const auto pairs = flat(make(corpus, 4, yaml)->epoch(0));
    std::vector<int64_t> rows;
    for (size_t i = 0; i < 8; ++i) rows.push_back(pairs[i].caption_row);
    return rows;
  };
  EXPECT_THAT(first("{type: shuffled_pairs}"), ElementsAre(53, 40, 19, 0, 31, 38, 35, 59));
  EXPECT_THAT(first("{type: shuffled_pairs, bucket_batches: 5}"), ElementsAre(11, 44, 54, 7, 0, 19, 57, 38));
  EXPECT_THAT(first("{type: unique_images}"), ElementsAre(35, 9, 54, 28, 19, 22, 47, 6));
  EXPECT_THAT(first("{type: identities}"), ElementsAre(51, 48, 41, 37, 19, 22, 54, 59));
}
TEST(Samplers, EveryEntryIsDocumented) {
  EXPECT_THAT(samplers().names(), ElementsAre("identities", "modifications", "shuffled_pairs", "unique_images"));
  for (const auto& [name, entry] : samplers().entries()) EXPECT_FALSE(entry.doc.empty()) << name;
}

TEST(ShuffledPairs, AnEpochIsAPermutationOfAllPairs) {
  const Corpus corpus = corpus_of(std::vector<int64_t>(21, 3));
  for (const char* yaml :
       {"{type: shuffled_pairs, drop_last: false}", "{type: shuffled_pairs, drop_last: false, bucket_batches: 2}"}) {
    const auto sampler = make(corpus, 8, yaml);
    EXPECT_EQ(sampler->batches_per_epoch(), 8);
    for (int64_t epoch = 0; epoch < 3; ++epoch) EXPECT_EQ(sorted_captions(sampler->epoch(epoch)), range(63)) << yaml;
  }
}
TEST(ShuffledPairs, DropsOtherPairsInEveryEpoch) {
  const Corpus corpus = corpus_of(std::vector<int64_t>(21, 3));
  const auto sampler = make(corpus, 8, "{type: shuffled_pairs}");
  EXPECT_EQ(sampler->batches_per_epoch(), 7);
  std::set<int64_t> seen;
  for (int64_t epoch = 0; epoch < 8; ++epoch) {
    const auto batches = sampler->epoch(epoch);
    for (const PairBatch& batch : batches) EXPECT_THAT(batch, SizeIs(8));
    const auto rows = sorted_captions(batches);
    EXPECT_EQ(std::adjacent_find(rows.begin(), rows.end()), rows.end());
    seen.insert(rows.begin(), rows.end());
  }
  EXPECT_THAT(seen, SizeIs(63));
}
TEST(ShuffledPairs, BucketingSavesPadding) {
  const Corpus corpus = corpus_of(std::vector<int64_t>(200, 3));
  const auto padded = [&](const char* yaml) {
    int64_t words = 0;
    for (const PairBatch& batch : make(corpus, 10, yaml)->epoch(0)) {
      size_t longest = 0;
      for (const Pair& pair : batch) longest = std::max(longest, corpus.captions[pair.caption_row].tokens.size());
      words += static_cast<int64_t>(longest * batch.size());
    }
    return words;
  };
  EXPECT_LT(padded("{type: shuffled_pairs, bucket_batches: 15}"), 0.7 * padded("{type: shuffled_pairs}"));
}
TEST(ShuffledPairs, D18_BatchesThatCannotBeMade) {
  const Corpus corpus = corpus_of({3, 3, 3});
  EXPECT_THAT(error_of(2, [&] { make(corpus, 10, "{type: shuffled_pairs}"); }),
              ::testing::AllOf(HasSubstr("train.batch_size: = 10"), HasSubstr("only 9 pairs"), HasSubstr("drop_last")));
  EXPECT_THAT(error_of(2, [&] { make(corpus, 4, "{type: shuffled_pairs, drop_last: false}"); }),
              HasSubstr("with drop_last = false the last batch of 1 pair can hold a single image"));
  EXPECT_NO_THROW(make(corpus, 10, "{type: shuffled_pairs, drop_last: false}"));
  EXPECT_THAT(error_of(2, [&] { make(corpus, 0, "{type: shuffled_pairs}"); }), HasSubstr("expected at least 1"));
}
// Over one value per channel BatchNorm is undefined; found before the first step, whatever the epoch's order.
TEST(ShuffledPairs, ABatchThatOneImageCouldFillIsRefused) {
  const Corpus corpus = corpus_of({2, 5, 2, 2, 2, 2});  // 15 pairs
  for (const int64_t size : {1, 2, 5})
    EXPECT_THAT(error_of(2, [&] { make(corpus, size, "{type: shuffled_pairs}"); }),
                ::testing::AllOf(HasSubstr("train.batch_size: = " + std::to_string(size)), HasSubstr("100001 has 5"),
                                 HasSubstr("two different images"), HasSubstr("unique_images")))
        << size;
  EXPECT_NO_THROW(make(corpus, 6, "{type: shuffled_pairs}"));
  EXPECT_THAT(error_of(2, [&] { make(corpus, 6, "{type: shuffled_pairs, drop_last: false}"); }),  // 15 = 6 + 6 + 3
              HasSubstr("the last batch of 3 pairs"));
  EXPECT_THAT(error_of(2, [] { make(corpus_of({3}), 3, "{type: shuffled_pairs}"); }), HasSubstr("single image"));
}
TEST(UniqueImages, ABatchOfOneImageIsRefused) {
  const Corpus corpus = corpus_of(std::vector<int64_t>(9, 5));
  EXPECT_THAT(error_of(2, [&] { make(corpus, 5, "{type: unique_images, captions_per_image: 5}"); }),
              ::testing::AllOf(HasSubstr("a batch holds one image"), HasSubstr("train.batch_size=10 or more")));
  EXPECT_THAT(error_of(2, [&] { make(corpus, 8, "{type: unique_images, captions_per_image: 2, drop_last: false}"); }),
              HasSubstr("the last batch holds one of the 9 images"));
  EXPECT_NO_THROW(make(corpus, 8, "{type: unique_images, captions_per_image: 2}"));
}
TEST(Identities, ABatchOfOneIdentityIsRefused) {
  const Corpus corpus = corpus_of(std::vector<int64_t>(6, 1), 3);
  EXPECT_THAT(error_of(2, [&] { make(corpus, 2, "{type: identities}"); }),
              ::testing::AllOf(HasSubstr("one identity"), HasSubstr("train.batch_size=4 or more")));
}
TEST(Samplers, D16_AnEmptyTrainingSplit) {
  Corpus corpus = corpus_of({1, 1});
  for (CorpusImage& image : corpus.images) image.split = Split::test;
  for (const std::string& name : samplers().names()) {
    if (name == "modifications") continue;  // of corpora of its own
    EXPECT_THAT(error_of(3, [&] { make(corpus, 2, "{type: " + name + "}"); }),
                HasSubstr("training split holds no captions"))
        << name;
  }
}

TEST(UniqueImages, NoImageTwiceAndItsPairsAdjacent) {
  const Corpus corpus = corpus_of({5, 5, 5, 1, 2, 5, 5, 5, 5, 5, 3});
  const auto sampler = make(corpus, 8, "{type: unique_images, captions_per_image: 2}");
  EXPECT_EQ(sampler->batches_per_epoch(), 2);
  for (int64_t epoch = 0; epoch < 20; ++epoch) {
    std::set<int64_t> in_epoch;
    for (const PairBatch& batch : sampler->epoch(epoch)) {
      ASSERT_THAT(batch, SizeIs(8));
      std::set<int64_t> images;
      for (size_t i = 0; i < 8; i += 2) {
        EXPECT_EQ(batch[i].image_row, batch[i + 1].image_row);
        EXPECT_TRUE(images.insert(batch[i].image_row).second);
        EXPECT_TRUE(in_epoch.insert(batch[i].image_row).second);
        const bool has_two = corpus.captions_of_images()[batch[i].image_row].size() > 1;
        EXPECT_EQ(batch[i].caption_row != batch[i + 1].caption_row, has_two);
      }
    }
  }
}
TEST(UniqueImages, FivePassesVisitEveryPairOnce) {
  const Corpus corpus = corpus_of(std::vector<int64_t>(12, 5));
  const auto sampler = make(corpus, 6, "{type: unique_images, passes: 5}");
  EXPECT_EQ(sampler->batches_per_epoch(), 10);
  EXPECT_EQ(sorted_captions(sampler->epoch(2)), range(60));
}
TEST(UniqueImages, KeepsPairsInOneBatch) {
  Corpus corpus = corpus_of(std::vector<int64_t>(40, 2));
  EXPECT_THAT(error_of(3, [&] { make(corpus, 8, "{type: unique_images, keep_pairs: true}"); }),
              HasSubstr("has no partner"));
  for (size_t i = 0; i < 40; ++i) corpus.images[i].pair = std::to_string(i % 20), corpus.images[i].relation = "r";
  const auto split_pairs = [&](const std::string& yaml) {
    int64_t alone = 0;
    const auto sampler = make(corpus, 8, yaml);
    for (int64_t epoch = 0; epoch < 3; ++epoch)
      for (const PairBatch& batch : sampler->epoch(epoch)) {
        std::map<int64_t, std::set<int64_t>> images_of_pair;
        for (const Pair& pair : batch) images_of_pair[pair.image_row % 20].insert(pair.image_row);
        for (const auto& [pair, images] : images_of_pair) alone += images.size() == 1;
      }
    return alone;
  };
  EXPECT_EQ(split_pairs("{type: unique_images, keep_pairs: true}"), 0);
  EXPECT_EQ(split_pairs("{type: unique_images, keep_pairs: true, captions_per_image: 2}"), 0);
  EXPECT_GT(split_pairs("{type: unique_images}"), 0);
  const auto sampler = make(corpus, 8, "{type: unique_images, keep_pairs: true, captions_per_image: 2}");
  EXPECT_EQ(sorted_captions(sampler->epoch(0)), range(80));
  EXPECT_NE(sampler->epoch(0), sampler->epoch(1));
  EXPECT_THAT(error_of(2, [&] { make(corpus, 9, "{type: unique_images, keep_pairs: true}"); }),
              HasSubstr("must be even"));
}
TEST(UniqueImages, EpochsDrawOtherCaptions) {
  const Corpus corpus = corpus_of(std::vector<int64_t>(6, 5));
  const auto sampler = make(corpus, 6, "{type: unique_images}");
  std::set<int64_t> seen;
  for (int64_t epoch = 0; epoch < 30; ++epoch)
    for (const Pair& pair : flat(sampler->epoch(epoch))) seen.insert(pair.caption_row);
  EXPECT_THAT(seen, SizeIs(30));
}
TEST(UniqueImages, KeepsTheLastBatchWhenAsked) {
  const Corpus corpus = corpus_of(std::vector<int64_t>(11, 2));
  const auto sampler = make(corpus, 8, "{type: unique_images, captions_per_image: 2, drop_last: false}");
  EXPECT_EQ(sampler->batches_per_epoch(), 3);
  EXPECT_EQ(sorted_captions(sampler->epoch(0)), range(22));
}
TEST(UniqueImages, D18_BatchesThatCannotBeMade) {
  const Corpus corpus = corpus_of({5, 5, 5, 5, 5});
  EXPECT_THAT(error_of(2, [&] { make(corpus, 7, "{type: unique_images, captions_per_image: 2}"); }),
              HasSubstr("must be a multiple of captions_per_image = 2"));
  EXPECT_THAT(error_of(2, [&] { make(corpus, 6, "{type: unique_images}"); }),
              HasSubstr("needs 6 different images, but the training split has 5"));
  EXPECT_THAT(error_of(2, [&] { make(corpus, 4, "{type: unique_images, drop_last: false}"); }),
              HasSubstr("last batch holds one"));
}

TEST(Identities, BatchesHoldPIdentitiesTimesKImages) {
  std::vector<int64_t> captions;
  for (int64_t i = 0; i < 60; ++i) captions.push_back(1 + i % 3);
  const Corpus corpus = corpus_of(captions, 5);  // 12 identities of 5 images
  const auto sampler = make(corpus, 8, "{type: identities, images_per_identity: 2}");
  EXPECT_EQ(sampler->batches_per_epoch(), 9);  // 12 identities x 3 groups / 4
  for (int64_t epoch = 0; epoch < 5; ++epoch) {
    std::map<int64_t, int64_t> visits;
    for (const PairBatch& batch : sampler->epoch(epoch)) {
      std::map<int64_t, std::set<int64_t>> images;
      for (const Pair& pair : batch)
        images[corpus.images[pair.image_row].label].insert(pair.image_row), ++visits[pair.image_row];
      EXPECT_THAT(images, SizeIs(4));
      for (const auto& [label, rows] : images) EXPECT_THAT(rows, SizeIs(2)) << label;
    }
    EXPECT_THAT(visits, SizeIs(60));  // every image, some twice to fill the groups
  }
}
TEST(Identities, OneImageOfEachClassIsABalancedBatch) {
  const Corpus corpus = corpus_of(std::vector<int64_t>(30, 10), 5);  // six classes of five images
  const auto sampler = make(corpus, 6, "{type: identities, images_per_identity: 1}");
  EXPECT_EQ(sampler->batches_per_epoch(), 5);
  for (const PairBatch& batch : sampler->epoch(3)) {
    std::set<int64_t> labels;
    for (const Pair& pair : batch) labels.insert(corpus.images[pair.image_row].label);
    EXPECT_THAT(labels, SizeIs(6));
  }
}
TEST(Identities, UnevenIdentitiesFillAsManyBatchesAsPossible) {
  Corpus corpus = corpus_of(std::vector<int64_t>(24, 1), 2);
  for (size_t i = 0; i < corpus.images.size(); ++i)
    corpus.images[i].label = i < 16 ? 0 : static_cast<int64_t>(i / 2) - 7;  // 16, 2, 2, 2, 2
  const auto sampler = make(corpus, 4, "{type: identities}");
  EXPECT_EQ(sampler->batches_per_epoch(), 4);  // each of the four small ones meets one group of the large one
  for (const PairBatch& batch : sampler->epoch(0)) {
    std::set<int64_t> labels;
    for (const Pair& pair : batch) labels.insert(corpus.images[pair.image_row].label);
    EXPECT_THAT(labels, SizeIs(2));
  }
}
TEST(Identities, D17_SingletonsFailAreDroppedOrRepeated) {
  Corpus corpus = corpus_of(std::vector<int64_t>(9, 2), 3);  // labels 0 0 0 1 1 1 2 2 2
  corpus.images[8].label = 3;
  corpus.label_names = {"a", "b", "c", "lonely"};
  EXPECT_THAT(
      error_of(3, [&] { make(corpus, 4, "{type: identities}"); }),
      ::testing::AllOf(HasSubstr("1 training identities have fewer than images_per_identity = 2 images: lonely"),
                       HasSubstr("drop or repeat")));
  for (const PairBatch& batch : make(corpus, 4, "{type: identities, singletons: drop}")->epoch(0))
    for (const Pair& pair : batch) EXPECT_NE(pair.image_row, 8);
  const auto repeated = flat(make(corpus, 8, "{type: identities, singletons: repeat}")->epoch(0));
  std::set<int64_t> captions_of_lonely;
  for (const Pair& pair : repeated)
    if (pair.image_row == 8) captions_of_lonely.insert(pair.caption_row);
  EXPECT_THAT(captions_of_lonely, SizeIs(2));  // the image twice, with different captions
}
TEST(Identities, D17_TooFewIdentities) {
  const Corpus one = corpus_of(std::vector<int64_t>(6, 1), 6), three = corpus_of(std::vector<int64_t>(6, 1), 2),
               none = corpus_of({1, 1, 1, 1});
  EXPECT_THAT(error_of(3, [&] { make(one, 4, "{type: identities}"); }),
              HasSubstr("needs at least two training identities"));
  EXPECT_THAT(error_of(2, [&] { make(three, 8, "{type: identities}"); }),
              HasSubstr("needs 4 identities x 2 images, but the training split has 3"));
  EXPECT_THAT(error_of(2, [&] { make(three, 5, "{type: identities}"); }), HasSubstr("must be a multiple"));
  EXPECT_THAT(error_of(2, [&] { make(none, 4, "{type: identities}"); }), HasSubstr("has no identities"));
}

}  // namespace
}  // namespace diptych

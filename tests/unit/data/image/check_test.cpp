#include "diptych/data/image/check.h"

#include <gmock/gmock.h>

#include <opencv2/imgcodecs.hpp>

#include "data/image/sampled.h"
#include "support/temp_dir.h"

namespace diptych {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string picture(int shade, const char* extension = ".jpg") {
  std::vector<uint8_t> bytes;
  cv::imencode(extension, cv::Mat(20, 30, CV_8UC3, cv::Scalar(shade, 60, 120)), bytes);
  return {bytes.begin(), bytes.end()};
}
// A JPEG with an EXIF block that holds nothing but an orientation.
std::string turned_picture() {
  using namespace std::string_literals;
  const std::string exif = "Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"s;
  const std::string marker = "\xff\xe1"s + '\0' + static_cast<char>(exif.size() + 2);
  std::string jpeg = picture(200);
  return jpeg.insert(2, marker + exif);
}

struct Photos {
  testing::TempDir folder;
  Corpus corpus;
  Photos() {
    corpus.name = "photos";
    corpus.image_root = folder / "images";
    std::filesystem::create_directories(corpus.image_root);
  }
  void add(const std::string& name, const std::string& bytes, Split split = Split::train, int64_t label = 0) {
    if (!bytes.empty()) folder.write("images/" + name, bytes);
    const auto row = static_cast<int64_t>(corpus.images.size());
    corpus.images.push_back({name, name, split, label, row});
    corpus.captions.push_back({"a b", {"a", "b"}, row});
  }
};
const Finding* finding(const CheckReport& report, const std::string& kind) {
  for (const Finding& each : report.findings)
    if (each.kind == kind) return &each;
  return nullptr;
}
std::string only_example(const CheckReport& report, const std::string& kind) {
  const Finding* found = finding(report, kind);
  if (!found || found->examples.size() != 1) return "not one finding of kind " + kind;
  return (found->is_error ? "error " : "warning ") + found->examples.front();
}

TEST(CheckCorpus, ACleanCorpusHasNoFindings) {
  Photos photos;
  photos.add("a.jpg", picture(10)), photos.add("b.png", picture(20, ".png"));
  const CheckReport report = check_corpus(photos.corpus);
  EXPECT_THAT(report.findings, IsEmpty());
  EXPECT_FALSE(report.has_errors());
  EXPECT_EQ(report.decoded, 2);
  EXPECT_THAT(to_text(report), HasSubstr("no findings"));
}
TEST(CheckCorpus, D29_FindsEveryKindAtOnce) {
  Photos photos;
  const std::string good = picture(10);
  photos.add("a.jpg", good);
  photos.add("cut.jpg", good.substr(0, good.size() / 2));
  photos.add("page.jpg", "<html>not found</html>");
  photos.add("gone.jpg", "");
  photos.add("../out.jpg", "");
  photos.add("really_png.jpg", picture(30, ".png"));
  photos.add("turned.jpg", turned_picture());
  photos.add("twin.jpg", good, Split::test);
  photos.folder.write("images/sub/unused.jpg", picture(40));
  photos.folder.write("images/notes.txt", "no image");
  photos.corpus.notes = {"something"};
  const CheckReport report = check_corpus(photos.corpus, {.decode = -1});
  EXPECT_TRUE(report.has_errors());
  ASSERT_NE(finding(report, "unreadable_image"), nullptr);
  EXPECT_THAT(finding(report, "unreadable_image")->examples, ElementsAre(HasSubstr("cut.jpg"), HasSubstr("page.jpg")));
  EXPECT_THAT(only_example(report, "missing_image"), AllOf(HasSubstr("error"), HasSubstr("gone.jpg")));
  EXPECT_THAT(only_example(report, "outside_root"), AllOf(HasSubstr("error"), HasSubstr("../out.jpg")));
  EXPECT_THAT(only_example(report, "wrong_extension"),
              AllOf(HasSubstr("warning"), HasSubstr("really_png.jpg): content is PNG")));
  EXPECT_THAT(only_example(report, "exif_orientation"), HasSubstr("turned.jpg): orientation 6"));
  EXPECT_THAT(only_example(report, "content_in_two_splits"), HasSubstr("twin.jpg): as a.jpg, in another split: train"));
  EXPECT_THAT(only_example(report, "unused_file"), HasSubstr("sub/unused.jpg"));
  EXPECT_EQ(only_example(report, "note"), "warning something");
  EXPECT_THAT(to_text(report), HasSubstr("error  unreadable_image: 2 images that cannot be decoded"));
  EXPECT_EQ(to_json(report)["errors"], true);
  EXPECT_EQ(to_json(report)["findings"].size(), 8u);
}
TEST(CheckCorpus, EqualContentWithinASplitIsAKindOfItsOwn) {
  Photos photos;
  photos.add("a.jpg", picture(10)), photos.add("b.jpg", picture(10)), photos.add("c.jpg", picture(20));
  const CheckReport report = check_corpus(photos.corpus);
  EXPECT_THAT(only_example(report, "equal_content"), HasSubstr("(id b.jpg): as a.jpg"));
  EXPECT_EQ(finding(report, "content_in_two_splits"), nullptr);
  EXPECT_THAT(check_corpus(photos.corpus, {.compare_content = false}).findings, IsEmpty());
}
TEST(CheckCorpus, CaptionsThatAnImageHasTwice) {
  Photos photos;
  photos.add("a.jpg", picture(10)), photos.add("b.jpg", picture(20));
  photos.corpus.captions.push_back({"a b", {"a", "b"}, 1});
  EXPECT_THAT(only_example(check_corpus(photos.corpus), "repeated_caption"),
              AllOf(HasSubstr("b.jpg"), HasSubstr("'a b'")));
}
TEST(CheckCorpus, ErrorsSayWhatMendsThem) {
  Photos photos;
  photos.add("gone.jpg", "");
  const CheckReport report = check_corpus(photos.corpus);
  EXPECT_THAT(to_text(report), HasSubstr("  mend: put the files back"));
  EXPECT_THAT(to_json(report)["findings"][0]["remedy"].get<std::string>(), HasSubstr("data.corpus.images"));
}
TEST(CheckCorpus, DecodesOnlyTheSample) {
  Photos photos;
  const std::string good = picture(10);
  for (int i = 0; i < 10; ++i) photos.add("p" + std::to_string(i) + ".jpg", picture(10 * i));
  photos.folder.write("images/p3.jpg", good.substr(0, good.size() - 40));
  EXPECT_FALSE(check_corpus(photos.corpus, {.decode = 2}).has_errors());
  EXPECT_TRUE(check_corpus(photos.corpus, {.decode = -1}).has_errors());
  EXPECT_THAT(evenly_spread(10, 4), ElementsAre(0, 2, 5, 7));
  EXPECT_THAT(evenly_spread(3, 10), ElementsAre(0, 1, 2));
}
TEST(CheckCorpus, IdentitiesWithGapsAndSingleImages) {
  Photos photos;
  for (int i = 0; i < 4; ++i)
    photos.add("p" + std::to_string(i) + ".jpg", picture(20 * i), Split::train, std::min(i, 2));
  photos.corpus.has_identities = true;
  photos.corpus.label_names = {"1", "2", "7"};
  const CheckReport report = check_corpus(photos.corpus);
  EXPECT_THAT(only_example(report, "identity_gap"), HasSubstr("none between 2 and 7"));
  ASSERT_NE(finding(report, "single_image_identity"), nullptr);
  EXPECT_THAT(finding(report, "single_image_identity")->examples, ElementsAre("identity 1", "identity 2"));
  EXPECT_FALSE(report.has_errors());
}
TEST(CheckCorpus, TextShowsTenAndJsonAll) {
  Photos photos;
  for (int i = 0; i < 13; ++i) photos.add("p" + std::to_string(i) + ".jpg", "");
  const CheckReport report = check_corpus(photos.corpus);
  EXPECT_THAT(to_text(report), AllOf(HasSubstr("13 images without a file"), HasSubstr("p9.jpg"),
                                     Not(HasSubstr("p10.jpg")), HasSubstr("... and 3 more")));
  EXPECT_THAT(to_json(report)["findings"][0]["examples"], SizeIs(13));
}

TEST(CorpusStats, CountsByHand) {
  Photos photos;
  photos.add("a.jpg", picture(1)), photos.add("b.jpg", picture(2)), photos.add("t.jpg", picture(3), Split::test);
  photos.corpus.captions.push_back({"a a a c", {"a", "a", "a", "c"}, 0});
  photos.corpus.captions.push_back({"z", {"z"}, 2});
  const testing::TempDir vectors;
  StatsOptions options;
  options.min_counts = {1, 2};
  options.word_vectors = vectors.write("v.txt", "a 1 2\nz 3 4\n").string();
  const CorpusStats stats = stats_of(photos.corpus, options);
  ASSERT_THAT(stats.splits, SizeIs(2));
  const SplitStats& train = stats.splits[0];
  EXPECT_EQ(train.images, 2);
  EXPECT_EQ(train.captions, 3);
  EXPECT_EQ(train.identities, 0);
  EXPECT_EQ(train.caption_tokens.min, 2);
  EXPECT_EQ(train.caption_tokens.max, 4);
  EXPECT_DOUBLE_EQ(train.caption_tokens.mean, 8.0 / 3);
  EXPECT_EQ(train.captions_per_image.max, 2);
  // training words: a 5, b 2, c 1; test: a, b, z
  EXPECT_EQ(stats.vocabulary[0].words, 3);
  EXPECT_DOUBLE_EQ(stats.vocabulary[0].unknown_test, 1.0 / 3);
  EXPECT_EQ(stats.vocabulary[1].words, 2);
  EXPECT_DOUBLE_EQ(stats.vocabulary[1].unknown_train, 1.0 / 8);
  EXPECT_THAT(stats.new_words, ElementsAre("z"));
  ASSERT_TRUE(stats.word_vectors.has_value());
  EXPECT_EQ(stats.word_vectors->found, 1);
  EXPECT_DOUBLE_EQ(stats.word_vectors->training_tokens_covered, 5.0 / 8);
  EXPECT_EQ(stats.sized_images, 3);
  EXPECT_EQ(stats.width.median, 30);
  EXPECT_EQ(stats.height.max, 20);
  EXPECT_THAT(to_text(stats),
              AllOf(HasSubstr("train: 2 images, 3 captions"), HasSubstr("min_count 2: 2 words; 12.5 %")));
  EXPECT_EQ(to_json(stats)["splits"]["test"]["captions"], 2);
}

TEST(CorpusStats, PairsAndImagesOfIdentities) {
  Photos photos;
  photos.corpus.has_identities = true, photos.corpus.label_names = {"4", "9"};
  photos.add("a.jpg", picture(1), Split::train, 0), photos.add("b.jpg", picture(2), Split::train, 0);
  photos.add("c.jpg", picture(3), Split::train, 1);
  photos.corpus.captions.push_back({"x", {"x"}, 0});
  const SplitStats train = stats_of(photos.corpus).splits.at(0);
  EXPECT_EQ(train.identities, 2);
  EXPECT_EQ(train.images_per_identity.max, 2);
  EXPECT_EQ(train.pairs_per_identity.min, 1);
  EXPECT_EQ(train.pairs_per_identity.max, 3);
}

}  // namespace
}  // namespace diptych

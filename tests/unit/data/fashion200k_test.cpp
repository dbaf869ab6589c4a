#include "data/fashion200k.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <set>

#include "data/sibling_captions.h"
#include "diptych/data/vocabulary.h"
#include "unit/data/corpus_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

std::string fashion_line(const std::string& path, const std::string& caption) {
  return path + "\t0.9\t" + caption + "\n";
}

/// Training: red silk dress (products 1, with two pictures, and 2), blue silk dress (3), red coat (4). Test: green and
/// navy shirts (5, 6, 7).
struct FashionSet {
  TempDir folder;
  FashionSet() {
    folder.write("labels/dress_train_detect_all.txt",
                 fashion_line("w/1/1_0.jpeg", "red silk dress") + fashion_line("w/1/1_1.jpeg", "red silk dress") +
                     fashion_line("w/2/2_0.jpeg", "red silk dress") + fashion_line("w/3/3_0.jpeg", "blue silk dress"));
    folder.write("labels/coat_train_detect_all.txt", fashion_line("w/4/4_0.jpeg", "red coat"));
    folder.write("labels/shirt_test_detect_all.txt", fashion_line("w/5/5_0.jpeg", " green men's shirt ") +
                                                         fashion_line("w/6/6_0.jpeg", "navy men's shirt") +
                                                         fashion_line("w/7/7_0.jpeg", "navy men's shirt"));
    folder.write("labels/readme.md", "not a label file");
    folder.write("test_queries.txt", "w/5/5_0.jpeg w/6/6_0.jpeg\n");
  }
  Corpus read(const std::string& more = "") const {
    const bool cut = more.find("val_share") != std::string::npos;
    return read_corpus("{type: fashion200k, root: " + folder.path().string() + (cut ? "" : ", val_share: 0") + more +
                       "}");
  }
  std::string error(const std::string& more = "") const {
    return data_error([&] { read(more); });
  }
};

std::vector<std::string> changes_of(const Corpus& corpus, Split split) {
  std::vector<std::string> out;
  for (const Modification& each : corpus.modifications)
    if (each.split == split)
      out.push_back(corpus.label_names.at(static_cast<size_t>(each.source_label)) + " > " +
                    corpus.label_names.at(static_cast<size_t>(each.target_label)) + ": " + each.text);
  return out;
}

TEST(Fashion200k, ReadsLabelsChangesAndQueries) {
  const FashionSet set;
  const Corpus corpus = set.read();
  ASSERT_EQ(corpus.images.size(), 8u);
  EXPECT_EQ(corpus.images[0].id, "w/1/1_0.jpeg");
  EXPECT_EQ(corpus.image_rows(Split::test).size(), 3u);
  EXPECT_EQ(corpus.label_names.size(), 5u);
  EXPECT_NE(corpus.images[5].label, corpus.images[6].label);
  EXPECT_EQ(corpus.images[6].label, corpus.images[7].label) << "an image answers by its caption";
  EXPECT_EQ(corpus.captions[5].text, "green men's shirt");
  EXPECT_THAT(corpus.captions[5].tokens, ElementsAre("green", "men's", "shirt"));
  EXPECT_THAT(changes_of(corpus, Split::train),
              UnorderedElementsAre("red silk dress > blue silk dress: replace red with blue",
                                   "blue silk dress > red silk dress: replace blue with red"));
  EXPECT_EQ(corpus.modifications[0].source_row, -1);
  EXPECT_EQ(corpus.modifications[0].target_row, -1);
  EXPECT_THAT(changes_of(corpus, Split::test),
              ElementsAre("green men's shirt > navy men's shirt: replace green with navy"));
  const Modification& query = corpus.modifications.back();
  EXPECT_EQ(corpus.images[static_cast<size_t>(query.source_row)].id, "w/5/5_0.jpeg");
  EXPECT_EQ(corpus.images[static_cast<size_t>(query.target_row)].id, "w/6/6_0.jpeg");
  EXPECT_EQ(query.record, 1);
  EXPECT_THAT(query.tokens, ElementsAre("replace", "green", "with", "navy"));
  EXPECT_EQ(corpus.modification_source, (set.folder / "test_queries.txt").string());
  EXPECT_THAT(corpus.notes, IsEmpty());
}

TEST(Fashion200k, WordsAsInTheCodeOfTirg) {
  const FashionSet set;
  set.folder.write("labels/more_train.txt", fashion_line("w/8/8_0.jpeg", "v-neck dot. dress"));
  const Corpus corpus = set.read(", words: stripped");
  EXPECT_THAT(corpus.captions[4].tokens, ElementsAre("red", "coat"));
  EXPECT_EQ(corpus.captions[5].text, "v-neck dotdotmark dress");
  EXPECT_THAT(corpus.captions[5].tokens, ElementsAre("vneck", "dotdotmark", "dress"));
  EXPECT_THAT(corpus.captions[6].tokens, ElementsAre("green", "mens", "shirt"));
}

TEST(Fashion200k, EditWordsMayBeUnknownAsInTheCodeOfTirg) {
  const FashionSet set;
  const Corpus all = set.read(), captions = set.read(", edit_words: captions");
  EXPECT_NE(Vocabulary::build(all, 1).id("replace"), Vocabulary::kUnknown);
  const Vocabulary known = Vocabulary::build(captions, 1);
  EXPECT_EQ(known.id("replace"), Vocabulary::kUnknown);
  EXPECT_EQ(known.id("with"), Vocabulary::kUnknown);
  EXPECT_NE(known.id("blue"), Vocabulary::kUnknown);
  EXPECT_THAT(captions.modifications.back().tokens, ElementsAre("<unk>", "<unk>", "<unk>", "<unk>"))
      << "green and navy are of test captions alone";
  EXPECT_EQ(captions.modifications.back().text, "replace green with navy");
}

TEST(Fashion200k, ValidationIsCutFromTrainByProduct) {
  FashionSet set;
  std::string lines;
  for (int i = 100; i < 140; ++i)
    for (const char* picture : {"_0", "_1"})
      lines += fashion_line(concat("w/", i, "/", i, picture, ".jpeg"), concat(i % 2 ? "red" : "blue", " silk dress"));
  set.folder.write("labels/more_train.txt", lines);
  const Corpus corpus = set.read(", val_share: 0.25, val_queries: 3");
  EXPECT_EQ(corpus.image_rows(Split::test).size(), 3u);
  std::map<std::string, std::set<Split>> splits;
  for (const CorpusImage& image : corpus.images) splits[image.id.substr(0, image.id.rfind('/'))].insert(image.split);
  for (const auto& [product, in] : splits) EXPECT_EQ(in.size(), 1u) << product;
  const size_t val = corpus.image_rows(Split::val).size();
  EXPECT_GE(val, 19u);  // 11 of 44 products; all but three have two pictures
  EXPECT_LE(val, 22u);
  EXPECT_EQ(corpus.fingerprint, set.read(", val_share: 0.25, val_queries: 3").fingerprint);
  EXPECT_NE(corpus.fingerprint, set.read(", val_share: 0.25, val_queries: 3, seed: 2").fingerprint);
  for (const Modification& each : corpus.modifications)
    if (each.split == Split::val) {
      ASSERT_GE(each.source_row, 0);
      EXPECT_EQ(corpus.images[static_cast<size_t>(each.source_row)].split, Split::val);
      EXPECT_EQ(corpus.images[static_cast<size_t>(each.source_row)].label, each.source_label);
      EXPECT_NE(each.source_label, each.target_label);
    }
  EXPECT_EQ(changes_of(corpus, Split::test).size(), 1u) << "the test split is untouched";
}

TEST(Fashion200k, SiblingsMayBeLimited) {
  const FashionSet set;
  std::string lines;
  for (int i = 0; i < 9; ++i) lines += fashion_line(concat("a", i, ".jpg"), concat("c", i, " hat"));
  set.folder.write("labels/hat_train.txt", lines);
  EXPECT_EQ(changes_of(set.read(), Split::train).size(), 2u + 9 * 8);
  EXPECT_EQ(changes_of(set.read(", siblings: 3"), Split::train).size(), 2u + 9 * 3);
  EXPECT_EQ(set.read(", siblings: 3").fingerprint, set.read(", siblings: 3").fingerprint);
}

TEST(Fashion200k, LabelFilesAreChecked) {
  {
    const FashionSet set;
    set.folder.write("labels/bad_train.txt", "w/9/9_0.jpeg\tred coat\n\nw/9/9_1.jpeg\t1\t...\n\t1\tred coat\n" +
                                                 fashion_line("w/4/4_0.jpeg", "blue coat") +
                                                 fashion_line("w/5/5_0.jpeg", "green men's shirt") +
                                                 "w/9/9_2.jpeg\t1\tred \xff coat\n");
    EXPECT_THAT(
        set.error(", words: stripped"),
        AllOf(HasSubstr("bad_train.txt:1: expected PATH<TAB>SCORE<TAB>CAPTION; got 2 cells"),
              HasSubstr("bad_train.txt:4: the path is empty"), HasSubstr("another caption of 'w/4/4_0.jpeg', first in"),
              HasSubstr("coat_train_detect_all.txt:1"), HasSubstr("split leak: 'w/5/5_0.jpeg'"),
              HasSubstr("bad_train.txt:7: invalid UTF-8 at byte")));
  }
  {
    const FashionSet set;
    set.folder.write("labels/bad_train.txt", fashion_line("w/9/9_0.jpeg", "  ") + fashion_line("w/9/9_1.jpeg", "-"));
    EXPECT_THAT(set.error(), AllOf(HasSubstr("bad_train.txt:1: the caption '' holds no word"),
                                   HasSubstr("bad_train.txt:2: the caption '-' holds no word")));
  }
  {
    const FashionSet set;
    set.folder.write("labels/train_again.txt", fashion_line("w/4/4_0.jpeg", "red coat"));
    EXPECT_THAT(set.read().notes, ElementsAre("1 lines of the label files repeat another one"));
    set.folder.write("labels/train_or_test.txt", "");
    EXPECT_THAT(set.error(), HasSubstr("the name holds both train and test"));
  }
  {
    const FashionSet set;
    std::filesystem::remove(set.folder / "labels/shirt_test_detect_all.txt");
    EXPECT_THAT(set.error(), HasSubstr("has no .txt file whose name holds 'test'"));
  }
}

TEST(Fashion200k, QueriesAreChecked) {
  const FashionSet set;
  set.folder.write(
      "test_queries.txt",
      "w/5/5_0.jpeg\nw/5/5_0.jpeg w/6/6_0.jpeg w/7/7_0.jpeg\nw/5/5_0.jpeg w/99/99_0.jpeg\n"
      "w/98/98_0.jpeg w/5/5_0.jpeg\nw/1/1_0.jpeg w/5/5_0.jpeg\nw/5/5_0.jpeg w/5/5_0.jpeg\n\xc3( w/5/5_0.jpeg\n");
  EXPECT_THAT(set.error(), AllOf(HasSubstr("test_queries.txt:1: expected two paths, SOURCE TARGET; got 1"),
                                 HasSubstr("test_queries.txt:2: expected two paths, SOURCE TARGET; got 3"),
                                 HasSubstr("test_queries.txt:3: target 'w/99/99_0.jpeg' is in no label file"),
                                 HasSubstr("test_queries.txt:4: source 'w/98/98_0.jpeg' is in no label file"),
                                 HasSubstr("test_queries.txt:5: source 'w/1/1_0.jpeg' is a training image"),
                                 HasSubstr("test_queries.txt:6: source and target are the same image"),
                                 HasSubstr("test_queries.txt:7: invalid UTF-8"), HasSubstr("unknown_queries=drop")));
  set.folder.write(
      "test_queries.txt",
      "w/5/5_0.jpeg w/6/6_0.jpeg\r\n\r\nw/6/6_0.jpeg\tw/7/7_0.jpeg\nw/5/5_0.jpeg w/6/6_0.jpeg\nw/9 w/5/5_0.jpeg\n");
  const Corpus corpus = set.read(", unknown_queries: drop");
  EXPECT_EQ(changes_of(corpus, Split::test).size(), 2u);
  EXPECT_EQ(corpus.modifications.back().record, 4);
  EXPECT_THAT(corpus.notes,
              ElementsAre("1 test queries name an image that is in no label file and were dropped",
                          "1 test queries ask for no change, both captions being equal, and were left out",
                          "1 test queries stand in the file more than once"));
  std::filesystem::remove(set.folder / "test_queries.txt");
  EXPECT_THAT(set.error(), HasSubstr("test_queries.txt"));
}

TEST(Fashion200k, NeededFilesAndMissingPictures) {
  const FashionSet set;
  EXPECT_THAT(corpus_reader("{type: fashion200k, root: /r}")->needed_files(),
              ElementsAre("/r/labels", "/r/test_queries.txt"));
  EXPECT_THAT(data_error([&] { check_images_exist(set.read()); }), HasSubstr("8 of 8 images are missing"));
}

TEST(SiblingCaptions, ShareACaptionMinusOneWholeWord) {
  const std::vector<std::string> captions = {
      "red silk dress", "blue silk dress", "red dress", "silk red dress", "sred silk dress", "hat", "cap"};
  // "red dress" is a parent, not a sibling, of the dresses with three words; its own parents are "red" and "dress".
  // "red silk dress" and "silk red dress" share "silk dress" and "red dress".
  EXPECT_THAT(sibling_captions(captions, 100),
              ElementsAre(ElementsAre(1, 3, 4), ElementsAre(0, 3, 4), IsEmpty(), ElementsAre(0, 1, 4),
                          ElementsAre(0, 1, 3), ElementsAre(6), ElementsAre(5)));
  EXPECT_THAT(sibling_captions({"a a", "b a"}, 100), ElementsAre(ElementsAre(1), ElementsAre(0)));
  EXPECT_THAT(sibling_captions({}, 0), IsEmpty());
  EXPECT_THAT(data_error([] {
                sibling_captions({"a x", "b x", "c x"}, 5);
              }),
              AllOf(HasSubstr("6 pairs that differ in one word"), HasSubstr("data.corpus.siblings")));
}

TEST(ReplacementText, NamesTheFirstDifferingWords) {
  EXPECT_EQ(replacement_text("black men's shorts", "navy blue men's shorts"), "replace black with navy");
  EXPECT_EQ(replacement_text("blue  shorts", "navy blue shorts"), "replace blue with navy");
  EXPECT_EQ(replacement_text("navy blue shorts", "blue shorts"), "replace navy with blue");
  EXPECT_EQ(replacement_text("silk red dress", "red silk dress"), "replace silk with red");
  EXPECT_EQ(replacement_text("hat", "hat black"), "replace hat with black");
}

TEST(CleanFashionCaption, NamesFourMarks) {
  EXPECT_EQ(clean_fashion_caption(" a. b? c & d* "), "adotmark bquestionmark c andmark dstarmark");
}

TEST(Fashion200k, RealDataHasItsQueries) {
  const char* root = std::getenv("DIPTYCH_DATA");
  if (!root) GTEST_SKIP() << "skipped: DIPTYCH_DATA is not set";
  const auto folder = std::filesystem::path(root) / "fashion";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "skipped: " << folder << " is not there";
  const Corpus corpus = read_corpus("{type: fashion200k, root: " + folder.string() + "}");
  EXPECT_EQ(changes_of(corpus, Split::test).size(), 1695u);
  EXPECT_EQ(corpus.images.size(), 4357u);
  EXPECT_EQ(corpus.image_rows(Split::test).size(), 892u);
  EXPECT_THAT(corpus.notes, Not(Contains(HasSubstr("more than once"))));
  EXPECT_THAT(corpus.notes, Not(Contains(HasSubstr("no change"))));
  // All 3,465 images of the lists train: 17,728 ordered pairs of their 878 captions differ in one word.
  const Corpus whole = read_corpus("{type: fashion200k, val_share: 0, root: " + folder.string() + "}");
  EXPECT_EQ(changes_of(whole, Split::train).size(), 17728u);
}

}  // namespace
}  // namespace diptych::testing

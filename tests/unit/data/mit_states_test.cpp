#include "data/mit_states.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <map>
#include <set>

#include "data/attribute_table.h"
#include "support/slurp.h"
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

std::vector<std::string> states_of(const Corpus& corpus, Split split) {
  std::vector<std::string> out;
  for (const Modification& each : corpus.modifications)
    if (each.split == split)
      out.push_back((each.source_row < 0 ? "" : corpus.images.at(static_cast<size_t>(each.source_row)).id + " = ") +
                    corpus.label_names.at(static_cast<size_t>(each.source_label)) + " > " +
                    corpus.label_names.at(static_cast<size_t>(each.target_label)) + ": " + each.text);
  return out;
}

/// Apples (sliced, unripe) and a door train, tomatoes (moldy, sliced) test.
struct StatesSet {
  TempDir folder;
  StatesSet() {
    for (const char* file : {"sliced apple/a.jpg", "sliced apple/b.JPG", "unripe apple/c.png", "open door/d.jpg",
                             "moldy tomato/e.jpg", "sliced tomato/f.jpg", "adj tomato/g.jpg"})
      folder.write(std::string("images/") + file, "");
  }
  Corpus read(const std::string& more = "") const {
    const bool cut = more.find("val_share") != std::string::npos;
    return read_corpus("{type: mit_states, root: " + folder.path().string() + (cut ? "" : ", val_share: 0") + more +
                       "}");
  }
  std::string error(const std::string& more = "") const {
    return data_error([&] { read(more); });
  }
};

TEST(MitStates, ReadsFoldersByTheTestNouns) {
  const StatesSet set;
  const Corpus corpus = set.read();
  ASSERT_EQ(corpus.images.size(), 6u);  // without the folder of "adj"
  EXPECT_EQ(corpus.images[1].id, "sliced apple/a.jpg");
  EXPECT_EQ(corpus.label_names.at(static_cast<size_t>(corpus.images[1].label)), "sliced apple");
  EXPECT_EQ(corpus.captions[1].text, "sliced apple");
  EXPECT_EQ(corpus.image_rows(Split::test).size(), 2u);
  EXPECT_THAT(states_of(corpus, Split::train),
              UnorderedElementsAre("sliced apple > unripe apple: unripe", "unripe apple > sliced apple: sliced"));
  EXPECT_THAT(states_of(corpus, Split::test), ElementsAre("moldy tomato/e.jpg = moldy tomato > sliced tomato: sliced",
                                                          "sliced tomato/f.jpg = sliced tomato > moldy tomato: moldy"));
  EXPECT_THAT(corpus.modifications.back().tokens, ElementsAre("moldy"));
  EXPECT_THAT(corpus.notes, IsEmpty());
  check_images_exist(corpus);
}

TEST(MitStates, TheOwnAdjectiveMayBeAskedForAsInTheCodeOfTirg) {
  const StatesSet set;
  EXPECT_THAT(states_of(set.read(", exclude_own_adjective: false"), Split::train),
              UnorderedElementsAre("sliced apple > unripe apple: unripe", "unripe apple > sliced apple: sliced",
                                   "sliced apple > sliced apple: sliced", "unripe apple > unripe apple: unripe",
                                   "open door > open door: open"));
}

TEST(MitStates, OtherTestNounsMayBeNamed) {
  const StatesSet set;
  const Corpus corpus = set.read(", test_nouns: [Apple]");
  EXPECT_EQ(corpus.image_rows(Split::test).size(), 3u);
  EXPECT_EQ(states_of(corpus, Split::test).size(), 3u) << "each image has one other adjective";
  EXPECT_THAT(
      set.error(", test_nouns: [aple]"),
      AllOf(HasSubstr("data.corpus.test_nouns"), HasSubstr("no image shows the noun 'aple'"), HasSubstr("apple")));
}

TEST(MitStates, ValidationNounsAreCutFromTrain) {
  StatesSet set;
  for (const char* noun : {"bear", "boat", "car", "dog"})
    for (const char* adjective : {"big", "small"})
      set.folder.write(concat("images/", adjective, " ", noun, "/x.jpg"), "");
  const Corpus corpus = set.read(", val_share: 0.3");  // 2 of apple, bear, boat, car, dog, door
  std::map<std::string, std::set<Split>> splits;
  for (const CorpusImage& image : corpus.images)
    splits[corpus.label_names[static_cast<size_t>(image.label)].substr(
               corpus.label_names[static_cast<size_t>(image.label)].find(' '))]
        .insert(image.split);
  size_t val = 0;
  for (const auto& [noun, in] : splits) {
    EXPECT_EQ(in.size(), 1u) << noun;
    val += in.contains(Split::val);
  }
  EXPECT_EQ(val, 2u);
  EXPECT_EQ(corpus.image_rows(Split::test).size(), 2u);
  EXPECT_EQ(corpus.fingerprint, set.read(", val_share: 0.3").fingerprint);
}

TEST(MitStates, FoldersAreChecked) {
  StatesSet set;
  set.folder.write("images/ripe green apple/x.jpg", "");
  set.folder.write("images/apple/x.jpg", "");
  EXPECT_THAT(set.error(), AllOf(HasSubstr("ripe green apple: the name is not \"adjective noun\""),
                                 HasSubstr("images/apple: the name is not"), HasSubstr("data.corpus.table")));
  const StatesSet other;
  other.folder.write("images/sliced apple/notes.txt", "");
  other.folder.write("images/.hidden/x.jpg", "");
  other.folder.write("images/list.txt", "");
  EXPECT_THAT(other.read().notes, ElementsAre("1 files of 'sliced apple' are no .jpg, .jpeg or .png"));
  const TempDir empty;
  EXPECT_THAT(data_error([&] { read_corpus("{type: mit_states, root: " + empty.path().string() + "}"); }),
              HasSubstr("holds no image"));
  const TempDir odd;
  odd.write("images/-- apple/x.jpg", ""), odd.write("images/ripe apple/x.jpg", "");
  EXPECT_THAT(data_error([&] { read_corpus("{type: mit_states, val_share: 0, root: " + odd.path().string() + "}"); }),
              AllOf(HasSubstr("-- apple/x.jpg"), HasSubstr("the adjective '--' holds no word")));
}

/// A table in the manner of Fashion200k's stand-in: colours as adjectives, types as nouns.
struct TableSet {
  TempDir folder;
  explicit TableSet(const std::string& text) { folder.write("metadata.tsv", text); }
  Corpus read(const std::string& more = "") const {
    return read_corpus(
        "{type: mit_states, val_share: 0, table: metadata.tsv, adjective_column: colour, noun_column: article_type, "
        "root: " +
        folder.path().string() + more + "}");
  }
  std::string error(const std::string& more = "") const {
    return data_error([&] { read(more); });
  }
};

TEST(MitStates, ReadsATableOfOtherAttributesAndObjects) {
  const TableSet set(
      "file\tsplit\tcolour\tarticle_type\tprice\r\n"
      "a.jpg\ttrain\tNavy Blue\tSports Shoes\t1\r\nb.jpg\ttrain\tRed\tSports  shoes\t2\r\n"
      "c.jpg\tval\tRed\tSports Shoes\t\r\nd.jpg\tval\tNavy Blue\tSports Shoes\t\r\n"
      "e.jpg\ttest\tRed\tShirts\t\r\nf.jpg\ttest\tGreen\tShirts\t\r\ng.jpg\ttest\tGreen\tHats\t\r\n");
  const Corpus corpus = set.read();
  EXPECT_THAT(corpus.label_names,
              ElementsAre("navy_blue sports_shoes", "red sports_shoes", "red shirts", "green shirts", "green hats"));
  EXPECT_EQ(corpus.captions[0].text, "navy blue sports shoes");
  EXPECT_THAT(states_of(corpus, Split::train),
              UnorderedElementsAre("navy_blue sports_shoes > red sports_shoes: red",
                                   "red sports_shoes > navy_blue sports_shoes: navy blue"));
  EXPECT_THAT(corpus.modifications[1].tokens, ElementsAre("navy", "blue"));
  EXPECT_THAT(states_of(corpus, Split::val), ElementsAre("c.jpg = red sports_shoes > navy_blue sports_shoes: navy blue",
                                                         "d.jpg = navy_blue sports_shoes > red sports_shoes: red"));
  EXPECT_THAT(states_of(corpus, Split::test),
              ElementsAre("e.jpg = red shirts > green shirts: green", "f.jpg = green shirts > red shirts: red"));
  // With test nouns, the column does not count.
  const Corpus nouns = set.read(", test_nouns: ['Sports shoes']");
  EXPECT_EQ(nouns.image_rows(Split::test).size(), 4u);
  EXPECT_EQ(nouns.image_rows(Split::train).size(), 3u);
}

TEST(MitStates, TablesWithoutSplitAndWithCommas) {
  const TableSet set("article_type,colour,file\ntomato,red,a.jpg\ntomato,green,b.jpg\nhat,red,c.jpg\nhat,blue,d.jpg\n");
  const Corpus corpus = set.read();
  EXPECT_EQ(states_of(corpus, Split::train).size(), 2u);
  EXPECT_EQ(states_of(corpus, Split::test).size(), 2u) << "tomato is one of the 49 nouns";
}

TEST(MitStates, TablesAreChecked) {
  EXPECT_THAT(TableSet("file\tcolor\tarticle_type\n").error(),
              AllOf(HasSubstr("metadata.tsv:1: the first line names no column 'colour'"), HasSubstr("color")));
  EXPECT_THAT(TableSet("file\tcolour\tcolour\tarticle_type\n").error(), HasSubstr("names column 'colour' twice"));
  EXPECT_THAT(TableSet("").error(), HasSubstr("is empty; the first line must name the columns"));
  EXPECT_THAT(TableSet("file\tcolour\tarticle_type\n").error(), HasSubstr("holds no image"));
  EXPECT_THAT(
      TableSet("file,colour,article_type,split\na,red,hat\n,red,hat,test\nb,,hat,test\nc,red,,test\n"
               "d,red,hat,tset\n\"e\",red,hat,test\nf,\xff,hat,test\n")
          .error(),
      AllOf(HasSubstr("metadata.tsv:2: expected 4 cells as in the first line; got 3"),
            HasSubstr("metadata.tsv:3: the cell of column 'file' is empty"),
            HasSubstr("metadata.tsv:4: the cell of column 'colour' is empty"),
            HasSubstr("metadata.tsv:5: the cell of column 'article_type' is empty"),
            HasSubstr("metadata.tsv:6: unknown split 'tset'"), HasSubstr("metadata.tsv:7: a cell begins with a quote"),
            HasSubstr("metadata.tsv:8: invalid UTF-8")));
  EXPECT_THAT(TableSet("file,colour,article_type,split\na,red,hat,train\na,blue,hat,train\n").error(),
              AllOf(HasSubstr("metadata.tsv:3"), HasSubstr("duplicate image id")));
  EXPECT_THAT(TableSet("file,colour,article_type,split\na,red,hat,train\nb,blue,cap,train\n").error(),
              HasSubstr("gives no query of composed retrieval"));
}

TEST(MitStates, RealPicturesServeAsAttributesAndObjects) {
  const char* root = std::getenv("DIPTYCH_DATA");
  if (!root) GTEST_SKIP() << "skipped: DIPTYCH_DATA is not set";
  const auto folder = std::filesystem::path(root) / "fashion";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "skipped: " << folder << " is not there";
  const Corpus corpus = read_corpus(
      "{type: mit_states, table: metadata.tsv, adjective_column: colour, noun_column: article_type, root: " +
      folder.string() + "}");
  EXPECT_EQ(corpus.image_rows(Split::train).size(), 2999u);
  EXPECT_EQ(corpus.image_rows(Split::val).size(), 466u);
  EXPECT_EQ(corpus.image_rows(Split::test).size(), 892u);
  EXPECT_FALSE(states_of(corpus, Split::test).empty());
}

// ------------------------------------------------------------------------------------------------ mit_states_comp

/// Bytes of a .t7 file: numbers, text and tables as torch.save writes them, little endian.
class Torch7Bytes {
 public:
  Torch7Bytes& integer(int32_t value) { return append(&value, sizeof value); }
  Torch7Bytes& number(double value) { return integer(1).append(&value, sizeof value); }
  Torch7Bytes& text(const std::string& value) {
    integer(2).integer(static_cast<int32_t>(value.size()));
    return append(value.data(), value.size());
  }
  Torch7Bytes& table(int32_t entries) { return integer(3).integer(++tables_).integer(entries); }
  const std::string& bytes() const { return bytes_; }

 private:
  Torch7Bytes& append(const void* data, size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
    return *this;
  }
  std::string bytes_;
  int32_t tables_ = 0;
};

struct CompImage {
  std::string image, attr, obj;
};
const std::vector<CompImage> kCompImages = {{"ripe apple/1.jpg", "ripe", "apple"},
                                            {"old door/2.jpg", "old", "door"},
                                            {"old apple/3.jpg", "old", "apple"},
                                            {"adj apple/4.jpg", "NA", "apple"},
                                            {"new hat/5.jpg", "new", "hat"}};

/// Pairs "ripe apple" and "old door" train, "old apple" tests.
struct CompSet {
  TempDir folder;
  CompSet() {
    folder.write("compositional-split/train_pairs.txt", "ripe apple\nold door\n");
    folder.write("compositional-split/test_pairs.txt", "old apple\r\nopen door\r\n");
    std::string table = "image\tattr\tobj\n";
    for (const CompImage& each : kCompImages) table += each.image + "\t" + each.attr + "\t" + each.obj + "\n";
    folder.write("metadata.tsv", table);
    Torch7Bytes list;
    list.table(static_cast<int32_t>(kCompImages.size()));
    double index = 1;
    for (const CompImage& each : kCompImages)
      list.number(index++)
          .table(3)
          .text("image")
          .text(each.image)
          .text("attr")
          .text(each.attr)
          .text("obj")
          .text(each.obj);
    folder.write("metadata.t7", list.bytes());
  }
  Corpus read(const std::string& more = "") const {
    const bool cut = more.find("val_share") != std::string::npos;
    return read_corpus("{type: mit_states_comp, root: " + folder.path().string() + (cut ? "" : ", val_share: 0") +
                       more + "}");
  }
  std::string error(const std::string& more = "") const {
    return data_error([&] { read(more); });
  }
};

TEST(MitStatesComp, ReadsPairsOfBothForms) {
  const CompSet set;
  for (const char* more : {"", ", metadata: metadata.tsv"}) {
    const Corpus corpus = set.read(more);
    ASSERT_EQ(corpus.images.size(), 3u) << more;
    EXPECT_THAT(corpus.label_names, UnorderedElementsAre("ripe apple", "old door", "old apple"));
    EXPECT_EQ(corpus.label_names.at(static_cast<size_t>(corpus.images[2].label)), "old apple");
    EXPECT_EQ(corpus.images[2].split, Split::test);
    EXPECT_EQ(corpus.images[2].id, "old apple/3.jpg");
    EXPECT_THAT(corpus.captions[2].tokens, ElementsAre("old", "apple"));
    EXPECT_EQ(corpus.train_classes(), 2);
    EXPECT_THAT(corpus.modifications, IsEmpty());
    EXPECT_THAT(corpus.notes, ElementsAre("1 images without an attribute (NA) were left out",
                                          "1 images are of a pair in neither list and were left out",
                                          "1 pairs of the lists have no image"));
  }
}

TEST(MitStatesComp, FindsFoldersWithUnderscores) {
  const CompSet set;
  set.folder.write("images/old_apple/3.jpg", "");
  EXPECT_EQ(set.read().images[2].path, "old_apple/3.jpg");
}

TEST(MitStatesComp, ValidationPairsAreCutFromTrain) {
  const CompSet set;
  const Corpus corpus = set.read(", val_share: 0.5");
  EXPECT_EQ(corpus.image_rows(Split::train).size(), 1u);
  EXPECT_EQ(corpus.image_rows(Split::val).size(), 1u);
  EXPECT_EQ(corpus.image_rows(Split::test).size(), 1u);
}

TEST(MitStatesComp, FilesAreChecked) {
  const CompSet set;
  set.folder.write("compositional-split/test_pairs.txt", "old door\nripe\nopen door\nopen door\nx\xff y\n");
  EXPECT_THAT(set.error(), AllOf(HasSubstr("test_pairs.txt:1: split leak: 'old door'"), HasSubstr("train_pairs.txt:2"),
                                 HasSubstr("test_pairs.txt:2: expected \"attribute object\"; got 1 words"),
                                 HasSubstr("test_pairs.txt:4: duplicate pair 'open door'"),
                                 HasSubstr("test_pairs.txt:5: invalid UTF-8")));
  const CompSet cut;
  const std::string whole = slurp(cut.folder / "metadata.t7");
  cut.folder.write("metadata.t7", whole.substr(0, whole.size() / 2));
  EXPECT_THAT(cut.error(), HasSubstr("metadata.t7"));
  Torch7Bytes odd;
  odd.table(2).number(1).number(7).number(2).table(1).text("image").text("a.jpg");
  cut.folder.write("metadata.t7", odd.bytes());
  EXPECT_THAT(cut.error(), AllOf(HasSubstr("metadata.t7 record 0: expected a table {image, attr, obj}"),
                                 HasSubstr("metadata.t7 record 1: the table has no text 'attr'")));
  cut.folder.write("metadata.t7", Torch7Bytes().number(3).bytes());
  EXPECT_THAT(cut.error(), HasSubstr("expected a list of tables"));
  EXPECT_THAT(cut.error(", metadata: metadata.csv"), HasSubstr("metadata.csv"));
  EXPECT_THAT(
      corpus_reader("{type: mit_states_comp, root: /r}")->needed_files(),
      ElementsAre("/r/compositional-split/train_pairs.txt", "/r/compositional-split/test_pairs.txt", "/r/metadata.t7"));
}

TEST(LabelWord, HasNoSpaceInside) {
  EXPECT_EQ(label_word("  Navy  Blue "), "navy_blue");
  EXPECT_EQ(label_word("red"), "red");
  EXPECT_EQ(spoken("navy_blue"), "navy blue");
}

}  // namespace
}  // namespace diptych::testing

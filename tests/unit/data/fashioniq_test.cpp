#include "data/fashioniq.h"

#include <gmock/gmock.h>

#include "unit/data/corpus_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

/// One category: a, b, c train, d is seen by no query; v, w and the unqueried x are the released val.
struct IqSet {
  TempDir folder;
  IqSet() {
    folder.write("image_splits/split.dress.train.json", R"(["a", "b", "c", "d"])");
    folder.write("image_splits/split.dress.val.json", R"(["v", "w", "x"])");
    folder.write("captions/cap.dress.train.json", R"([
      {"candidate": "a", "target": "b", "captions": ["is red", "has long sleeves"]},
      {"target": "c", "candidate": "b", "captions": ["is shorter", " "]}])");
    folder.write("captions/cap.dress.val.json",
                 R"([{"candidate": "v", "target": "w", "captions": ["is blue", "Darker"]}])");
  }
  Corpus read(const std::string& more = ", val_share: 0") const {
    return read_corpus("{type: fashioniq, categories: [dress], root: " + folder.path().string() + more + "}");
  }
  std::string error() const {
    return data_error([&] { read(); });
  }
};

std::vector<std::string> asked(const Corpus& corpus) {
  std::vector<std::string> out;
  for (const Modification& each : corpus.modifications)
    out.push_back(concat(enum_text(each.split), " ", corpus.images.at(static_cast<size_t>(each.source_row)).id, " > ",
                         corpus.images.at(static_cast<size_t>(each.target_row)).id, ": ", each.text));
  return out;
}

TEST(FashionIq, ReadsQueriesAndGallery) {
  const IqSet set;
  const Corpus corpus = set.read();
  EXPECT_EQ(corpus.images.size(), 7u);
  EXPECT_EQ(corpus.images[0].id, "dress/a");
  EXPECT_EQ(corpus.images[0].path, "a.jpg");
  EXPECT_EQ(corpus.image_rows(Split::test).size(), 3u);
  EXPECT_THAT(corpus.captions, IsEmpty());
  EXPECT_THAT(asked(corpus),
              ElementsAre("train dress/a > dress/b: is red and has long sleeves",
                          "train dress/a > dress/b: has long sleeves and is red", "train dress/b > dress/c: is shorter",
                          "test dress/v > dress/w: is blue and Darker"));
  const Modification& query = corpus.modifications.back();
  EXPECT_THAT(query.tokens, ElementsAre("is", "blue", "and", "darker"));
  EXPECT_EQ(query.target_label, corpus.images[static_cast<size_t>(query.target_row)].label);
  EXPECT_EQ(query.source_label, corpus.images[static_cast<size_t>(query.source_row)].label);
  EXPECT_THAT(corpus.notes, ElementsAre("1 queries have a caption without words, which was left out"));
}

TEST(FashionIq, OneOrderAndTheSmallerGallery) {
  const IqSet set;
  const Corpus corpus = set.read(", val_share: 0, both_orders: false, gallery: val");
  EXPECT_EQ(corpus.modifications.size(), 3u);
  EXPECT_EQ(corpus.images.size(), 5u);
  EXPECT_EQ(corpus.image_rows(Split::test).size(), 2u);
  EXPECT_THAT(asked(corpus),
              ElementsAre("train dress/a > dress/b: is red and has long sleeves", "train dress/b > dress/c: is shorter",
                          "test dress/v > dress/w: is blue and Darker"));
}

TEST(FashionIq, ValidationIsCutFromTrainAndTheReleasedValTests) {
  IqSet set;
  std::string list = "[", captions = "[";
  for (int i = 0; i < 60; ++i) {
    list += concat(i ? "," : "", "\"i", i, "\"");
    if (i % 3)
      captions += concat(captions.size() > 1 ? "," : "", R"({"candidate": "i)", i, R"(", "target": "i)", i - 1,
                         R"(", "captions": ["is x", "is y"]})");
  }
  set.folder.write("image_splits/split.dress.train.json", list + "]");
  set.folder.write("captions/cap.dress.train.json", captions + "]");
  const Corpus corpus = set.read(", val_share: 0.2");
  EXPECT_EQ(corpus.image_rows(Split::val).size(), 12u);
  EXPECT_EQ(corpus.image_rows(Split::test).size(), 3u);
  size_t val = 0;
  for (const Modification& each : corpus.modifications) {
    EXPECT_EQ(corpus.images[static_cast<size_t>(each.source_row)].split, each.split);
    EXPECT_EQ(corpus.images[static_cast<size_t>(each.target_row)].split, each.split);
    val += each.split == Split::val;
  }
  EXPECT_EQ(val, 8u) << "four chains of three images, two queries each, in one order";
  EXPECT_EQ(corpus.modifications.size(), 2u * 32 + 8 + 1) << "nothing is lost";
  EXPECT_THAT(corpus.notes, IsEmpty());
}

TEST(FashionIq, CategoriesKeepTheirImagesApart) {
  const IqSet set;
  set.folder.write("image_splits/split.shirt.train.json", R"(["a", "v"])");
  set.folder.write("image_splits/split.shirt.val.json", R"(["s", "t"])");
  set.folder.write("captions/cap.shirt.train.json", R"([{"candidate": "a", "target": "v", "captions": ["x", "y"]}])");
  set.folder.write("captions/cap.shirt.val.json", R"([{"candidate": "s", "target": "t", "captions": ["x", "y"]}])");
  const Corpus corpus = read_corpus(
      "{type: fashioniq, val_share: 0, categories: [dress, shirt], root: " + set.folder.path().string() + "}");
  std::vector<std::string> ids;
  for (const CorpusImage& image : corpus.images) ids.push_back(image.id);
  EXPECT_THAT(ids, UnorderedElementsAre("dress/a", "dress/b", "dress/c", "dress/d", "dress/v", "dress/w", "dress/x",
                                        "shirt/a", "shirt/v", "shirt/s", "shirt/t"));
}

TEST(FashionIq, RecordsAreChecked) {
  IqSet set;
  set.folder.write("captions/cap.dress.val.json", R"([
    {"candidate": "v", "target": "nope", "captions": ["x"]}, {"candidate": "a", "target": "w", "captions": ["x"]},
    {"candidate": "v", "target": "w", "captions": []}, {"candidate": "v", "target": "w", "captions": ["", "?"]},
    {"candidate": "v", "target": "v", "captions": ["x"]}, {"candidate": "v", "captions": ["x"]},
    {"candidate": "v", "target": "w", "captions": "x"}, 4])");
  EXPECT_THAT(set.error(),
              AllOf(HasSubstr("cap.dress.val.json record 0: target 'nope' is no image of"),
                    HasSubstr("record 1: candidate 'a' is no image of"), HasSubstr("split.dress.val.json"),
                    HasSubstr("record 2: 0 captions, none of which holds a word"),
                    HasSubstr("record 3: 2 captions, none of which holds a word"),
                    HasSubstr("record 4: candidate and target are the same image"),
                    HasSubstr("record 5: field 'target' is missing"),
                    HasSubstr("record 6: field 'captions' must be a list"), HasSubstr("record 7: expected an object")));
  set.folder.write("captions/cap.dress.val.json", R"([{"candidate": "v", "tar)");
  EXPECT_THAT(set.error(), HasSubstr("cap.dress.val.json"));
  set.folder.write("captions/cap.dress.val.json", "{}");
  EXPECT_THAT(set.error(), HasSubstr("expected a list of {candidate, target, captions}"));
  const IqSet lists;
  lists.folder.write("image_splits/split.dress.val.json", R"(["v", "w", 3, "v", ""])");
  EXPECT_THAT(lists.error(),
              AllOf(HasSubstr("split.dress.val.json record 2: expected an image id; got 3"),
                    HasSubstr("record 3: image 'v' is listed twice"), HasSubstr("record 4: expected an image id")));
  lists.folder.write("image_splits/split.dress.val.json", "[\"v\xff\"]");
  EXPECT_THAT(lists.error(), HasSubstr("split.dress.val.json"));
  lists.folder.write("image_splits/split.dress.val.json", R"(["v", "w", "a"])");
  EXPECT_THAT(lists.error(), HasSubstr("split leak"));
  std::filesystem::remove(lists.folder / "image_splits/split.dress.val.json");
  EXPECT_THAT(lists.error(), HasSubstr("split.dress.val.json"));
}

TEST(FashionIq, RepeatedQueriesAreCountedAndNoCategoryIsRefused) {
  const IqSet set;
  set.folder.write("captions/cap.dress.val.json", R"([{"candidate": "v", "target": "w", "captions": ["x", "y"]},
                                                      {"candidate": "v", "target": "w", "captions": ["x", "y"]}])");
  EXPECT_THAT(set.read().notes, ::testing::Contains("1 queries stand in the files more than once"));
  EXPECT_THROW(read_corpus("{type: fashioniq, categories: [], root: " + set.folder.path().string() + "}"), UsageError);
  EXPECT_THAT(corpus_reader("{type: fashioniq, categories: [shirt], root: /r}")->needed_files(),
              ElementsAre("/r/captions/cap.shirt.train.json", "/r/image_splits/split.shirt.train.json",
                          "/r/captions/cap.shirt.val.json", "/r/image_splits/split.shirt.val.json"));
}

}  // namespace
}  // namespace diptych::testing

#include "diptych/data/corpus.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>

#include "corpus_fixture.h"
#include "diptych/core/io/json.h"

namespace diptych {
namespace {

using namespace testing;  // fixtures
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const char* kKarpathy = R"({"images": [
  {"filename": "b.jpg", "imgid": 10, "split": "test", "sentids": [3], "sentences": [
    {"raw": "A Dog runs .", "tokens": ["a", "dog", "runs"], "imgid": 10, "sentid": 3}]},
  {"filename": "a.jpg", "imgid": 2, "split": "train", "sentids": [0, 1], "sentences": [
    {"raw": "Two cats", "tokens": ["two", "cats"], "imgid": 2, "sentid": 0},
    {"raw": "It's late!", "tokens": ["It's", "late"], "imgid": 2, "sentid": 1}]},
  {"filename": "c.jpg", "filepath": "val2014", "imgid": 7, "split": "restval", "sentences": [
    {"raw": "a tree", "tokens": ["a", "tree"], "imgid": 7, "sentid": 4}]}], "dataset": "tiny"})";

struct KarpathySet {
  TempDir folder;
  explicit KarpathySet(const std::string& json) { folder.write("dataset_tiny.json", json); }
  Corpus read(const std::string& more = "") const {
    return read_corpus("{type: karpathy, annotations: dataset_tiny.json, root: " + folder.path().string() + more + "}");
  }
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string karpathy_error(const std::string& from, const std::string& to) {
  return data_error([&] { KarpathySet(replaced(kKarpathy, from, to)).read(); });
}

// ------------------------------------------------------------------------------------------------ readers

TEST(Karpathy, ReadsImagesCaptionsAndSplits) {
  const Corpus corpus = KarpathySet(kKarpathy).read();
  EXPECT_EQ(corpus.name, "tiny");
  ASSERT_EQ(corpus.images.size(), 3u);
  EXPECT_EQ(corpus.images[0].path, "a.jpg");  // train, then restval, then test
  EXPECT_EQ(corpus.images[1].id, "7");
  EXPECT_EQ(corpus.images[1].split, Split::rest);
  EXPECT_EQ(corpus.images[2].label, 2);
  ASSERT_EQ(corpus.captions.size(), 4u);
  EXPECT_EQ(corpus.captions[0].text, "Two cats");
  EXPECT_THAT(corpus.captions[1].tokens, ElementsAre("it's", "late"));  // lower-cased
  EXPECT_EQ(corpus.captions[3].image_row, 2);
  EXPECT_FALSE(corpus.has_identities);
  EXPECT_EQ(corpus.train_classes(), 1);
  EXPECT_THAT(corpus.captions_of_images(), ElementsAre(ElementsAre(0, 1), ElementsAre(2), ElementsAre(3)));
}
TEST(Karpathy, MergesRestvalOnlyWhenAsked) {
  const KarpathySet set(kKarpathy);
  EXPECT_THAT(set.read().image_rows(Split::train), ElementsAre(0));
  const Corpus merged = set.read(", merge_restval: true");
  EXPECT_THAT(merged.image_rows(Split::train), ElementsAre(0, 1));
  EXPECT_THAT(merged.caption_rows(Split::train), ElementsAre(0, 1, 2));
  EXPECT_EQ(merged.train_classes(), 2);
  EXPECT_THAT(merged.notes, Contains(HasSubstr("1 restval images were merged")));
}
TEST(Karpathy, OwnTokensComeFromTheRawCaption) {
  const KarpathySet set(replaced(kKarpathy, R"(["a", "dog", "runs"])", R"(["other"])"));
  EXPECT_THAT(set.read().captions[3].tokens, ElementsAre("other"));
  EXPECT_THAT(set.read(", tokens: own").captions[3].tokens, ElementsAre("a", "dog", "runs"));
}
TEST(Karpathy, FindsImagesInAnyFolderDepth) {
  const KarpathySet set(kKarpathy);
  set.folder.write("images/a.jpg", "x");
  set.folder.write("images/val2014/c.jpg", "x");
  set.folder.write("images/some/where/b.jpg", "x");
  const Corpus corpus = set.read();
  EXPECT_EQ(corpus.images[0].path, "a.jpg");
  EXPECT_EQ(corpus.images[1].path, "val2014/c.jpg");
  EXPECT_EQ(corpus.images[2].path, "some/where/b.jpg");
  EXPECT_NO_THROW(check_images_exist(corpus));
}
TEST(Karpathy, RefusesAnAmbiguousImageName) {
  const KarpathySet set(kKarpathy);
  set.folder.write("images/x/b.jpg", "x");
  set.folder.write("images/y/b.jpg", "x");
  EXPECT_THAT(data_error([&] { set.read(); }), HasSubstr("'b.jpg' is in 2 folders: x/b.jpg, y/b.jpg"));
}
TEST(Karpathy, ReportsADifferenceFromThePublishedCounts) {
  const Corpus corpus = KarpathySet(replaced(kKarpathy, "tiny", "flickr8k")).read();
  EXPECT_THAT(corpus.notes, Contains("train has 1 images; published for flickr8k: 6000"));
  EXPECT_THAT(corpus.notes, Contains("test has 1 captions; published for flickr8k: 5000"));
  EXPECT_THAT(KarpathySet(kKarpathy).read().notes, IsEmpty());
}
TEST(Karpathy, ASentenceOfAnotherImageIsRefused) {
  EXPECT_THAT(karpathy_error(R"("imgid": 10, "sentid")", R"("imgid": 2, "sentid")"), HasSubstr("belongs to imgid 2"));
}

TEST(CocoCaptions, OrdersCaptionsByAnnotationId) {
  const TempDir folder;
  folder.write(
      "t.json",
      R"({"info": {}, "images": [{"id": 9, "file_name": "z.jpg", "height": 3}, {"id": 4, "file_name": "y.jpg"}],
    "annotations": [{"id": 30, "image_id": 9, "caption": "last one\n"}, {"id": 5, "image_id": 9, "caption": "First One"},
                    {"id": 6, "image_id": 4, "caption": "a cat"}]})");
  folder.write(
      "v.json",
      R"({"images": [{"id": 1, "file_name": "v.jpg"}], "annotations": [{"id": 7, "image_id": 1, "caption": "v"}]})");
  const std::string yaml =
      "{type: coco_captions, root: " + folder.path().string() + ", annotations: t.json, val_annotations: v.json";
  const Corpus corpus = read_corpus(yaml + "}");
  ASSERT_EQ(corpus.images.size(), 3u);
  EXPECT_EQ(corpus.images[0].id, "4");
  EXPECT_EQ(corpus.captions[1].text, "First One");
  EXPECT_EQ(corpus.captions[2].text, "last one");
  EXPECT_EQ(corpus.images[2].split, Split::val);

  folder.write("split.txt", "z.jpg test\n4 train\n");
  const Corpus anew = read_corpus(yaml + ", split_file: split.txt}");
  ASSERT_EQ(anew.images.size(), 2u);
  EXPECT_EQ(anew.images[1].split, Split::test);
  EXPECT_THAT(anew.notes, Contains(HasSubstr("1 images are not in split.txt")));
}
TEST(CocoCaptions, RefusesAnnotationsWithoutImage) {
  const TempDir folder;
  folder.write("t.json", R"({"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}],
    "annotations": [{"id": 1, "image_id": 2, "caption": "x"}, {"id": 1, "image_id": 1, "caption": "x"}]})");
  const auto read = [&] {
    read_corpus("{type: coco_captions, root: " + folder.path().string() + ", annotations: t.json}");
  };
  EXPECT_THAT(data_error(read), AllOf(HasSubstr("image_id 2 is not among the images"), HasSubstr("duplicate image id"),
                                      HasSubstr("duplicate annotation id")));
}

TEST(FlickrToken, ReadsTokensAndListsWithAndWithoutExtension) {
  const TempDir folder;
  folder.write("Flickr8k.token.txt", "b.jpg#1\tsecond\r\nb.jpg#0\tFirst one .\na.jpg#0\tA man\nleft.jpg#0\tout\n");
  folder.write("train.txt", "b.jpg\n");
  folder.write("test.txt", "a\n");
  const std::string yaml = "{type: flickr_token, name: x, root: " + folder.path().string() +
                           ", train_list: train.txt, test_list: test.txt, val_list: ";
  const Corpus corpus = read_corpus(yaml + "''}");
  ASSERT_EQ(corpus.images.size(), 2u);
  EXPECT_EQ(corpus.captions[0].text, "First one .");
  EXPECT_THAT(corpus.captions[0].tokens, ElementsAre("first", "one"));
  EXPECT_EQ(corpus.captions[1].text, "second");
  EXPECT_EQ(corpus.images[1].id, "a.jpg");
  EXPECT_THAT(corpus.notes, ElementsAre(HasSubstr("1 images with captions are in no split")));

  folder.write("val.txt", "\nb.jpg\nmissing.jpg\n");
  EXPECT_THAT(data_error([&] { read_corpus(yaml + "val.txt}"); }),
              AllOf(HasSubstr("val.txt:2: split leak: 'b.jpg' is also in"), HasSubstr("train.txt:1"),
                    HasSubstr("val.txt:3: image 'missing.jpg' has no captions")));
}
TEST(FlickrToken, MalformedLinesAreNamed) {
  const TempDir folder;
  folder.write("Flickr8k.token.txt", "a.jpg#0 no tab\na.jpg\tno number\na.jpg#x\tt\na.jpg#0\tt\na.jpg#0\tagain\n");
  const auto read = [&] { read_corpus("{type: flickr_token, root: " + folder.path().string() + "}"); };
  EXPECT_THAT(data_error(read),
              AllOf(HasSubstr("token.txt:1: expected NAME.jpg#k<TAB>caption"), HasSubstr("token.txt:2:"),
                    HasSubstr("caption number after #; got 'x'"), HasSubstr("token.txt:5: duplicate caption")));
}

const char* kReid = R"([
  {"split": "train", "captions": ["A man, in a T-shirt."], "file_path": "cam_a/2.jpg", "processed_tokens": [["man", "shirt"]], "id": 7},
  {"split": "train", "captions": ["a woman"], "file_path": "cam_a/1.jpg", "processed_tokens": [["woman"]], "id": 12},
  {"split": "test", "captions": ["another", "x"], "file_path": "cam_b/9.jpg", "processed_tokens": [["another"], ["x"]], "id": 3},
  {"split": "train", "captions": ["the same man"], "file_path": "cam_b/3.jpg", "processed_tokens": [["same"]], "id": 7}])";

Corpus read_reid(const std::string& json, const std::string& more = "") {
  const TempDir folder;
  folder.write("reid_raw.json", json);
  return read_corpus("{type: cuhk_pedes, root: " + folder.path().string() + more + "}");
}

TEST(CuhkPedes, RenumbersIdentitiesTrainFirst) {
  const Corpus corpus = read_reid(kReid);
  EXPECT_TRUE(corpus.has_identities);
  std::vector<int64_t> labels;
  for (const CorpusImage& image : corpus.images) labels.push_back(image.label);
  EXPECT_THAT(labels, ElementsAre(0, 1, 1, 2));  // cam_a/1 (12), cam_a/2 (7), cam_b/3 (7), cam_b/9 (3)
  EXPECT_THAT(corpus.label_names, ElementsAre("12", "7", "3"));
  EXPECT_EQ(corpus.train_classes(), 2);
  EXPECT_THAT(corpus.captions[1].tokens, ElementsAre("a", "man", "in", "a", "tshirt"));
  EXPECT_THAT(read_reid(kReid, ", tokens: annotated").captions[1].tokens, ElementsAre("man", "shirt"));
}
TEST(CuhkPedes, ReportsPublishedCountsForItsName) {
  EXPECT_THAT(read_reid(kReid, ", name: cuhk-pedes").notes,
              Contains("train has 2 identities; published for cuhk-pedes: 11003"));
  EXPECT_THAT(read_reid(kReid).notes, IsEmpty());
}
TEST(CuhkPedes, ReportsPublishedCountsOfIcfgPedesForItsName) {
  EXPECT_THAT(read_reid(kReid, ", name: ICFG-PEDES").notes,
              Contains("train has 2 identities; published for icfg-pedes: 3102"));
}
TEST(CuhkPedes, ValidationIsCutByPeople) {
  Json records = Json::array();
  for (int i = 0; i < 60; ++i)  // twenty people of three images; the last four are tested on
    records.push_back({{"split", i < 48 ? "train" : "test"},
                       {"captions", Json::array({"a man"})},
                       {"file_path", std::to_string(i) + ".jpg"},
                       {"processed_tokens", Json::array({Json::array({"a", "man"})})},
                       {"id", i / 3}});
  const Corpus corpus = read_reid(records.dump(), ", val_share: 0.25");
  std::map<Split, std::set<int64_t>> people;
  for (const CorpusImage& image : corpus.images) people[image.split].insert(image.label);
  EXPECT_EQ(people[Split::train].size(), 12u);
  EXPECT_EQ(people[Split::val].size(), 4u);
  EXPECT_EQ(people[Split::test].size(), 4u);
  EXPECT_EQ(corpus.image_rows(Split::val).size(), 12u) << "all images of four people";
  EXPECT_EQ(corpus.image_rows(Split::test).size(), 12u) << "nobody of test moves";
  EXPECT_NE(corpus.fingerprint, read_reid(records.dump(), ", val_share: 0.25, seed: 2").fingerprint);
  EXPECT_THAT(read_reid(records.dump()).image_rows(Split::val), IsEmpty());
}
TEST(CuhkPedes, ValidationIsNotCutWhereTheFileHasOne) {
  EXPECT_THAT(data_error([] { read_reid(replaced(kReid, R"("test")", R"("val")"), ", val_share: 0.1"); }),
              AllOf(HasSubstr("data.corpus.val_share = 0.1"), HasSubstr("has a split val of its own")));
}
TEST(CuhkPedes, AnImageListedTwiceHasBothCaptions) {
  const auto record = [](const char* caption, int person) {
    return Json{{"split", "train"}, {"captions", Json::array({caption})}, {"file_path", "1.jpg"}, {"id", person}};
  };
  const Corpus corpus = read_reid(Json::array({record("a man", 3), record("a tall man", 3)}).dump());
  ASSERT_EQ(corpus.images.size(), 1u);
  ASSERT_EQ(corpus.captions.size(), 2u);
  EXPECT_EQ(corpus.captions[1].image_row, 0);
  EXPECT_THAT(data_error([&] {
                read_reid(Json::array({record("a man", 3), record("a tall man", 4)}).dump());
              }),
              AllOf(HasSubstr("file_path '1.jpg' is in record 0, too"), HasSubstr("another person")));
}
TEST(CuhkPedes, AnImageThatLiesInSeveralFoldersIsRefusedHoweverOftenItIsListed) {
  const TempDir folder;
  folder.write("imgs/a/1.jpg", ""), folder.write("imgs/b/1.jpg", "");
  const Json record{{"split", "train"}, {"captions", Json::array({"a man"})}, {"file_path", "1.jpg"}, {"id", 3}};
  folder.write("reid_raw.json", Json::array({record, record}).dump());
  EXPECT_THAT(data_error([&] { read_corpus("{type: cuhk_pedes, root: " + folder.path().string() + "}"); }),
              AllOf(HasSubstr("image '1.jpg' is in 2 folders"), Not(HasSubstr("another person"))));
}
TEST(CuhkPedes, IdentitiesInTwoSplitsAreNoted) {
  EXPECT_THAT(read_reid(replaced(kReid, R"("id": 3)", R"("id": 7)")).notes,
              Contains("1 identities occur in more than one split"));
}

TEST(Jsonl, ReadsTheNativeFormat) {
  const JsonlSet set(
      R"({"id": "x1", "image": "a/1.jpg", "split": "train", "captions": ["One", "Two"], "identity": "cat", "meta": {"k": [1]}}

{"image": "a/0.jpg", "split": "test", "captions": ["Three"], "identity": 4}
)");
  const Corpus corpus = set.read(", name: mine");
  EXPECT_EQ(corpus.name, "mine");
  EXPECT_EQ(corpus.images[0].id, "x1");
  EXPECT_EQ(corpus.images[1].id, "a/0.jpg");
  EXPECT_EQ(corpus.images[1].record, 3);
  EXPECT_THAT(corpus.label_names, ElementsAre("cat", "4"));
}
std::string pair_line(const std::string& name, const std::string& split, const std::string& meta, int captions = 1) {
  std::string list;
  for (int i = 0; i < captions; ++i) list += std::string(i > 0 ? ", " : "") + "\"x\"";
  return R"({"image": ")" + name + R"(", "split": ")" + split + R"(", "captions": [)" + list + R"(], "meta": )" + meta +
         "}\n";
}
TEST(Jsonl, ReadsPairsAndRelations) {
  const std::string first = R"({"pair": "p", "relation": "left_right"})";
  const Corpus corpus = JsonlSet(pair_line("a", "train", first) + pair_line("b", "train", R"({"pair": 7})") +
                                 pair_line("c", "train", first))
                            .read();
  EXPECT_THAT(corpus.partners(), ElementsAre(2, -1, 0));
  EXPECT_EQ(corpus.images[2].relation, "left_right");
  EXPECT_THAT(JsonlSet(image_line("a", "train", "x")).read().partners(), IsEmpty());
  const Corpus other = JsonlSet(pair_line("a", "train", R"({"pair": "p", "relation": "above_below"})") +
                                pair_line("b", "train", R"({"pair": 7})") +
                                pair_line("c", "train", R"({"pair": "p", "relation": "above_below"})"))
                           .read();
  EXPECT_NE(other.fingerprint, corpus.fingerprint) << "relations decide results";
}
TEST(Jsonl, PairsAreTwoImagesThatBelongTogether) {
  const auto message = [](const std::string& lines) { return data_error([&] { JsonlSet(lines).read(); }); };
  const std::string p = R"({"pair": "p", "relation": "r"})";
  EXPECT_THAT(message(pair_line("a", "train", p)), AllOf(HasSubstr("set.jsonl:1"), HasSubstr("pair 'p' has 1 image")));
  EXPECT_THAT(message(pair_line("a", "train", p) + pair_line("b", "train", p) + pair_line("c", "train", p)),
              HasSubstr("pair 'p' has 3 images"));
  EXPECT_THAT(message(pair_line("a", "train", p) + pair_line("b", "test", p)), HasSubstr("lies in two splits"));
  EXPECT_THAT(message(pair_line("a", "train", p) + pair_line("b", "train", R"({"pair": "p", "relation": "s"})")),
              HasSubstr("has two relations"));
  EXPECT_THAT(message(pair_line("a", "train", p, 2) + pair_line("b", "train", p)),
              HasSubstr("has 2 captions here and 1 there"));
  EXPECT_THAT(message(pair_line("a", "train", R"({"pair": 3, "relation": "r"})")),
              AllOf(HasSubstr("'pair'"), HasSubstr("text")));
}
TEST(Jsonl, NamesTheLineOfAnUnknownField) {
  const JsonlSet set(image_line("a.jpg", "train", "x") +
                     R"({"image": "b.jpg", "split": "train", "caption": ["y"], "captions": ["y"]})");
  EXPECT_THAT(data_error([&] { set.read(); }),
              AllOf(HasSubstr("set.jsonl:2"), HasSubstr("unknown field 'caption'"), HasSubstr("captions")));
}
TEST(Jsonl, IdentitiesAreForAllImagesOrNone) {
  EXPECT_THAT(data_error([] { JsonlSet(image_line("a", "train", "x", 1) + image_line("b", "train", "x")).read(); }),
              HasSubstr("field 'identity' is missing"));
  EXPECT_THAT(data_error([] { JsonlSet(image_line("a", "train", "x") + image_line("b", "train", "x", 1)).read(); }),
              HasSubstr("the images before have none"));
}
TEST(Jsonl, CollectsProblemsAndCountsThem) {
  std::string lines;
  for (int i = 0; i < 25; ++i) lines += image_line("i" + std::to_string(i), "trian", "x");
  const std::string text = data_error([&] { JsonlSet(lines).read(); });
  EXPECT_THAT(text, AllOf(HasSubstr("set.jsonl:1"), HasSubstr("set.jsonl:10"), Not(HasSubstr("set.jsonl:11")),
                          HasSubstr("25 problems in all"), HasSubstr("did you mean: train")));
}

Corpus read_csv(const std::string& text, const std::string& more = "") {
  const TempDir folder;
  folder.write("captions.csv", text);
  return read_corpus("{type: csv, root: " + folder.path().string() + more + "}");
}

TEST(Csv, GroupsRowsByImageInAnyOrder) {
  const char* first =
      "image,caption,split,extra\nb.jpg,\"two, with \"\"quotes\"\"\nand a "
      "break\",train,1\na.jpg,one,test,\nb.jpg,another,train,\n";
  const Corpus corpus = read_csv(first);
  ASSERT_EQ(corpus.captions.size(), 3u);
  EXPECT_EQ(corpus.captions[1].text, "two, with \"quotes\"\nand a break");
  EXPECT_EQ(corpus.images[0].record, 2);
  EXPECT_THAT(corpus.notes, ElementsAre("separator: comma"));
  const Corpus other = read_csv(
      "image,caption,split,extra\nb.jpg,another,train,\nb.jpg,\"two, with \"\"quotes\"\"\nand a "
      "break\",train,1\na.jpg,one,test,\n",
      ", name: " + corpus.name);
  EXPECT_EQ(other.fingerprint, corpus.fingerprint);
}
TEST(Csv, FindsTheSeparatorAndTheNamedColumns) {
  const Corpus corpus =
      read_csv("file\tpart\tperson\ttext\r\na.jpg\ttrain\tanna\ta, b; c\r\n",
               ", image_column: file, split_column: part, caption_column: text, identity_column: person");
  EXPECT_EQ(corpus.captions[0].text, "a, b; c");
  EXPECT_THAT(corpus.label_names, ElementsAre("anna"));
  EXPECT_THAT(corpus.notes, ElementsAre("separator: tab"));
}
TEST(Csv, SplitsAreDrawnWhenTheFileHasNone) {
  std::string text = "image,caption,person\n", reversed = text;
  for (int i = 0; i < 40; ++i) text += concat("i", i, ".jpg,a dog,p", i / 2, "\n");
  for (int i = 39; i >= 0; --i) reversed += concat("i", i, ".jpg,a dog,p", i / 2, "\n");
  const std::string shares = ", split: {val: 0.1, test: 0.25}";
  const Corpus corpus = read_csv(text, shares);
  EXPECT_EQ(corpus.image_rows(Split::val).size(), 4u);
  EXPECT_EQ(corpus.image_rows(Split::test).size(), 10u);
  EXPECT_THAT(corpus.notes, Contains("splits drawn: val 0.1, test 0.25, seed 1"));
  const auto split_of = [](const Corpus& each) {
    std::map<std::string, Split> out;
    for (const CorpusImage& image : each.images) out[image.id] = image.split;
    return out;
  };
  EXPECT_EQ(split_of(read_csv(reversed, shares)), split_of(corpus));
  EXPECT_NE(split_of(read_csv(text, ", split: {val: 0.1, test: 0.25, seed: 2}")), split_of(corpus));
  // Identities stay together: 20 of them, 2 in val, 5 in test.
  const Corpus people = read_csv(text, shares + ", identity_column: person");
  EXPECT_EQ(people.image_rows(Split::test).size(), 10u);
  std::map<int64_t, std::set<Split>> splits_of_label;
  for (const CorpusImage& image : people.images) splits_of_label[image.label].insert(image.split);
  for (const auto& [label, splits] : splits_of_label) EXPECT_EQ(splits.size(), 1u) << label;
  // A column of the file counts, whatever the shares; nothing is drawn without shares.
  EXPECT_EQ(read_csv("image,caption,split\na.jpg,x,test\n", shares).image_rows(Split::test).size(), 1u);
  EXPECT_THAT(data_error([] { read_csv("image,caption\na.jpg,x\n"); }),
              AllOf(HasSubstr("no column 'split'"), HasSubstr("data.corpus.split.val=0.1")));
  EXPECT_THAT(data_error([] { read_csv("image,caption\na.jpg,x\n", ", split: {test: 0.1}"); }),
              HasSubstr("leave none to train on"));
}

TEST(Csv, MistakesCarryTheLine) {
  EXPECT_THAT(
      data_error([] { read_csv("image,captions,split\n"); }),
      AllOf(HasSubstr("captions.csv:1"), HasSubstr("no column 'caption'"), HasSubstr("did you mean: captions")));
  const std::string text = data_error([] {
    read_csv("image,caption,split\na.jpg,x,train\na.jpg,y,test\nb.jpg,z\nc.jpg,w,tset\n,v,train\nd.jpg,\xff,train\n");
  });
  EXPECT_THAT(text, AllOf(HasSubstr(":3 (id a.jpg): split leak: test here, train in line 2"),
                          HasSubstr(":4: expected 3 cells as in the header; got 2"),
                          HasSubstr(":5 (id c.jpg): unknown split 'tset'"), HasSubstr(":6: the image cell is empty"),
                          HasSubstr(":7: invalid UTF-8")));
  EXPECT_THAT(data_error([] { read_csv("image,caption,split\na.jpg,\"x,train\n"); }),
              HasSubstr("captions.csv:2: a quoted cell does not end"));
  EXPECT_THAT(data_error([] { read_csv("image,caption,split\na.jpg,\"x\"y,train\n"); }),
              HasSubstr("text follows a quoted cell"));
  EXPECT_THAT(data_error([] { read_csv(""); }), HasSubstr("captions.csv: is empty"));
}

// ------------------------------------------------------------------------------------------------ registry

TEST(Corpora, EveryReaderHasDocumentedOptionsThatReadBack) {
  CorpusRegistry corpora("corpus");
  register_corpora(corpora);
  EXPECT_THAT(corpora.names(),
              ElementsAre("cirr", "coco_captions", "composed_jsonl", "css", "csv", "cuhk_pedes", "fashion200k",
                          "fashioniq", "flickr_token", "jsonl", "karpathy", "mit_states", "mit_states_comp", "reed"));
  for (const auto& [name, entry] : corpora.entries()) {
    EXPECT_FALSE(entry.doc.empty()) << name;
    const auto defaults = entry.defaults();
    Lister lister;
    entry.list(defaults, lister);
    EXPECT_EQ(lister.rows.front().key, "root") << name;
    EXPECT_TRUE(lister.rows.front().field.path) << name;
    for (const Row& row : lister.rows) EXPECT_FALSE(row.doc.empty()) << name << "." << row.key;
    auto again = entry.defaults();
    Complaints complaints;
    entry.read(parse_config(to_yaml(lister.rows), "defaults"), "data", again, complaints);
    EXPECT_TRUE(complaints.empty()) << name;
    Lister second;
    entry.list(again, second);
    EXPECT_THAT(difference(lister.rows, second.rows), IsEmpty()) << name;
  }
}
TEST(Corpora, AMissingRootIsNamed) {
  EXPECT_THROW(corpus_reader("{type: jsonl}"), UsageError);
  EXPECT_THAT(data_error([] { read_corpus("{type: jsonl, root: /nowhere/at/all}"); }),
              HasSubstr("'/nowhere/at/all' is not a folder"));
  const TempDir folder;
  EXPECT_THAT(data_error([&] { read_corpus("{type: jsonl, root: " + folder.path().string() + "}"); }),
              HasSubstr("set.jsonl"));
}
TEST(Corpora, NeededFilesAreBelowTheRoot) {
  EXPECT_THAT(corpus_reader("{type: flickr_token, root: /r, val_list: ''}")->needed_files(),
              ElementsAre("/r/Flickr8k.token.txt", "/r/Flickr_8k.trainImages.txt", "/r/Flickr_8k.testImages.txt"));
}

// ------------------------------------------------------------------------------------------------ finish_corpus

Corpus small_corpus() {
  Corpus corpus;
  corpus.name = "small";
  corpus.images = {{"10.jpg", "10", Split::train, 5}, {"9.jpg", "9", Split::train, 8}, {"x.jpg", "x", Split::train, 5},
                   {"t.jpg", "1", Split::test, 2},    {"r.jpg", "3", Split::rest, 9},  {"v.jpg", "2", Split::val, 8}};
  for (int64_t row = 5; row >= 0; --row)
    for (const char* text : {"b", "a"}) corpus.captions.push_back({text, {text}, row});
  return corpus;
}

TEST(FinishCorpus, OrdersBySplitThenIdWithNumbersAsNumbers) {
  Corpus corpus = small_corpus();
  finish_corpus(corpus);
  std::vector<std::string> ids;
  for (const CorpusImage& image : corpus.images) ids.push_back(image.id);
  EXPECT_THAT(ids, ElementsAre("9", "10", "x", "3", "2", "1"));
  EXPECT_EQ(corpus.captions[0].text, "b");  // the captions of an image keep their order
  EXPECT_EQ(corpus.captions[11].image_row, 5);
  EXPECT_EQ(corpus.images[3].label, 3);  // without identities: the row
}
TEST(FinishCorpus, TrainLabelsComeFirst) {
  Corpus corpus = small_corpus();
  corpus.has_identities = true;
  finish_corpus(corpus);
  std::vector<int64_t> labels;
  for (const CorpusImage& image : corpus.images) labels.push_back(image.label);
  EXPECT_THAT(labels, ElementsAre(0, 1, 1, 2, 0, 3));
  EXPECT_THAT(corpus.label_names, ElementsAre("8", "5", "9", "2"));
  EXPECT_EQ(corpus.train_classes(), 2);
}
TEST(FinishCorpus, FingerprintFollowsEverythingThatDecides) {
  Corpus base = small_corpus();
  finish_corpus(base);
  const auto changed = [&](auto&& change) {
    Corpus corpus = small_corpus();
    change(corpus);
    finish_corpus(corpus);
    return corpus.fingerprint != base.fingerprint;
  };
  EXPECT_FALSE(changed([](Corpus& c) { c.image_root = "/elsewhere"; }));
  EXPECT_FALSE(changed([](Corpus& c) { c.notes = {"note"}; }));
  EXPECT_TRUE(changed([](Corpus& c) { c.images[0].path = "11.jpg"; }));
  EXPECT_TRUE(changed([](Corpus& c) { c.images[5].split = Split::test; }));
  EXPECT_TRUE(changed([](Corpus& c) { c.captions[0].text = "c"; }));
  EXPECT_TRUE(changed([](Corpus& c) { c.captions[0].tokens = {"b", "b"}; }));
  EXPECT_TRUE(changed([](Corpus& c) { c.has_identities = true; }));
}
TEST(FinishCorpus, RefusesWhatNoCorpusMayHold) {
  const auto error = [](auto&& change) {
    Corpus corpus = small_corpus();
    change(corpus);
    return data_error([&] { finish_corpus(corpus); });
  };
  EXPECT_THAT(error([](Corpus& c) { c.images.clear(), c.captions.clear(); }), HasSubstr("holds no images"));
  EXPECT_THAT(error([](Corpus& c) { c.captions[0].image_row = 6; }), HasSubstr("image row 6"));
  EXPECT_THAT(error([](Corpus& c) { c.images[1].label = -1; }), HasSubstr("label -1 is negative"));
  EXPECT_THAT(error([](Corpus& c) { c.captions[0].tokens = {"two words"}; }), HasSubstr("token 'two words'"));
  EXPECT_THAT(error([](Corpus& c) { c.images[0].id = ""; }), HasSubstr("the image id is empty"));
}

// ------------------------------------------------------------------------------------------------ bad input, D1 to D21

TEST(BadAnnotation, D1_CutAtEveryOffset) {
  const std::string whole = kKarpathy;
  for (size_t cut = 0; cut < whole.size(); cut += 3)
    EXPECT_THAT(data_error([&] { KarpathySet(whole.substr(0, cut)).read(); }), HasSubstr("dataset_tiny.json")) << cut;
}
TEST(BadAnnotation, D2_WrongTopLevelAndTrailingBytes) {
  EXPECT_THAT(data_error([] { KarpathySet("[]").read(); }), HasSubstr("expected {\"images\""));
  EXPECT_THAT(data_error([] { KarpathySet(R"({"images": {}})").read(); }), HasSubstr("expected {\"images\""));
  EXPECT_THAT(data_error([] { KarpathySet(std::string(kKarpathy) + "x").read(); }), HasSubstr("expected"));
  EXPECT_THAT(data_error([] { KarpathySet(std::string(kKarpathy) + kKarpathy).read(); }), HasSubstr("expected"));
  EXPECT_THAT(data_error([] { KarpathySet("/* c */ {}").read(); }), HasSubstr("expected"));
  EXPECT_THAT(data_error([] { read_reid("{}"); }), HasSubstr("expected a list"));
}
TEST(BadAnnotation, D3_DepthOfAMillion) {
  EXPECT_THAT(data_error([] { KarpathySet(std::string(1000000, '[')).read(); }), HasSubstr("nested deeper than 64"));
}
TEST(BadAnnotation, D4_DuplicateKey) {
  EXPECT_THAT(karpathy_error(R"("imgid": 2, "split")", R"("imgid": 2, "imgid": 3, "split")"),
              HasSubstr("duplicate key 'imgid'"));
  EXPECT_THAT(data_error([] { JsonlSet(R"({"image": "a", "image": "b"})").read(); }),
              AllOf(HasSubstr("duplicate key 'image'"), HasSubstr("set.jsonl:1")));
}
TEST(BadAnnotation, D5_IdsThatAreNoIntegers) {
  for (const char* id : {"3.0", "\"3\"", "true", "-1", "18446744073709551616", "9223372036854775808", "null"})
    EXPECT_THAT(karpathy_error(R"("imgid": 10, "split")", std::string("\"imgid\": ") + id + ", \"split\""),
                AllOf(HasSubstr("record 0"), HasSubstr("'imgid'"), HasSubstr("integer id")))
        << id;
  EXPECT_THAT(data_error([] { read_reid(replaced(kReid, "\"id\": 12", "\"id\": 1.5")); }),
              AllOf(HasSubstr("record 1"), HasSubstr("got 1.5")));
}
TEST(BadAnnotation, D6_MissingFieldsAndWrongTypes) {
  EXPECT_THAT(karpathy_error(R"("filename": "a.jpg", )", ""),
              HasSubstr("record 1 (id 2): field 'filename' is missing"));
  EXPECT_THAT(karpathy_error(R"("raw": "Two cats")", R"("raw": null)"),
              HasSubstr("record 1 (id 2): field 'raw' must be text; got null"));
  EXPECT_THAT(karpathy_error(R"(["two", "cats"])", "\"two cats\""),
              HasSubstr("'tokens' must be a list; got 'two cats'"));
  EXPECT_THAT(karpathy_error(R"(["two", "cats"])", "[1]"), HasSubstr("'tokens.0' must be text; got 1"));
  EXPECT_THAT(data_error([] { read_reid(replaced(kReid, R"(["a woman"])", "\"a woman\"")); }),
              HasSubstr("record 1 (id 12): field 'captions' must be a list"));
  EXPECT_THAT(data_error([] { read_reid(replaced(kReid, R"([["woman"]])", "[]"), ", tokens: annotated"); }),
              HasSubstr("1 captions, but 0 lists"));
  EXPECT_THAT(data_error([] { read_reid("[7]"); }), HasSubstr("record 0: expected an object; got 7"));
  EXPECT_THAT(data_error([] { JsonlSet("[]").read(); }), HasSubstr("expected one object a line"));
}
TEST(BadAnnotation, D7_EmptyCaptionsFailOrAreDropped) {
  const JsonlSet set(image_line("b", "train", "") + image_line("a", "train", "x") + image_line("c", "test", " \\t") +
                     image_line("d", "val", "?!.") + R"({"image": "e", "split": "train", "captions": []})");
  EXPECT_THAT(data_error([&] { set.read(); }),
              AllOf(HasSubstr("3 captions hold no word; images: b, c, d"), HasSubstr("1 images have no caption: e"),
                    HasSubstr("data.corpus.empty_captions=drop")));
  const Corpus corpus = set.read(", empty_captions: drop");
  ASSERT_EQ(corpus.images.size(), 1u);
  EXPECT_EQ(corpus.images[0].id, "a");
  EXPECT_EQ(corpus.captions[0].image_row, 0);
  EXPECT_THAT(corpus.notes, ElementsAre("3 captions without words and 4 images without captions were dropped"));
}
TEST(BadAnnotation, D8_LongCaptionsAndManyCaptions) {
  EXPECT_THAT(data_error([] { JsonlSet(image_line("a", "train", std::string(1 << 20, 'x'))).read(); }),
              HasSubstr("caption longer than 65536 bytes (1048576)"));
  std::string list = "\"w\"";
  for (int i = 1; i < 10000; ++i) list += ",\"w\"";
  EXPECT_EQ(JsonlSet(R"({"image": "a", "split": "train", "captions": [)" + list + "]}").read().captions.size(), 10000u);
}
TEST(BadAnnotation, D9_InvalidUtf8AndNul) {
  for (const char* bytes : {"\xff", "\xc0\xaf", "\xed\xa0\x80"})
    EXPECT_THAT(data_error([&] { JsonlSet(image_line("a", "train", std::string("ok ") + bytes)).read(); }),
                AllOf(HasSubstr("set.jsonl:1"), HasSubstr("UTF-8")));
  EXPECT_THAT(data_error([] { JsonlSet(image_line("a", "train", "nul \\u0000 here")).read(); }),
              AllOf(HasSubstr("set.jsonl:1"), HasSubstr("NUL")));
  Corpus corpus = small_corpus();
  corpus.captions[0].text = std::string("nul ") + '\0';
  EXPECT_THAT(data_error([&] { finish_corpus(corpus); }), HasSubstr("a NUL byte at byte 4 of the caption"));
  corpus.captions[0].text = "ab\xff";
  EXPECT_THAT(data_error([&] { finish_corpus(corpus); }), HasSubstr("invalid UTF-8 at byte 2"));
}
TEST(BadAnnotation, D11_DuplicatesAndSplitLeaks) {
  EXPECT_THAT(data_error([] { JsonlSet(image_line("a", "train", "x") + image_line("a", "train", "y")).read(); }),
              AllOf(HasSubstr("set.jsonl:2 (id a): duplicate image id; first in"), HasSubstr("set.jsonl:1")));
  EXPECT_THAT(data_error([] { JsonlSet(image_line("a", "train", "x") + image_line("a", "test", "y")).read(); }),
              HasSubstr("split leak: the id is in test here and in train in"));
}
TEST(BadAnnotation, D12_OneFileUnderTwoIdsIsNoted) {
  const Corpus corpus = JsonlSet(R"({"id": "1", "image": "a.jpg", "split": "train", "captions": ["x"]}
{"id": "2", "image": "a.jpg", "split": "test", "captions": ["y"]})")
                            .read();
  EXPECT_THAT(corpus.notes, ElementsAre("1 files belong to two ids: a.jpg (1 and 2, in two splits)"));
}
TEST(BadAnnotation, D13_MissingImagesAreCountedAndTheFirstTenListed) {
  std::string lines;
  for (int i = 0; i < 30; ++i) lines += image_line("i" + std::to_string(i) + ".jpg", "train", "x");
  const JsonlSet set(lines);
  set.folder.write("images/i3.jpg", "x");
  const std::string some = data_error([&] { check_images_exist(set.read()); });
  EXPECT_THAT(some, AllOf(HasSubstr("29 of 30 images are missing"),
                          HasSubstr("set.jsonl:1 (id i0.jpg): image 'i0.jpg'"), Not(HasSubstr("i9.jpg"))));
  EXPECT_EQ(std::count(some.begin(), some.end(), '\n') >= 11, true);
  std::filesystem::remove_all(set.folder / "images");
  EXPECT_THAT(data_error([&] { check_images_exist(set.read()); }),
              AllOf(HasSubstr("30 of 30"), HasSubstr("is data.corpus.root right")));
}
TEST(BadAnnotation, D14_TheExistingNameIsTheHint) {
  const JsonlSet set(image_line("a.jpg", "train", "x") + image_line("d\\\\b.jpg", "train", "y"));
  set.folder.write("images/A.JPG", "x");
  set.folder.write("images/d/b.jpg", "x");
  EXPECT_THAT(data_error([&] { check_images_exist(set.read()); }),
              AllOf(HasSubstr("did you mean: A.JPG"), HasSubstr("did you mean: d/b.jpg")));
}
TEST(BadAnnotation, D15_PathsThatLeaveTheRoot) {
  const TempDir outside;
  outside.write("secret.jpg", "x");
  for (const char* path : {"/etc/passwd", "../../etc/passwd", "a/../../b.jpg", "link.jpg"}) {
    const JsonlSet set(image_line(path, "train", "x"));
    set.folder.write("images/ok.jpg", "x");
    std::filesystem::create_symlink(outside / "secret.jpg", set.folder / "images/link.jpg");
    EXPECT_THAT(data_error([&] { check_images_exist(set.read()); }),
                AllOf(HasSubstr("error[SEC]"), HasSubstr("outside the data root")))
        << path;
  }
  const JsonlSet fifo(image_line("pipe", "train", "x"));
  fifo.folder.write("images/ok.jpg", "x");
  ASSERT_EQ(mkfifo((fifo.folder / "images/pipe").c_str(), 0600), 0);
  EXPECT_THAT(data_error([&] { check_images_exist(fifo.read()); }), HasSubstr("not a regular file"));
}
TEST(BadAnnotation, D16_UnknownSplit) {
  EXPECT_THAT(karpathy_error("\"split\": \"train\"", "\"split\": \"trian\""),
              AllOf(HasSubstr("record 1 (id 2): unknown split 'trian'"), HasSubstr("did you mean: train")));
  EXPECT_THAT(karpathy_error("\"split\": \"train\"", "\"split\": \"gallery\""),
              HasSubstr("known: train, val, test, restval"));
}
TEST(BadAnnotation, D19_ShuffledRecordsGiveTheSameCorpus) {
  std::vector<std::string> lines;
  for (int i = 0; i < 40; ++i)
    lines.push_back(image_line("i" + std::to_string(i), i % 4 ? "train" : "test", "word " + std::to_string(i), i % 7));
  const auto read = [&] {
    std::string text;
    for (const std::string& line : lines) text += line;
    return JsonlSet(text).read(", name: x");
  };
  const Corpus first = read();
  std::rotate(lines.begin(), lines.begin() + 17, lines.end());
  std::reverse(lines.begin() + 5, lines.begin() + 30);
  const Corpus second = read();
  EXPECT_EQ(first.fingerprint, second.fingerprint);
  EXPECT_EQ(first.label_names, second.label_names);
  EXPECT_EQ(first.images[11].id, second.images[11].id);
}
TEST(BadAnnotation, D20_AHundredThousandRecords) {
  std::string lines;
  for (int i = 0; i < 100000; ++i)
    lines += image_line(std::to_string(i) + ".jpg", "train", "a caption with number " + std::to_string(i));
  EXPECT_EQ(JsonlSet(lines).read().images.back().id, "99999.jpg");
}
TEST(BadAnnotation, D21_ForeignFormatsAreRecognised) {
  using namespace std::string_literals;
  EXPECT_THAT(data_error([] { KarpathySet("\x1f\x8b\x08 rest").read(); }),
              AllOf(HasSubstr("looks like gzip"), HasSubstr("gunzip")));
  EXPECT_THAT(data_error([] { KarpathySet("\xff\xfe{\0"s).read(); }), HasSubstr("looks like UTF-16"));
  EXPECT_THAT(data_error([] { KarpathySet("image,caption\n").read(); }),
              HasSubstr("looks like text or CSV: 'image,caption"));
  EXPECT_EQ(KarpathySet("\xef\xbb\xbf"s + kKarpathy).read().images.size(), 3u);
}

}  // namespace
}  // namespace diptych

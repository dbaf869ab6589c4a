#include "diptych/data/import.h"

#include <fstream>
#include <iterator>

#include "corpus_fixture.h"
#include "support/slurp.h"

namespace diptych {
namespace {

using namespace testing;  // fixtures
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const char* kSmallKarpathy = R"({"images": [
  {"filename": "b.jpg", "imgid": 10, "split": "test", "sentences": [{"raw": "A Dog runs .", "tokens": ["a", "dog"]}]},
  {"filename": "a.jpg", "imgid": 2, "split": "train", "sentences": [
    {"raw": "\"Two\" <cats>", "tokens": ["two", "cats"]}, {"raw": "It's late!", "tokens": ["it's", "late"]}]},
  {"filename": "c.jpg", "imgid": 7, "split": "restval", "sentences": [{"raw": "a tree", "tokens": ["a", "tree"]}]}]})";

struct Karpathy {
  TempDir folder;
  Karpathy() { folder.write("dataset_tiny.json", kSmallKarpathy); }
  Corpus read() const {
    return read_corpus("{type: karpathy, annotations: dataset_tiny.json, root: " + folder.path().string() + "}");
  }
};

TEST(WriteJsonlSet, WritesOneImageALineOrderedById) {
  const Karpathy set;
  write_jsonl_set(set.read(), set.folder / "out/set.jsonl");
  EXPECT_EQ(slurp(set.folder / "out/set.jsonl"),
            R"({"id":"2","image":"a.jpg","split":"train","captions":["\"Two\" <cats>","It's late!"]}
{"id":"7","image":"c.jpg","split":"restval","captions":["a tree"]}
{"id":"10","image":"b.jpg","split":"test","captions":["A Dog runs ."]}
)");
}

TEST(WriteJsonlSet, ReadsBackToTheSameCorpus) {
  const TempDir folder;
  folder.write("reid_raw.json", R"([
    {"split": "train", "captions": ["a man", "he runs"], "file_path": "x/1.jpg", "processed_tokens": [["a"], ["b"]], "id": 12},
    {"split": "train", "captions": ["a woman"], "file_path": "x/2.jpg", "processed_tokens": [["a"]], "id": 3},
    {"split": "val", "captions": ["emoji \ud83d\ude00"], "file_path": "x/3.jpg", "processed_tokens": [["a"]], "id": 4}])");
  const Corpus first = read_corpus("{type: cuhk_pedes, root: " + folder.path().string() + ", name: people}");
  write_jsonl_set(first, folder / "set.jsonl");
  const Corpus second = read_corpus("{type: jsonl, root: " + folder.path().string() + ", name: people}");
  ASSERT_EQ(first.images.size(), second.images.size());
  for (size_t i = 0; i < first.images.size(); ++i) {
    EXPECT_EQ(first.images[i].id, second.images[i].id);
    EXPECT_EQ(first.images[i].path, second.images[i].path);
    EXPECT_EQ(first.images[i].split, second.images[i].split);
    EXPECT_EQ(first.images[i].label, second.images[i].label);
  }
  EXPECT_EQ(first.label_names, second.label_names);
  for (size_t i = 0; i < first.captions.size(); ++i) EXPECT_EQ(first.captions[i].text, second.captions[i].text);
  EXPECT_EQ(first.fingerprint, second.fingerprint);
}

TEST(WriteJsonlSet, ReportsCountsAndWords) {
  const Karpathy set;
  const ImportReport report = write_jsonl_set(set.read(), set.folder / "set.jsonl");
  ASSERT_EQ(report.splits.size(), 3u);
  EXPECT_EQ(report.splits[0].images, 1);
  EXPECT_EQ(report.splits[0].captions, 2);
  EXPECT_EQ(report.splits[0].most_captions, 2);
  EXPECT_EQ(report.other_words, 1);  // "A Dog runs ." was annotated as a dog
  const std::string text = to_text(report);
  EXPECT_THAT(text, HasSubstr("train: 1 images, 2 captions (2 / 2 / 2 per image"));
  EXPECT_THAT(text, HasSubstr("type: jsonl"));
  EXPECT_EQ(to_json(report)["splits"]["test"]["captions_per_image"]["median"], 1);
}

TEST(WriteJsonlSet, TheLinesOfTheConfigurationReadTheSet) {
  const Karpathy set;
  const ImportReport report = write_jsonl_set(set.read(), set.folder / "elsewhere/my set.jsonl");
  const std::string text = to_text(report);
  const size_t at = text.find("corpus: {") + 8;
  const Corpus corpus = read_corpus(text.substr(at, text.find('\n', at) - at));
  EXPECT_EQ(corpus.images.size(), 3u);
  EXPECT_EQ(corpus.image_root.lexically_normal(), set.folder.path().lexically_normal());
}

TEST(WriteJsonlSet, NeverOverwrites) {
  const Karpathy set;
  set.folder.write("set.jsonl", "mine");
  EXPECT_THROW(write_jsonl_set(set.read(), set.folder / "set.jsonl"), UsageError);
  EXPECT_EQ(slurp(set.folder / "set.jsonl"), "mine");
}

TEST(WriteJsonlSet, KnownSetsMustHaveTheirPublishedCounts) {
  const Karpathy set;
  try {
    write_jsonl_set(set.read(), set.folder / "set.jsonl", "flickr8k");
    ADD_FAILURE() << "no CheckFailed";
  } catch (const CheckFailed& error) {
    EXPECT_EQ(error.exit_code(), 9);
    EXPECT_THAT(error.issues().front().message, HasSubstr("train has 1 images; published for flickr8k: 6000"));
  }
  EXPECT_FALSE(std::filesystem::exists(set.folder / "set.jsonl"));
  EXPECT_THROW(write_jsonl_set(set.read(), set.folder / "set.jsonl", "flickr9k"), UsageError);
}

TEST(WriteJsonlSet, AFolderThatCannotBeMadeIsAnOutputError) {
  const Karpathy set;
  set.folder.write("file", "");
  EXPECT_THROW(write_jsonl_set(set.read(), set.folder / "file/set.jsonl"), OutputError);
}

TEST(CorpusReaders, ImagesBesideTheAnnotationNeedNoFolderOfTheirOwn) {
  const JsonlSet set(image_line("a.jpg", "train", "x"));
  EXPECT_EQ(set.read().image_root, set.folder.path());
  set.folder.write("images/a.jpg", "x");
  EXPECT_EQ(set.read().image_root, set.folder / "images");
}

}  // namespace
}  // namespace diptych

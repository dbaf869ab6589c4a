#include "data/composed_jsonl.h"

#include <gmock/gmock.h>

#include "unit/data/corpus_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string composed_image(const std::string& id, const std::string& split, const std::string& more = "") {
  return R"({"id": ")" + id + R"(", "image": ")" + id + R"(.jpg", "split": ")" + split + "\"" + more + "}\n";
}
std::string composed_query(const std::string& source, const std::string& targets, const std::string& split,
                           const std::string& text = "make it red") {
  return R"({"source": ")" + source + R"(", "text": ")" + text + R"(", "targets": [)" + targets + R"(], "split": ")" +
         split + "\"}\n";
}

struct ComposedSet {
  TempDir folder;
  ComposedSet(const std::string& images, const std::string& queries) {
    folder.write("set.jsonl", images), folder.write("queries.jsonl", queries);
  }
  Corpus read() const { return read_corpus("{type: composed_jsonl, root: " + folder.path().string() + "}"); }
  std::string error() const {
    return data_error([&] { read(); });
  }
};

std::string four_images(const std::string& more = "") {
  return composed_image("b", "train", more) + composed_image("a", "train", more) + composed_image("c", "test", more) +
         composed_image("d", "test", more);
}

TEST(ComposedJsonl, ReadsImagesAndQueries) {
  const ComposedSet set(
      composed_image("b", "train", R"(, "captions": ["A red one."])") + composed_image("a", "restval") +
          composed_image("c", "test", R"(, "meta": {"gallery": false, "mine": 1})") + composed_image("d", "test"),
      composed_query("c", R"("d")", "test", " Make it red ") + "\n" + composed_query("a", R"("b")", "train"));
  const Corpus corpus = set.read();
  ASSERT_EQ(corpus.images.size(), 4u);
  EXPECT_FALSE(corpus.has_identities);
  EXPECT_EQ(corpus.images[0].id, "a");
  EXPECT_EQ(corpus.images[0].split, Split::train) << "restval counts as train";
  EXPECT_TRUE(corpus.images[0].gallery);
  EXPECT_EQ(corpus.images[2].id, "c");
  EXPECT_FALSE(corpus.images[2].gallery);
  ASSERT_EQ(corpus.captions.size(), 1u);
  EXPECT_EQ(corpus.captions[0].image_row, 1);
  ASSERT_EQ(corpus.modifications.size(), 2u);
  const Modification &train = corpus.modifications[0], &test = corpus.modifications[1];
  EXPECT_EQ(train.split, Split::train);
  EXPECT_EQ(train.source_row, 0);
  EXPECT_EQ(train.target_row, 1);
  EXPECT_EQ(train.target_label, corpus.images[1].label);
  EXPECT_EQ(train.record, 3);
  EXPECT_EQ(test.text, "Make it red");
  EXPECT_THAT(test.tokens, ElementsAre("make", "it", "red"));
  EXPECT_EQ(test.source_row, 2);
  EXPECT_EQ(test.target_label, corpus.images[3].label);
  EXPECT_EQ(corpus.modification_source, (set.folder / "queries.jsonl").string());
}

TEST(ComposedJsonl, SeveralTargetsAnswerTogether) {
  const std::string images = four_images() + composed_image("e", "test");
  const ComposedSet set(images, composed_query("c", R"("e", "d")", "test") + composed_query("a", R"("b")", "train"));
  const Corpus corpus = set.read();
  EXPECT_TRUE(corpus.has_identities);
  EXPECT_EQ(corpus.images[3].label, corpus.images[4].label);
  EXPECT_NE(corpus.images[2].label, corpus.images[3].label);
  EXPECT_EQ(corpus.modifications[1].target_row, -1) << "either may be shown";
  EXPECT_EQ(corpus.modifications[1].target_label, corpus.images[3].label);
  const ComposedSet other(images,
                          composed_query("c", R"("e", "d")", "test") + composed_query("c", R"("e")", "test", "bluer"));
  EXPECT_THAT(other.error(), AllOf(HasSubstr("queries.jsonl:2: target 'e' answers other queries with other images"),
                                   HasSubstr("queries.jsonl:1"), HasSubstr("identity")));
}

TEST(ComposedJsonl, IdentitiesSayWhoAnswers) {
  const std::string images = composed_image("a", "test", R"(, "identity": "x")") +
                             composed_image("b", "test", R"(, "identity": 7)") +
                             composed_image("c", "test", R"(, "identity": 7)");
  const Corpus corpus = ComposedSet(images, composed_query("a", R"("b")", "test")).read();
  EXPECT_THAT(corpus.label_names, ElementsAre("x", "7"));
  EXPECT_EQ(corpus.modifications[0].target_label, corpus.images[2].label);
  EXPECT_EQ(corpus.modifications[0].target_row, 1);
  EXPECT_THAT(ComposedSet(images, composed_query("b", R"("c", "a")", "test")).error(),
              HasSubstr("queries.jsonl:1: the targets are of two identities: a and c"));
  EXPECT_THAT(ComposedSet(images + composed_image("d", "test"), "").error(), HasSubstr("field 'identity' is missing"));
}

TEST(ComposedJsonl, ImagesAreChecked) {
  const ComposedSet set(composed_image("a", "trian") + composed_image("b", "train", R"(, "caption": [])") +
                            composed_image("c", "train", R"(, "meta": 3)") +
                            composed_image("d", "train", R"(, "meta": {"gallery": 0})") +
                            composed_image("e", "train", R"(, "captions": ["-"])") + "[1]\n" +
                            R"({"image": "f.jpg", "split": )" + "\n\xff\n" + R"({"split": "train"})",
                        "");
  EXPECT_THAT(
      set.error(),
      AllOf(HasSubstr("set.jsonl:1 (id a): unknown split 'trian'"), HasSubstr("set.jsonl:2: unknown field 'caption'"),
            HasSubstr("set.jsonl:3: field 'meta' must be an object"),
            HasSubstr("set.jsonl:4 (id d): field 'meta.gallery' must be true or false"),
            HasSubstr("set.jsonl:5 (id e): the caption '-' holds no word"),
            HasSubstr("set.jsonl:6: expected one object a line"), HasSubstr("set.jsonl:7"),
            HasSubstr("set.jsonl:8: invalid UTF-8"), HasSubstr("set.jsonl:9: field 'image' is missing")));
  EXPECT_THAT(ComposedSet(composed_image("a", "train") + composed_image("a", "train") + composed_image("b", "train"),
                          composed_query("b", R"("a")", "train"))
                  .error(),
              HasSubstr("duplicate image id"));
}

TEST(ComposedJsonl, QueriesAreChecked) {
  const ComposedSet set(four_images() + composed_image("e", "test", R"(, "meta": {"gallery": false})"),
                        composed_query("z", R"("b")", "train") + composed_query("a", R"("z")", "train") +
                            composed_query("a", R"("b")", "train", " ?! ") + composed_query("a", "", "train") +
                            composed_query("a", R"("a")", "train") + composed_query("a", R"("b", "b")", "train") +
                            composed_query("c", R"("e")", "test") + composed_query("a", R"("d")", "train") +
                            composed_query("c", R"("d")", "tset") + composed_query("a", R"("b")", "train"));
  EXPECT_THAT(set.error(),
              AllOf(HasSubstr("queries.jsonl:1: source 'z' is no image of"), HasSubstr("set.jsonl"),
                    HasSubstr("queries.jsonl:2: target 'z' is no image of"),
                    HasSubstr("queries.jsonl:3: the text '?!' holds no word"),
                    HasSubstr("queries.jsonl:4: field 'targets' is empty"),
                    HasSubstr("queries.jsonl:5: target 'a' is the source itself"),
                    HasSubstr("queries.jsonl:6: target 'b' is named twice"),
                    HasSubstr("queries.jsonl:7: target 'e' is not in the gallery"),
                    HasSubstr("queries.jsonl:8: split leak: the query is of train, its target 'd' of test"),
                    HasSubstr("queries.jsonl:9: unknown split 'tset'"), Not(HasSubstr("queries.jsonl:10"))));
  const auto queries_error = [](const std::string& queries) { return ComposedSet(four_images(), queries).error(); };
  const std::string good = composed_query("a", R"("b")", "train");
  EXPECT_THAT(queries_error(good + good), HasSubstr("queries.jsonl:2: duplicate query; first in line 1"));
  EXPECT_THAT(queries_error(good + R"({"source": "a", "tex)"), HasSubstr("queries.jsonl:2"));
  EXPECT_THAT(queries_error(good + "{\"source\": \"\xff\"}"), HasSubstr("queries.jsonl:2: invalid UTF-8"));
  EXPECT_THAT(queries_error(R"({"source": "a", "target": "b", "text": "x", "split": "train"})"),
              AllOf(HasSubstr("unknown field 'target'"), HasSubstr("targets")));
  EXPECT_THAT(queries_error(R"({"source": "a", "targets": "b", "text": "x", "split": "train"})"),
              HasSubstr("field 'targets' must be a list"));
  EXPECT_THAT(queries_error(""), AllOf(HasSubstr("queries.jsonl"), HasSubstr("gives no query of composed retrieval")));
  const TempDir folder;
  folder.write("set.jsonl", four_images());
  EXPECT_THAT(data_error([&] { read_corpus("{type: composed_jsonl, root: " + folder.path().string() + "}"); }),
              HasSubstr("queries.jsonl"));
}

}  // namespace
}  // namespace diptych::testing

#include "data/css.h"

#include <map>

#include "corpus_fixture.h"
#include "data/css_annotation.h"

namespace diptych {
namespace {

using namespace testing;  // fixtures
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

css::SplitAnnotation css_part(int64_t images) {
  css::SplitAnnotation out;
  for (int64_t i = 0; i < images; ++i) {
    out.objects.push_back({{"red", "circle", i % 2 == 0 ? "small" : "large", 0.25, 0.5}});
    out.labels.push_back(i);
  }
  return out;
}

/// Four scenes to train on, images 0, 3, 6, 9, with two edits each; image 10 shows what image 7 shows. One scene to
/// test on, with two edits; image 3 shows what image 1 shows.
css::Annotation css_annotation() {
  css::Annotation out{css_part(12), css_part(4)};
  out.train.labels[10] = 7;
  out.train.edits = {{"make red circle blue", {0, 3, 6, 9}, {1, 4, 7, 10}},
                     {"Remove top-left circle", {0, 3, 6, 9}, {2, 5, 8, 11}}};
  out.test.labels[3] = 1;
  out.test.edits = {{"make red circle blue", {0}, {1}}, {"Remove top-left circle", {0}, {2}}};
  return out;
}

struct CssSet {
  TempDir folder;
  explicit CssSet(const css::Annotation& annotation = css_annotation()) { write(annotation_bytes(annotation)); }
  void write(const std::string& bytes) { folder.write(css::kAnnotationFile, bytes); }
  Corpus read(const std::string& more = ", val_share: 0.25") const {
    return read_corpus("{type: css, name: css, root: " + folder.path().string() + more + "}");
  }
  std::string error() const {
    return data_error([&] { read(); });
  }
};

template <class Change>
std::string css_error(Change&& change) {
  css::Annotation annotation = css_annotation();
  change(annotation);
  return CssSet(annotation).error();
}

std::string css_file_error(const std::string& from, const std::string& to) {
  std::string bytes = annotation_bytes(css_annotation());
  const size_t at = bytes.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  CssSet set;
  set.write(bytes.replace(at, from.size(), to));
  return set.error();
}

std::vector<Modification> edits_of(const Corpus& corpus, Split split) {
  std::vector<Modification> out;
  for (const Modification& edit : corpus.modifications)
    if (edit.split == split) out.push_back(edit);
  return out;
}
const CorpusImage& image_of(const Corpus& corpus, int64_t row) { return corpus.images[static_cast<size_t>(row)]; }

TEST(CssAnnotation, ReadsWhatItWrites) {
  const css::Annotation written = css_annotation();
  const css::Annotation read = css::parse_annotation(annotation_bytes(written), "a.npy");
  EXPECT_EQ(annotation_bytes(read), annotation_bytes(written));
  EXPECT_EQ(read.train.labels, written.train.labels);
  EXPECT_EQ(read.test.edits[1].text, "Remove top-left circle");
  EXPECT_THAT(read.train.edits[0].to, ElementsAre(1, 4, 7, 10));
  EXPECT_EQ(read.train.objects[3][0].size, "large");
  EXPECT_EQ(read.train.objects[3][0].y, 0.25);
  EXPECT_EQ(css::picture_name("train", 12), "css_train_000012.png");
}

TEST(CssAnnotation, LabelsAreImageNumbersWhereTheFileHasNone) {
  std::string bytes = annotation_bytes(css_annotation());
  bytes.replace(bytes.find("labels"), 6, "LABELS");  // of both splits: the text is there once
  EXPECT_EQ(css::parse_annotation(bytes, "a.npy").train.labels[10], 10);
}

TEST(CssAnnotation, EveryTruncationIsRefused) {
  const std::string bytes = annotation_bytes(css_annotation());
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_THROW(css::parse_annotation(bytes.substr(0, size), "a.npy"), DataError) << size;
}

TEST(Css, ReadsScenesEditsAndSplits) {
  const Corpus corpus = CssSet().read();
  EXPECT_TRUE(corpus.has_identities);
  EXPECT_THAT(corpus.captions, IsEmpty());
  EXPECT_THAT(corpus.image_rows(Split::train), SizeIs(9));
  EXPECT_THAT(corpus.image_rows(Split::val), SizeIs(3));  // a scene and what becomes of it
  EXPECT_THAT(corpus.image_rows(Split::test), SizeIs(4));
  EXPECT_THAT(edits_of(corpus, Split::train), SizeIs(6));
  EXPECT_THAT(edits_of(corpus, Split::val), SizeIs(2));
  EXPECT_THAT(corpus.notes, IsEmpty());

  const auto edits = edits_of(corpus, Split::test);
  ASSERT_THAT(edits, SizeIs(2));
  EXPECT_EQ(edits[0].text, "make red circle blue");
  EXPECT_THAT(edits[0].tokens, ElementsAre("make", "red", "circle", "blue"));
  EXPECT_EQ(edits[0].record, 0);
  EXPECT_EQ(image_of(corpus, edits[0].source_row).path, "images/css_test_000000.png");
  EXPECT_EQ(image_of(corpus, edits[0].target_row).path, "images/css_test_000001.png");
  EXPECT_THAT(edits[1].tokens, ElementsAre("remove", "top", "left", "circle"));
  std::vector<std::string> answers;
  for (const CorpusImage& image : corpus.images)
    if (image.label == edits[0].target_label) answers.push_back(image.id);
  EXPECT_THAT(answers, ElementsAre("test_000001", "test_000003"));
}

TEST(Css, ImagesOfOneSceneStayInOneSplit) {
  for (const int seed : {1, 2, 3, 4, 5}) {
    const Corpus corpus = CssSet().read(", val_share: 0.5, seed: " + std::to_string(seed));
    std::map<int64_t, Split> split_of;
    for (const CorpusImage& image : corpus.images)
      EXPECT_EQ(split_of.emplace(image.label, image.split).first->second, image.split) << image.id;
    EXPECT_THAT(corpus.image_rows(Split::val), SizeIs(6));
    EXPECT_THAT(edits_of(corpus, Split::train), SizeIs(4));
  }
  EXPECT_THAT(CssSet().read(", val_share: 0").image_rows(Split::val), IsEmpty());
}

TEST(Css, FlatQueriesFindSolidScenes) {
  const Corpus corpus = CssSet().read(", query_images: 2d, gallery_images: 3d");
  std::vector<std::string> ranked, asking;
  for (const int64_t row : corpus.image_rows(Split::test))
    (image_of(corpus, row).gallery ? ranked : asking).push_back(image_of(corpus, row).path);
  EXPECT_THAT(ranked, ElementsAre("images/css_test_000000.png", "images/css_test_000001.png",
                                  "images/css_test_000002.png", "images/css_test_000003.png"));
  EXPECT_THAT(asking, ElementsAre("images_2d/css_test_000000.png"));
  const Modification edit = edits_of(corpus, Split::test)[0];
  EXPECT_EQ(image_of(corpus, edit.source_row).path, "images_2d/css_test_000000.png");
  EXPECT_EQ(image_of(corpus, edit.target_row).path, "images/css_test_000001.png");
  EXPECT_EQ(edit.source_label, image_of(corpus, corpus.image_rows(Split::test)[0]).label);

  const Corpus flat = CssSet().read(", query_images: 2d, gallery_images: 2d");
  EXPECT_THAT(flat.images, SizeIs(16));
  for (const CorpusImage& image : flat.images) {
    EXPECT_TRUE(image.gallery);
    EXPECT_THAT(image.path, HasSubstr("images_2d/"));
  }
  EXPECT_NE(flat.fingerprint, corpus.fingerprint);
}

TEST(Css, WordsCanBeCutAsTheCodeOfThePaperDoes) {
  const Corpus corpus = CssSet().read(", words: stripped");
  EXPECT_THAT(edits_of(corpus, Split::test)[1].tokens, ElementsAre("remove", "topleft", "circle"));
}

TEST(Css, QueriesAcrossTheCutAreCounted) {
  css::Annotation annotation = css_annotation();
  // All scenes hang together: a part of them is cut out, and some queries lead across.
  annotation.train.edits.push_back(
      {"make red circle green", {0, 1, 2, 3, 4, 5, 6, 7, 8}, {3, 4, 5, 6, 7, 8, 9, 10, 11}});
  const Corpus corpus = CssSet(annotation).read();
  const size_t left = edits_of(corpus, Split::train).size() + edits_of(corpus, Split::val).size();
  ASSERT_LT(left, 17u);
  EXPECT_THAT(corpus.notes,
              Contains(HasSubstr(std::to_string(17 - left) + " of the training queries lead from train")));
  EXPECT_THAT(corpus.image_rows(Split::val), SizeIs(3));
}

TEST(Css, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(css_error([](css::Annotation& set) { set.train.edits[1].from[2] = 12; }),
              AllOf(HasSubstr("train.mods[1]"), HasSubstr("'from' names image 12; there are 12, numbered from 0")));
  EXPECT_THAT(css_error([](css::Annotation& set) { set.test.edits[0].to[0] = -1; }),
              AllOf(HasSubstr("test.mods[0]"), HasSubstr("'to' names image -1")));
  EXPECT_THAT(css_error([](css::Annotation& set) { set.test.edits[0].to.push_back(2); }),
              HasSubstr("'from' names 1 images and 'to' 2; they go in pairs"));
  EXPECT_THAT(css_error([](css::Annotation& set) { set.train.labels.pop_back(); }),
              HasSubstr("train: 11 labels for 12 scenes"));
  EXPECT_THAT(css_error([](css::Annotation& set) { set.train.edits[1].text = " -- "; }),
              AllOf(HasSubstr("record 1 (id train.mods)"), HasSubstr("holds no word")));
  EXPECT_THAT(css_error([](css::Annotation& set) { set.train.edits.clear(), set.test.edits.clear(); }),
              HasSubstr("gives no query"));
  EXPECT_THAT(css_file_error("mods", "modz"), HasSubstr("train: key 'mods' is missing"));
  EXPECT_THAT(css_file_error("train", "trian"), HasSubstr("key 'train' is missing"));
  EXPECT_THAT(css_file_error("circle", "circ\xffl"), HasSubstr("invalid UTF-8"));
  EXPECT_THAT(css_file_error("_reconstruct", "_reconstructs"), HasSubstr("'numpy.core.multiarray._reconstructs'"));

  CssSet set;
  set.write("\x80\x02K\x05.");
  EXPECT_THAT(set.error(), HasSubstr("expected a dictionary; got an integer at byte 2"));
  set.write("hello");
  EXPECT_THAT(set.error(), HasSubstr("byte 0"));
  std::filesystem::remove(set.folder / css::kAnnotationFile);
  EXPECT_THAT(set.error(), HasSubstr("No such file"));
  const auto needed = corpus_reader("{type: css, root: /x}")->needed_files();
  ASSERT_THAT(needed, SizeIs(1));
  EXPECT_EQ(needed[0].string(), "/x/css_toy_dataset_novel2_small.dup.npy");
}

}  // namespace
}  // namespace diptych

#include <functional>

#include "corpus_fixture.h"

namespace diptych {
namespace {

using namespace testing;  // fixtures
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

/// Two scenes in train, three images of two scenes in test, one image outside the gallery; not in the order of rows.
Corpus edited_corpus() {
  Corpus corpus;
  corpus.name = "edited";
  corpus.source = "edited.npy";
  corpus.has_identities = true;
  corpus.label_names = {"zero", "one", "two", "three"};
  corpus.images = {{"t2.png", "2", Split::test, 2}, {"b.png", "b", Split::train, 1}, {"t1.png", "1", Split::test, 3},
                   {"a.png", "a", Split::train, 0}, {"t3.png", "3", Split::test, 3}, {"q.png", "0q", Split::test, 2}};
  corpus.images[5].gallery = false;
  corpus.modifications = {
      {.text = "make it round",
       .tokens = {"make", "it", "round"},
       .split = Split::test,
       .source_row = 5,
       .target_label = 3,
       .target_row = 2,
       .record = 7,
       .subset = {4, 2}},
      {.text = "add b",
       .tokens = {"add", "b"},
       .split = Split::train,
       .source_row = 3,
       .target_label = 1,
       .target_row = 1},
      {.text = "undo", .tokens = {"undo"}, .split = Split::train, .source_label = 1, .target_label = 0}};
  return corpus;
}

/// The complaints about the corpus after `change`.
template <class Change>
std::string finish_error(Change&& change) {
  Corpus corpus = edited_corpus();
  change(corpus);
  return data_error([&] { finish_corpus(corpus); });
}
std::string edit_error(const std::function<void(Modification&)>& change) {
  return finish_error([&](Corpus& corpus) { change(corpus.modifications[0]); });
}

TEST(FinishModifications, FollowTheirImagesRowsAndLabels) {
  Corpus corpus = edited_corpus();
  finish_corpus(corpus);
  std::string ids;
  for (const CorpusImage& image : corpus.images) ids += image.id + " ";
  ASSERT_EQ(ids, "a b 1 2 3 0q ");  // ids that are numbers come before others
  ASSERT_EQ(corpus.modifications.size(), 3u);
  const Modification &add = corpus.modifications[0], &undo = corpus.modifications[1], &make = corpus.modifications[2];
  EXPECT_EQ(add.text, "add b");  // train first, in the order read
  EXPECT_EQ(add.source_row, 0);
  EXPECT_EQ(add.source_label, corpus.images[0].label);
  EXPECT_EQ(add.target_row, 1);
  EXPECT_EQ(add.target_label, corpus.images[1].label);
  EXPECT_EQ(undo.source_row, -1);
  EXPECT_EQ(undo.source_label, corpus.images[1].label);
  EXPECT_EQ(undo.target_row, -1);
  EXPECT_EQ(undo.target_label, corpus.images[0].label);
  EXPECT_EQ(make.source_row, 5);
  EXPECT_EQ(make.source_label, corpus.images[3].label);  // the image in the gallery that shows the same
  EXPECT_EQ(make.target_row, 2);
  EXPECT_EQ(make.target_label, corpus.images[4].label);
  EXPECT_THAT(make.subset, ElementsAre(4, 2));
  EXPECT_EQ(corpus.label_names[static_cast<size_t>(make.target_label)], "three");
  EXPECT_FALSE(corpus.images[5].gallery);
}

TEST(FinishModifications, FollowImageNumbersWhereThereAreNoIdentities) {
  Corpus corpus = edited_corpus();
  corpus.has_identities = false;
  corpus.label_names.clear();
  for (size_t row = 0; row < corpus.images.size(); ++row) corpus.images[row].label = static_cast<int64_t>(row) + 10;
  corpus.modifications[0].target_label = 12;
  corpus.modifications[1].target_label = 11;
  corpus.modifications[2].source_label = 11, corpus.modifications[2].target_label = 13;
  finish_corpus(corpus);
  EXPECT_EQ(corpus.modifications[0].target_label, 1);
  EXPECT_EQ(corpus.modifications[1].source_label, 1);
  EXPECT_EQ(corpus.modifications[1].target_label, 0);
  EXPECT_EQ(corpus.modifications[2].source_label, 5);
  EXPECT_EQ(corpus.modifications[2].target_label, 2);

  Corpus twice = edited_corpus();
  twice.has_identities = false;  // images 2 and 4, 0 and 5 have one number
  EXPECT_THAT(data_error([&] { finish_corpus(twice); }), HasSubstr("label 3 is the number of another image"));
}

TEST(FinishModifications, ImagesNeedCaptionsOnlyWithoutThem) {
  EXPECT_THAT(finish_error([](Corpus& corpus) { corpus.modifications.clear(); }),
              HasSubstr("6 images have no caption"));
  Corpus some = edited_corpus();
  some.captions = {{"a thing", {"a", "thing"}, 1}};
  finish_corpus(some);
  EXPECT_EQ(some.captions[0].image_row, 1);
}

TEST(FinishModifications, EnterTheFingerprint) {
  const auto fingerprint_after = [](auto&& change) {
    Corpus corpus = edited_corpus();
    change(corpus);
    finish_corpus(corpus);
    return corpus.fingerprint;
  };
  const std::string whole = fingerprint_after([](Corpus&) {});
  EXPECT_EQ(fingerprint_after([](Corpus&) {}), whole);
  EXPECT_EQ(fingerprint_after([](Corpus& corpus) { corpus.modifications[0].record = 8; }), whole);
  EXPECT_NE(fingerprint_after([](Corpus& corpus) { corpus.modifications[0].text += "!"; }), whole);
  EXPECT_NE(fingerprint_after([](Corpus& corpus) { corpus.modifications[0].tokens[0] = "made"; }), whole);
  EXPECT_NE(fingerprint_after([](Corpus& corpus) { corpus.modifications[0].subset.pop_back(); }), whole);
  EXPECT_NE(fingerprint_after([](Corpus& corpus) { corpus.modifications[0].target_row = 4; }), whole);
  EXPECT_NE(fingerprint_after([](Corpus& corpus) { corpus.modifications.pop_back(); }), whole);
  EXPECT_NE(fingerprint_after([](Corpus& corpus) { corpus.images[5].gallery = true; }), whole);
}

TEST(FinishModifications, NamesTheRecordOfWhatIsWrong) {
  EXPECT_THAT(edit_error([](Modification& edit) { edit.source_row = 6; }),
              AllOf(HasSubstr("edited.npy record 7 modification 'make it round'"),
                    HasSubstr("the source is image row 6, which does not exist")));
  EXPECT_THAT(edit_error([](Modification& edit) { edit.source_row = -2; }), HasSubstr("image row -2"));
  EXPECT_THAT(edit_error([](Modification& edit) { edit.source_row = 1; }),
              HasSubstr("split leak: it is of test, but the source (id b) of train"));
  EXPECT_THAT(edit_error([](Modification& edit) { edit.source_label = 3; }),
              HasSubstr("the source has label 2, not 3"));
  EXPECT_THAT(edit_error([](Modification& edit) { edit.source_row = -1, edit.source_label = 1; }),
              HasSubstr("no image of test has the source's label 1"));
  EXPECT_THAT(edit_error([](Modification& edit) { edit.target_row = 0; }), HasSubstr("the target has label 2, not 3"));
  EXPECT_THAT(edit_error([](Modification& edit) { edit.target_label = 1; }),
              HasSubstr("no image of test that is ranked has the target's label 1"));
  EXPECT_THAT(edit_error([](Modification& edit) { edit.target_row = 5, edit.target_label = 2; }),
              HasSubstr("the target (id 0q) is not in the gallery"));
  EXPECT_THAT(edit_error([](Modification& edit) {
                edit.subset = {4, 9};
              }),
              HasSubstr("an image of the subset is image row 9"));
  EXPECT_THAT(edit_error([](Modification& edit) { edit.tokens.clear(); }), HasSubstr("the text holds no word"));
  EXPECT_THAT(edit_error([](Modification& edit) { edit.tokens = {"two words"}; }), HasSubstr("'two words' is empty"));
  EXPECT_THAT(edit_error([](Modification& edit) { edit.text = "a\xff"; }), HasSubstr("invalid UTF-8 at byte 1"));
  EXPECT_THAT(finish_error([](Corpus& corpus) {
                for (Modification& edit : corpus.modifications) edit.tokens.clear();
                corpus.modification_source = "queries.jsonl";
                corpus.records_are_lines = true;
              }),
              AllOf(HasSubstr("queries.jsonl:7 modification"), HasSubstr("queries.jsonl modification 'undo'"),
                    Not(HasSubstr("edited.npy"))));
}

}  // namespace
}  // namespace diptych

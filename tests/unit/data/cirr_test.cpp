#include "data/cirr.h"

#include <gmock/gmock.h>

#include "unit/data/corpus_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::string cirr_record(int pair, const std::string& reference, const std::string& target, const std::string& members,
                        const std::string& caption = "show it outdoors") {
  return concat(R"({"pairid": )", pair, R"(, "reference": ")", reference, R"(", "target_hard": ")", target,
                R"(", "target_soft": {")", target, R"(": 1.0}, "caption": ")", caption,
                R"(", "img_set": {"id": 3, "members": [)", members, R"(], "reference_rank": 0, "target_rank": 1}})");
}

struct CirrSet {
  TempDir folder;
  CirrSet() {
    folder.write("image_splits/split.rc2.train.json", R"({"t1": "./train/0/t1.png", "t2": "./train/0/t2.png"})");
    folder.write("image_splits/split.rc2.val.json",
                 R"({"d1": "./dev/d1.png", "d2": "./dev/d2.png", "d3": "./dev/d3.png", "d4": "./dev/d4.png"})");
    folder.write("captions/cap.rc2.train.json", "[" + cirr_record(7, "t1", "t2", R"("t1", "t2")") + "]");
    write_val(cirr_record(7, "d2", "d3", R"("d3", "d1", "d2")", " Two dogs "));
  }
  void write_val(const std::string& records) const { folder.write("captions/cap.rc2.val.json", "[" + records + "]"); }
  Corpus read(const std::string& more = ", val_share: 0") const {
    return read_corpus("{type: cirr, name: scenes, root: " + folder.path().string() + more + "}");
  }
  std::string error() const {
    return data_error([&] { read(); });
  }
};

TEST(Cirr, ReadsQueriesAndTheirSets) {
  const CirrSet set;
  const Corpus corpus = set.read();
  ASSERT_EQ(corpus.images.size(), 6u);
  EXPECT_EQ(corpus.images[0].path, "train/0/t1.png");
  EXPECT_EQ(corpus.images[2].id, "d1");
  ASSERT_EQ(corpus.modifications.size(), 2u);
  EXPECT_EQ(corpus.modifications[0].split, Split::train);
  EXPECT_THAT(corpus.modifications[0].subset, IsEmpty());
  const Modification& query = corpus.modifications[1];
  EXPECT_EQ(query.split, Split::test) << "the released val";
  EXPECT_EQ(query.text, "Two dogs");
  EXPECT_EQ(query.source_row, 3);
  EXPECT_EQ(query.target_row, 4);
  EXPECT_EQ(query.target_label, corpus.images[4].label);
  EXPECT_THAT(query.subset, UnorderedElementsAre(2, 3, 4));
  EXPECT_THAT(corpus.notes, IsEmpty());
}

TEST(Cirr, ValidationSetsAreCutWhole) {
  const CirrSet set;
  std::string images = "{", records;
  for (int i = 0; i < 40; ++i) {
    images += concat(i ? "," : "", "\"t", i, "\": \"train/", i, ".png\"");
    const int first = i / 4 * 4;
    records +=
        concat(i ? "," : "",
               cirr_record(i, concat("t", i), concat("t", first + (i + 1) % 4),
                           concat("\"t", first, "\",\"t", first + 1, "\",\"t", first + 2, "\",\"t", first + 3, "\"")));
  }
  set.folder.write("image_splits/split.rc2.train.json", images + "}");
  set.folder.write("captions/cap.rc2.train.json", "[" + records + "]");
  const Corpus corpus = set.read(", val_share: 0.2");
  EXPECT_EQ(corpus.image_rows(Split::val).size(), 8u);
  size_t val = 0;
  for (const Modification& each : corpus.modifications) {
    if (each.split != Split::val) continue;
    ++val;
    EXPECT_EQ(each.subset.size(), 4u);
    for (const int64_t row : each.subset) EXPECT_EQ(corpus.images[static_cast<size_t>(row)].split, Split::val);
  }
  EXPECT_EQ(val, 8u);
  EXPECT_EQ(corpus.modifications.size(), 41u) << "nothing is lost";
}

TEST(Cirr, QueriesAcrossTheCutAreCounted) {
  const CirrSet set;
  std::string images = "{", records;
  for (int i = 0; i < 50; ++i) {  // a ring, in which every image is linked with every other
    images += concat(i ? "," : "", "\"t", i, "\": \"train/", i, ".png\"");
    const std::string reference = concat("t", i), target = concat("t", (i + 1) % 50);
    records += concat(i ? "," : "", cirr_record(i, reference, target, concat("\"", reference, "\",\"", target, "\"")));
  }
  set.folder.write("image_splits/split.rc2.train.json", images + "}");
  set.folder.write("captions/cap.rc2.train.json", "[" + records + "]");
  const Corpus corpus = set.read(", val_share: 0.2");
  EXPECT_EQ(corpus.image_rows(Split::val).size(), 10u);
  EXPECT_EQ(corpus.modifications.size(), 49u);
  EXPECT_THAT(corpus.notes, ElementsAre("2 training queries lie across the cut of val_share = 0.2 and were left out"));
}

TEST(Cirr, RecordsAreChecked) {
  const CirrSet set;
  set.write_val(cirr_record(1, "d9", "d3", R"("d3")") + "," + cirr_record(2, "d2", "t1", R"("t1")") + "," +
                cirr_record(3, "d2", "d3", R"("d1", "d2")") + "," + cirr_record(4, "d2", "d3", R"("d3", "zz")") + "," +
                cirr_record(5, "d2", "d2", R"("d2")") + "," + cirr_record(6, "d2", "d3", R"("d3")", "..") + "," +
                cirr_record(7, "d2", "d3", R"("d3")") + "," + cirr_record(7, "d2", "d4", R"("d4")") +
                R"(,{"pairid": 8, "reference": "d1", "caption": "x", "img_set": {"members": []}})");
  EXPECT_THAT(set.error(), AllOf(HasSubstr("cap.rc2.val.json record 0 (id 1): reference 'd9' is no image of"),
                                 HasSubstr("record 1 (id 2): target_hard 't1' is no image of"),
                                 HasSubstr("record 2 (id 3): img_set.members must hold target_hard once"),
                                 HasSubstr("record 3 (id 4): member 'zz' is no image of"),
                                 HasSubstr("record 4 (id 5): reference and target_hard are the same image"),
                                 HasSubstr("record 5 (id 6): the caption '..' holds no word"),
                                 HasSubstr("record 7 (id 7): duplicate pairid; first in"),
                                 HasSubstr("record 8 (id 8): field 'target_hard' is missing"),
                                 HasSubstr("test split has no answers")));
  set.write_val(R"({"pairid": 1, "refer)");
  EXPECT_THAT(set.error(), HasSubstr("cap.rc2.val.json"));
  set.write_val("\"\xff\"");
  EXPECT_THAT(set.error(), HasSubstr("cap.rc2.val.json"));
  set.folder.write("captions/cap.rc2.val.json", "{}");
  EXPECT_THAT(set.error(), HasSubstr("expected a list of {pairid"));
  set.write_val(cirr_record(1, "d2", "d3", R"("d3")"));
  set.folder.write("image_splits/split.rc2.val.json", R"({"d2": "x.png", "d3": 4})");
  EXPECT_THAT(set.error(), AllOf(HasSubstr("split.rc2.val.json record 1 (id d3): the path must be text")));
  set.folder.write("image_splits/split.rc2.val.json", "[]");
  EXPECT_THAT(set.error(), HasSubstr("expected an object that maps image ids to paths"));
  set.folder.write("image_splits/split.rc2.val.json", R"({"d2": "x.png", "d3": "y.png", "t1": "z.png"})");
  EXPECT_THAT(set.error(), HasSubstr("split leak"));
  EXPECT_THAT(corpus_reader("{type: cirr, version: rc1, root: /r}")->needed_files(),
              ElementsAre("/r/captions/cap.rc1.train.json", "/r/image_splits/split.rc1.train.json",
                          "/r/captions/cap.rc1.val.json", "/r/image_splits/split.rc1.val.json"));
}

}  // namespace
}  // namespace diptych::testing

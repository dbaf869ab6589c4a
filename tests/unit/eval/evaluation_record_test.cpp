#include "diptych/eval/evaluation_record.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <fstream>
#include <functional>

#include "diptych/core/io/json.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/core/text.h"
#include "diptych/eval/left_out.h"
#include "diptych/eval/result_json.h"
#include "support/file_system_double.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"
#include "unit/eval/composed_set.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

/// Six images with two captions each, measured by a real protocol.
EvaluationRecord small_record() {
  EvaluationRecord record;
  record.corpus = "toy", record.image_root = "/pictures", record.scorer = "cosine";
  record.x = normal_rows(6, 4, 1), record.y = normal_rows(12, 4, 2);
  record.x_points = record.x, record.y_points = record.y;
  const auto tiles = dot_tiles(record.x, record.y);
  RetrievalSet set;
  set.scores = tiles.get(), set.split = "test", set.scorer = "cosine", set.bootstrap = false;
  for (int64_t i = 0; i < 6; ++i) {
    set.x_id.push_back(concat("img", i)), set.x_label.push_back(i);
    for (int64_t c = 0; c < 2; ++c)
      set.y_id.push_back(concat("img", i, "#", c)), set.y_label.push_back(i), set.y_image.push_back(i);
  }
  ProtocolRegistry protocols("protocol");
  register_protocols(protocols);
  record.result = protocols.make_default("image-retrieval")->evaluate(set);
  for (size_t i = 0; i < 6; ++i) record.images.push_back({set.x_id[i], concat("a/", i, ".jpg"), {}, set.x_label[i], 0});
  for (size_t i = 0; i < 12; ++i)
    record.captions.push_back({set.y_id[i], "two \"dogs\" \xe2\x80\xae </script>\n", set.y_image[i],
                               static_cast<int64_t>(i), static_cast<int64_t>(i / 4), i == 3, 0});
  const TopLists lists = top_lists(*tiles, kTopItems);
  record.top = {lists.cols_of_row, lists.rows_of_col};
  return record;
}

TEST(EvaluationRecord, OfPairsKeepsPlacesButNoVectorsThatScore) {
  const TempDir folder;
  EvaluationRecord record = small_record();
  record.x = record.y = at::Tensor();
  write_evaluation_record(folder.path(), record);
  const EvaluationRecord read = read_evaluation_record(folder.path());
  EXPECT_FALSE(read.x.defined() || read.y.defined());
  EXPECT_TRUE(read.x_points.equal(record.x_points));
}

class EvaluationRecordFiles : public ::testing::Test {
 protected:
  EvaluationRecordFiles() { write_evaluation_record(folder_.path(), record_); }
  /// The complaint after `damage` was done to the text of one file.
  std::string refusal(const std::string& name, const std::function<void(std::string&)>& damage) {
    std::string text = slurp(folder_ / name);
    damage(text);
    folder_.write(name, text);
    return refusal();
  }
  std::string refusal() const {
    try {
      read_evaluation_record(folder_.path());
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 4) << error.what();
      return to_text(error.issues().at(0));
    }
  }
  static void replace(std::string& text, const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
  }
  EvaluationRecord record_ = small_record();
  TempDir folder_;
};

TEST_F(EvaluationRecordFiles, ReadBackToTheSameRecord) {
  const EvaluationRecord read = read_evaluation_record(folder_.path());
  EXPECT_EQ(to_json(read.result), to_json(record_.result));
  EXPECT_EQ(read.corpus, "toy");
  EXPECT_EQ(read.image_root, "/pictures");
  EXPECT_EQ(read.scorer, "cosine");
  ASSERT_EQ(read.images.size(), 6u);
  EXPECT_EQ(read.images[4].path, "a/4.jpg");
  EXPECT_EQ(read.images[4].label, 4);
  ASSERT_EQ(read.captions.size(), 12u);
  EXPECT_EQ(read.captions[3].text, record_.captions[3].text);
  EXPECT_EQ(read.captions[9].image, 4);
  EXPECT_EQ(read.captions[9].tokens, 9);
  EXPECT_EQ(read.captions[9].unknown, 2);
  EXPECT_TRUE(read.captions[3].cut && !read.captions[4].cut);
  EXPECT_TRUE(read.x.equal(record_.x) && read.y.equal(record_.y) && read.x_points.equal(record_.x));
  EXPECT_EQ(read.top, record_.top);  // the very bits of the scores
  ASSERT_EQ(read.result.ranks.size(), 2u);
  for (size_t d = 0; d < 2; ++d) {
    const DirectionRanks &a = read.result.ranks[d], &b = record_.result.ranks[d];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.query_id, b.query_id);
    EXPECT_EQ(a.query, b.query);
    EXPECT_EQ(a.first, b.first);
    EXPECT_EQ(a.first_stable, b.first_stable);
    EXPECT_EQ(a.first_tied, b.first_tied);
    EXPECT_EQ(a.positives, b.positives);
    EXPECT_EQ(a.offsets, b.offsets);
    EXPECT_EQ(a.positive_items, b.positive_items);
    EXPECT_EQ(a.positive_scores, b.positive_scores);
  }
  EXPECT_EQ(read.result.x_fold, record_.result.x_fold);
  EXPECT_EQ(read.result.y_fold, record_.result.y_fold);
  EXPECT_EQ(read.image_of("i2t", 3), 3);
  EXPECT_EQ(read.image_of("t2i", 3), 1);
}

TEST_F(EvaluationRecordFiles, AreTheSameBytesEveryTime) {
  const TempDir again;
  write_evaluation_record(again.path(), small_record());
  for (const char* name : {"metrics.json", "items.jsonl", "embeddings.safetensors", "ranks.npz", "per_query.jsonl"})
    EXPECT_EQ(slurp(again / name), slurp(folder_ / name)) << name;
}

TEST_F(EvaluationRecordFiles, KeepPlacesThatDifferFromThePreparedEmbeddings) {
  record_.x_points = normal_rows(6, 2, 5), record_.y_points = normal_rows(12, 2, 6);
  write_evaluation_record(folder_.path(), record_);
  const EvaluationRecord read = read_evaluation_record(folder_.path());
  EXPECT_TRUE(read.x_points.equal(record_.x_points) && read.y_points.equal(record_.y_points));
  EXPECT_TRUE(read.x.equal(record_.x));
}

TEST_F(EvaluationRecordFiles, EachMissingFileIsNamed) {
  for (const char* name : {"metrics.json", "items.jsonl", "embeddings.safetensors", "ranks.npz", "per_query.jsonl"}) {
    fs::rename(folder_ / name, folder_ / "away");
    EXPECT_THAT(refusal(), HasSubstr(name));
    fs::rename(folder_ / "away", folder_ / name);
  }
  EXPECT_EQ(refusal(), "");
}

TEST_F(EvaluationRecordFiles, ACutOfAnyFileIsRefused) {
  for (const char* name : {"metrics.json", "items.jsonl", "embeddings.safetensors", "ranks.npz", "per_query.jsonl"}) {
    const std::string whole = slurp(folder_ / name);
    for (const size_t part : {0, 1, 3, 7, 9}) {
      folder_.write(name, whole.substr(0, whole.size() * part / 10));
      EXPECT_THAT(refusal(), HasSubstr(name)) << part;
    }
    folder_.write(name, whole.substr(0, whole.size() - 2));
    EXPECT_THAT(refusal(), HasSubstr(name));
    folder_.write(name, whole);
  }
}

TEST_F(EvaluationRecordFiles, ItemsOfAnotherEvaluationAreRefused) {
  EXPECT_THAT(refusal("items.jsonl", [](std::string& text) { replace(text, "a/4.jpg", "a/5.jpg"); }),
              AllOf(HasSubstr("embeddings.safetensors"), HasSubstr("another items.jsonl"), HasSubstr("evaluate RUN")));
}

TEST_F(EvaluationRecordFiles, CountsThatDoNotFitAreRefusedWithTheirLine) {
  EXPECT_THAT(refusal("items.jsonl", [](std::string& text) { replace(text, "\"captions\":12", "\"captions\":11"); }),
              AllOf(HasSubstr("items.jsonl:18"), HasSubstr("more lines")));
}

TEST_F(EvaluationRecordFiles, AnAbsurdCountTakesNoMemory) {
  EXPECT_THAT(
      refusal("items.jsonl", [](std::string& text) { replace(text, "\"images\":6", "\"images\":900000000000000"); }),
      AllOf(HasSubstr("items.jsonl:1"), HasSubstr("900000000000000")));
}

TEST_F(EvaluationRecordFiles, ACaptionOfNoImageIsRefused) {
  EXPECT_THAT(refusal("items.jsonl", [](std::string& text) { replace(text, "\"of\":5", "\"of\":6"); }),
              AllOf(HasSubstr("items.jsonl:18"), HasSubstr("there are 6 images")));
}

TEST_F(EvaluationRecordFiles, QueriesInAnotherOrderAreRefused) {
  EXPECT_THAT(
      refusal("per_query.jsonl", [](std::string& text) { replace(text, "\"query\":\"img1\"", "\"query\":\"img2\""); }),
      AllOf(HasSubstr("per_query.jsonl:2"), HasSubstr("is not query img1")));
}

TEST_F(EvaluationRecordFiles, AnItemThatIsNotThereIsRefused) {
  EXPECT_THAT(
      refusal("per_query.jsonl", [](std::string& text) { replace(text, "\"top\":[[\"img", "\"top\":[[\"omg"); }),
      AllOf(HasSubstr("per_query.jsonl:1"), HasSubstr("which items.jsonl lacks")));
}

TEST_F(EvaluationRecordFiles, AnotherVersionIsNamed) {
  EXPECT_THAT(refusal("items.jsonl", [](std::string& text) { replace(text, "{\"v\":1", "{\"v\":7"); }),
              HasSubstr("format version 7; this program reads 1"));
}

TEST_F(EvaluationRecordFiles, EmbeddingsOfAnotherSizeOrNotFiniteAreRefused) {
  TensorFile file = read_safetensors(folder_ / "embeddings.safetensors");
  const at::Tensor x = file.tensors["x"];
  file.tensors["x"] = x.narrow(0, 0, 5);
  write_safetensors(file, folder_ / "embeddings.safetensors");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("'x' is [5, 4]"), HasSubstr("[6, D]")));
  file.tensors["x"] = x.clone().fill_(std::numeric_limits<float>::quiet_NaN());
  write_safetensors(file, folder_ / "embeddings.safetensors");
  EXPECT_THAT(refusal(), HasSubstr("not finite"));
}

TEST_F(EvaluationRecordFiles, RanksAloneAreEnoughToCount) {
  const auto ranks = read_ranks(folder_ / "ranks.npz");
  ASSERT_EQ(ranks.size(), 2u);
  EXPECT_EQ(ranks[1].first, record_.result.ranks[1].first);
  EXPECT_THAT(ranks[0].query_id, ElementsAre("img0", "img1", "img2", "img3", "img4", "img5"));
}

TEST_F(EvaluationRecordFiles, AFullDiskLeavesTheFormerEvaluation) {
  std::map<std::string, std::string> before;
  for (const auto& entry : fs::directory_iterator(folder_.path()))
    before[entry.path().filename()] = slurp(entry.path());
  FileSystemDouble full(folder_.path(), FileSystemDouble::Fault::fail_from, 2, ENOSPC);
  const FileSystemScope scope(full);
  EXPECT_THROW(write_evaluation_record(folder_.path(), record_), OutputError);
  for (const auto& [name, bytes] : before) EXPECT_EQ(slurp(folder_ / name), bytes) << name;
}

// ---- composed queries

/// Seven images, of which the last is only ever a source and shows what image 0 shows; three queries.
EvaluationRecord composed_record() {
  EvaluationRecord record;
  record.corpus = "toy", record.scorer = "cosine";
  record.x = normal_rows(7, 4, 1), record.y = normal_rows(3, 4, 2);
  record.x_points = record.x, record.y_points = record.y;
  const auto tiles = dot_tiles(record.x, record.y);
  ComposedSet composed(at::matmul(record.x, record.y.t()), {0, 1, 1, 2, 3, 4, 0}, {1, 6, 2}, {1, 2, 0});
  RetrievalSet& set = composed.set;
  set.scores = tiles.get(), set.x_gallery = {true, true, true, true, true, true, false};
  ProtocolRegistry protocols("protocol");
  register_protocols(protocols);
  record.result = protocols.make_default("composed-retrieval")->evaluate(set);
  for (size_t i = 0; i < 7; ++i)
    record.images.push_back({set.x_id[i], set.x_id[i] + ".png", {}, set.x_label[i], record.result.x_fold[i]});
  for (size_t q = 0; q < 3; ++q)
    record.captions.push_back({set.y_id[q], "make it blue", set.y_image[q], 3, 0, false, 0, set.y_label[q]});
  const auto ranked = without_own(*tiles, set.y_image, set.x_label, set.x_gallery);
  record.top = {top_lists(*ranked, kTopItems, record.result.x_fold, record.result.y_fold).rows_of_col};
  return record;
}

TEST(EvaluationRecord, OfComposedQueriesReadsBackToTheSameRecord) {
  const TempDir folder;
  const EvaluationRecord record = composed_record();
  write_evaluation_record(folder.path(), record);
  const EvaluationRecord read = read_evaluation_record(folder.path());
  EXPECT_TRUE(read.result.composed);
  EXPECT_EQ(to_json(read.result), to_json(record.result));
  ASSERT_EQ(read.captions.size(), 3u);
  for (size_t q = 0; q < 3; ++q) {
    EXPECT_EQ(read.captions[q].target, record.captions[q].target);
    EXPECT_EQ(read.captions[q].image, record.captions[q].image);
  }
  EXPECT_EQ(read.top, record.top);
  EXPECT_EQ(read.top[0][0].size(), 5u) << "six ranked images without the own one";
  EXPECT_EQ(read.top[0][1].size(), 5u) << "nor the one that shows what the source shows";
  ASSERT_EQ(read.result.ranks.size(), 1u);
  EXPECT_EQ(read.result.ranks[0].positives, record.result.ranks[0].positives);
  EXPECT_EQ(read.result.x_fold.back(), -1);
  EXPECT_EQ(read.gallery(0), 6);
  EXPECT_EQ(read.image_of("t2i", 1), 6);
  EXPECT_FALSE(read.from_images(0));
}

TEST(EvaluationRecord, AnswersOfAComposedQueryHaveItsTargetAndAreNotItsOwnImage) {
  const EvaluationRecord record = composed_record();
  EXPECT_FALSE(record.relevant(1, 0)) << "its own image, although of the right label";
  EXPECT_TRUE(record.relevant(2, 0));
  EXPECT_FALSE(record.relevant(3, 0));
  EXPECT_TRUE(record.relevant(0, 2));
  EvaluationRecord same = record;
  same.captions[1].target = 0;  // what its source shows already
  EXPECT_FALSE(same.relevant(0, 1));
  for (size_t q = 0; q < record.result.ranks[0].query.size(); ++q)
    for (auto i = static_cast<size_t>(record.result.ranks[0].offsets[q]);
         i < static_cast<size_t>(record.result.ranks[0].offsets[q + 1]); ++i)
      EXPECT_TRUE(record.relevant(0, record.result.ranks[0].query[q], record.result.ranks[0].positive_items[i]));
}

TEST(EvaluationRecord, TargetsAreThereForAllQueriesOrForNone) {
  const TempDir folder;
  EvaluationRecord record = composed_record();
  write_evaluation_record(folder.path(), record);
  const std::string items = slurp(folder / "items.jsonl");
  const auto refusal_of = [&](const std::string& from, const std::string& to) {
    std::string text = items;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    folder.write("items.jsonl", text.replace(at, from.size(), to));
    try {
      read_evaluation_record(folder.path());
    } catch (const CheckpointError& error) {
      return to_text(error.issues().front());
    }
    return std::string("nothing was thrown");
  };
  EXPECT_THAT(refusal_of("\"target\":1", "\"purpose\":1"), AllOf(HasSubstr("items.jsonl:9"), HasSubstr("no 'target'")));
  EXPECT_THAT(refusal_of("\"target\":2", "\"target\":-2"), AllOf(HasSubstr("items.jsonl:10"), HasSubstr("-2")));
  record.captions[1].target = -1;
  EXPECT_THROW(write_evaluation_record(folder.path(), record), ShapeError);
  EvaluationRecord captions = small_record();
  captions.captions[0].target = 3;
  EXPECT_THROW(write_evaluation_record(folder.path(), captions), ShapeError);
}

}  // namespace
}  // namespace diptych::testing

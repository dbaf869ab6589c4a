#include "diptych/data/corpus_features.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/io/json.h"
#include "diptych/core/tensor/safetensors.h"
#include "support/tensor_near.h"
#include "support/torch7_writer.h"
#include "unit/data/corpus_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// Row i of the file is [i, -i].
std::shared_ptr<FeatureFile> features(const TempDir& folder, const std::vector<std::string>& ids) {
  const std::string json = dump_line(Json(ids));
  TensorFile file;
  const at::Tensor number = at::arange(static_cast<int64_t>(ids.size()), at::kFloat);
  file.tensors["features"] = at::stack({number, -number}, 1);
  file.tensors["ids"] = at::empty({static_cast<int64_t>(json.size())}, at::kByte);
  std::ranges::copy(json, reinterpret_cast<char*>(file.tensors["ids"].data_ptr<uint8_t>()));
  write_safetensors(file, folder / "f.safetensors");
  return std::make_shared<FeatureFile>(FeatureFileOptions{folder / "f.safetensors"});
}

Corpus corpus_of(const std::vector<std::array<std::string, 2>>& ids_and_paths) {
  Corpus corpus;
  corpus.name = "toy";
  for (const auto& [id, path] : ids_and_paths) corpus.images.push_back({path, id, Split::train, 0});
  return corpus;
}

TEST(CorpusFeatures, FindsImagesByAnyOfTheirNames) {
  const TempDir folder;
  const Corpus corpus = corpus_of({{"1", "x/one.jpg"}, {"2", "x/two.jpg"}, {"3", "y/three.png"}});
  const auto expect = [&](const std::vector<std::string>& ids, const std::string& kind) {
    const CorpusFeatures found(features(folder, ids), corpus);
    EXPECT_EQ(found.matched_by(), kind);
    EXPECT_THAT(found.rows({2, 0}), TensorNear(torch::tensor({{0., 0.}, {2., -2.}}, at::kFloat)));
  };
  expect({"3", "2", "1", "4"}, "id");
  expect({"y/three.png", "x/two.jpg", "x/one.jpg"}, "path");
  expect({"y/three", "x/two", "x/one"}, "path without its ending");
  expect({"three.png", "two.jpg", "one.jpg", "1"}, "file name");  // the kind that finds most
  expect({"three", "two", "one"}, "file name without its ending");
}

TEST(CorpusFeatures, NamesTheImagesThatTheFileLacks) {
  const TempDir folder;
  Corpus corpus = corpus_of({});
  for (int i = 0; i < 30; ++i)
    corpus.images.push_back({concat("p", i, ".jpg"), concat(i), Split::train, i, /*record=*/i});
  corpus.source = "set.json";
  const std::string error = data_error([&] { CorpusFeatures(features(folder, {"0", "1", "2", "x"}), corpus); });
  EXPECT_THAT(error, AllOf(HasSubstr("lacks the features of 27 of 30 images; the first 10 follow"),
                           HasSubstr("its ids look like '0'"), HasSubstr("(id 3)"), HasSubstr("(id 12)"),
                           Not(HasSubstr("(id 13)"))));
}

TEST(CorpusFeatures, RestImagesMayBeMissingUntilTheyAreUsed) {
  const TempDir folder;
  Corpus corpus = corpus_of({{"1", "a.jpg"}, {"2", "b.jpg"}});
  corpus.images[1].split = Split::rest;
  const CorpusFeatures found(features(folder, {"1"}), corpus);
  EXPECT_NO_THROW(found.rows({0}));
  EXPECT_THAT(data_error([&] { found.rows({0, 1}); }), HasSubstr("image row 1"));
}

TEST(CorpusFeatures, RefusesNamesThatTwoImagesShare) {
  const TempDir folder;
  const Corpus corpus = corpus_of({{"1", "x/one.jpg"}, {"2", "y/one.jpg"}});
  EXPECT_THAT(data_error([&] { CorpusFeatures(features(folder, {"one.jpg"}), corpus); }),
              AllOf(HasSubstr("the same file name"), HasSubstr("(id 1)"), HasSubstr("(id 2)")));
}

/// Classes of features one number wide: a.t7 has 0, 1, 2, b.t7 has 10, 11.
std::shared_ptr<FeatureFile> class_features(const TempDir& folder) {
  folder.write("t7/a.t7", torch7_bytes({3, 1, 1}, {0, 1, 2}));
  folder.write("t7/b.t7", torch7_bytes({2, 1, 1}, {10, 11}));
  return std::make_shared<FeatureFile>(FeatureFileOptions{folder / "t7"});
}

TEST(CorpusFeatures, AFolderOfClassesCountsTheImagesOfAClassInOrderOfTheirIds) {
  const TempDir folder;
  Corpus corpus = corpus_of({{"b/y", "y.jpg"}, {"a/n", "n.jpg"}, {"a/p", "p.jpg"}, {"b/x", "x.jpg"}, {"a/m", "m.jpg"}});
  corpus.images[2].split = Split::test;  // a class may be split
  const CorpusFeatures found(class_features(folder), corpus);
  EXPECT_EQ(found.matched_by(), "class and order of names");
  EXPECT_THAT(found.rows({0, 1, 2, 3, 4}), TensorNear(torch::tensor({11.f, 1.f, 2.f, 10.f, 0.f}).view({5, 1})));
}

TEST(CorpusFeatures, AFolderOfOtherClassesIsRefused) {
  const TempDir folder;
  Corpus corpus = corpus_of({{"a/1", "1.jpg"}, {"a/2", "2.jpg"}, {"b/1", "3.jpg"}, {"b/2", "4.jpg"}, {"c/1", "5.jpg"}});
  const auto error = [&] { return data_error([&] { CorpusFeatures(class_features(folder), corpus); }); };
  EXPECT_THAT(error(), AllOf(HasSubstr("t7/a.t7"), HasSubstr("has features of 3 images, the corpus has 2"),
                             HasSubstr("t7/c.t7"), HasSubstr("is not there"), Not(HasSubstr("t7/b.t7"))));
  corpus.images[4].split = Split::rest;  // need not be there
  EXPECT_THAT(error(), AllOf(HasSubstr("t7/a.t7"), Not(HasSubstr("t7/c.t7"))));
  corpus.images[0].id = "1";
  EXPECT_THAT(error(), HasSubstr("has no class in its id"));
}

}  // namespace
}  // namespace diptych::testing

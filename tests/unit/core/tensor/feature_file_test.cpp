#include "diptych/core/tensor/feature_file.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>

#include "diptych/core/error.h"
#include "diptych/core/tensor/npz.h"
#include "diptych/core/tensor/safetensors.h"
#include "support/slurp.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"
#include "support/torch7_writer.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// What scripts/golden/feature_files.py writes.
const std::vector<std::string> kIds = {"a.jpg", "b/ü.jpg", "日.png", "10"};
std::string golden(const std::string& name) { return std::string(DIPTYCH_GOLDEN_DIR) + "/features/" + name; }
at::Tensor numbers(int64_t regions = 0) {
  const at::Tensor plain = at::arange(4, at::kFloat).view({4, 1}) + at::arange(3, at::kFloat) / 4;
  if (regions == 0) return plain;
  return plain.view({4, 1, 3}) + 100 * at::arange(regions, at::kFloat).view({1, regions, 1});
}

at::Tensor bytes_of(const std::string& text) {
  at::Tensor out = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
  std::ranges::copy(text, reinterpret_cast<char*>(out.data_ptr<uint8_t>()));
  return out;
}

std::string safetensors(const TempDir& folder, std::map<std::string, at::Tensor> tensors) {
  write_safetensors(TensorFile{std::move(tensors), {}}, folder / "f.safetensors");
  return folder / "f.safetensors";
}

/// The message of the DataError that opening (and reading row 0) gives.
std::string refusal(const FeatureFileOptions& options) {
  try {
    FeatureFile(options).rows({0});
  } catch (const DataError& error) {
    EXPECT_EQ(error.exit_code(), 3);
    return error.what();
  }
  return "no error";
}

TEST(FeatureFile, ReadsSafetensorsOfEveryFloatType) {
  const TempDir folder;
  for (const auto type : {at::kFloat, at::kHalf, at::kBFloat16, at::kDouble}) {
    const std::string file = safetensors(
        folder, {{"features", numbers().to(type)}, {"ids", bytes_of(R"(["a.jpg","b/ü.jpg","日.png",10])")}});
    const FeatureFile features({file});
    EXPECT_EQ(features.ids(), kIds);
    EXPECT_EQ(features.features(), 3);
    EXPECT_EQ(features.regions(), 0);
    const at::Tensor rows = features.rows({2, 3, 0});  // two neighbours and a jump back
    EXPECT_EQ(rows.scalar_type(), at::kFloat);
    EXPECT_THAT(rows, TensorNear(numbers().index_select(0, torch::tensor({2, 3, 0}, at::kLong))));
  }
}

TEST(FeatureFile, ReadsRegions) {
  const TempDir folder;
  const std::string file = safetensors(
      folder,
      {{"embeddings", numbers(2)}, {"ids", torch::tensor({5, 6, 7, -8}, at::kLong)}, {"other", at::ones({2, 2})}});
  const FeatureFile features({file});
  EXPECT_EQ(features.regions(), 2);
  EXPECT_EQ(features.features(), 3);
  EXPECT_THAT(features.ids(), ElementsAre("5", "6", "7", "-8"));
  EXPECT_THAT(features.rows({1, 3}), TensorNear(numbers(2).index_select(0, torch::tensor({1, 3}, at::kLong))));
  EXPECT_EQ(features.rows({}).sizes(), (at::IntArrayRef{0, 2, 3}));
}

TEST(FeatureFile, ReadsWhatNumpyWrites) {
  const FeatureFile archive({golden("letters.npz")});
  EXPECT_EQ(archive.ids(), kIds);
  EXPECT_THAT(archive.rows({0, 1, 2, 3}), TensorNear(numbers()));
  const FeatureFile array({.file = golden("double.npy"), .ids_file = golden("letters.npy")});
  EXPECT_EQ(array.ids(), kIds);
  EXPECT_THAT(array.rows({3, 2}), TensorNear(numbers().index_select(0, torch::tensor({3, 2}, at::kLong))));
}

TEST(FeatureFile, ReadsIdsFromFilesOfTheirOwn) {
  const TempDir folder;
  const auto ids_of = [&](const std::string& name, const std::string& bytes) {
    return FeatureFile({.file = golden("double.npy"), .ids_file = folder.write(name, bytes)}).ids();
  };
  EXPECT_EQ(ids_of("a.txt", "a.jpg\nb/ü.jpg\r\n日.png\n10"), kIds);
  EXPECT_EQ(ids_of("a.lst",
                   "\xef\xbb\xbf"
                   "a.jpg\nb/ü.jpg\n日.png\n10\n"),
            kIds);
  EXPECT_EQ(ids_of("a.json", R"(["a.jpg", "b/ü.jpg", "日.png", 10])"), kIds);
  NpzWriter npz;  // the ids of the archive are not looked at
  npz.add("features", std::vector<float>(8, 1.f), {2, 4});
  npz.add("ids", std::vector<int64_t>{3, 4, 5});
  const std::string archive = folder.write("a.npz", npz.finish());
  EXPECT_THAT(FeatureFile({.file = archive, .ids_file = folder.write("two.txt", "x\ny\n")}).ids(),
              ElementsAre("x", "y"));
  EXPECT_THAT(refusal({archive}), HasSubstr("has 2 rows, but 'ids' has 3 ids"));
}

TEST(FeatureFile, ReadsHdf5) {
  if (!FeatureFile::reads_hdf5()) {
    EXPECT_THAT(refusal({golden("free.h5")}), HasSubstr("libhdf5-dev"));
    GTEST_SKIP() << "this build found no HDF5 library";
  }
  const FeatureFile free({golden("free.h5")});  // chunks, gzip, texts of any length
  EXPECT_EQ(free.ids(), kIds);
  EXPECT_THAT(free.rows({3, 0, 1}), TensorNear(numbers().index_select(0, torch::tensor({3, 0, 1}, at::kLong))));
  const FeatureFile fixed({.file = golden("fixed.h5"), .array = "train/features", .ids = "train/ids"});
  EXPECT_EQ(fixed.ids(), kIds);
  EXPECT_THAT(fixed.rows({0, 1, 2, 3}), TensorNear(numbers(2)));
  const FeatureFile integers({golden("integers.h5")});
  EXPECT_THAT(integers.ids(), ElementsAre("7", "-1", "1099511627776", "0"));
  EXPECT_THAT(integers.rows({2}), TensorNear(numbers().narrow(0, 2, 1)));
}

TEST(FeatureFile, RefusesHdf5ThatClaimsOrPointsElsewhere) {
  if (!FeatureFile::reads_hdf5()) GTEST_SKIP() << "this build found no HDF5 library";
  EXPECT_THAT(refusal({golden("no_ids.h5")}),
              AllOf(HasSubstr("has no ids"), HasSubstr("features"), HasSubstr("ids_file")));
  EXPECT_THAT(refusal({golden("counts.h5")}), HasSubstr("has 4 rows, but 'ids' has 1099511627776 ids"));
  EXPECT_THAT(refusal({golden("huge.h5")}), HasSubstr("has 1099511627776 rows, but 'ids' has 2 ids"));
  EXPECT_THAT(refusal({golden("elsewhere.h5")}), HasSubstr("keeps its data in other files"));
  EXPECT_THAT(refusal({.file = golden("linked.h5"), .array = "features"}), HasSubstr("no array 'features'"));
  EXPECT_THAT(refusal({golden("words.h5")}), HasSubstr("no array of floats"));
  EXPECT_THAT(refusal({.file = golden("fixed.h5"), .array = "train/feature"}), HasSubstr("no array 'train/feature'"));
  const TempDir folder;
  EXPECT_THAT(refusal({folder.write("text.h5", "ids and features")}), HasSubstr("is no HDF5 file"));
}

TEST(FeatureFile, RefusesWrongTypesAndShapes) {
  const TempDir folder;
  const at::Tensor ids = bytes_of(R"(["a","b","c","d"])");
  const auto with = [&](const at::Tensor& features) {
    return safetensors(folder, {{"features", features}, {"ids", ids}});
  };
  EXPECT_THAT(refusal({with(at::ones({4}))}), HasSubstr("needed is [N, F], or [N, R, F]"));
  EXPECT_THAT(refusal({with(at::ones({4, 2, 2, 2}))}), HasSubstr("needed is [N, F], or [N, R, F]"));
  EXPECT_THAT(refusal({with(at::ones({0, 2}))}), HasSubstr("it is empty"));
  EXPECT_THAT(refusal({with(at::ones({4, 0}))}), HasSubstr("it is empty"));
  EXPECT_THAT(refusal({.file = with(at::ones({4, 2}, at::kLong)), .array = "features"}),
              HasSubstr("of no type that features have"));
  EXPECT_THAT(refusal({.file = with(at::ones({4, 2})), .array = "feature"}), HasSubstr("did you mean: features"));
  EXPECT_THAT(refusal({safetensors(folder, {{"a", at::ones({4, 2})}, {"b", at::ones({4, 2})}, {"ids", ids}})}),
              AllOf(HasSubstr("2 arrays that could be the features"), HasSubstr("arrays: a, b, ids")));
  EXPECT_THAT(refusal({golden("compressed.npz")}), HasSubstr("savez_compressed"));
  EXPECT_THAT(refusal({golden("objects.npz")}), HasSubstr("has dtype |O, which is not read"));
  EXPECT_EQ(FeatureFile({.file = golden("objects.npz"), .ids_file = golden("letters.npy")}).ids(), kIds);
  EXPECT_THAT(refusal({.file = golden("fortran.npy"), .ids_file = golden("letters.npy")}), HasSubstr("not understood"));
  EXPECT_THAT(refusal({.file = golden("big_endian.npy"), .ids_file = golden("letters.npy")}), HasSubstr("dtype >f4"));
  EXPECT_THAT(refusal({.file = golden("letters.npy"), .ids_file = golden("letters.npy")}), HasSubstr("needed is <f4"));
  EXPECT_THAT(refusal({folder.write("a.mat", "x")}), HasSubstr("known: .npy, .npz, .safetensors, .h5, .hdf5"));
  EXPECT_THAT(refusal({folder / "none.npy"}), HasSubstr("No such file"));
  EXPECT_THROW(FeatureFile({}), UsageError);
}

TEST(FeatureFile, RefusesBadIds) {
  const TempDir folder;
  const auto with = [&](const std::string& json) {
    return FeatureFileOptions{safetensors(folder, {{"features", at::ones({2, 3})}, {"ids", bytes_of(json)}})};
  };
  EXPECT_THAT(refusal(with(R"(["a"])")), HasSubstr("has 2 rows, but 'ids' has 1 ids"));
  EXPECT_THAT(refusal(with(R"(["a","a"])")), HasSubstr("rows 0 and 1 have the same id 'a'"));
  EXPECT_THAT(refusal(with(R"(["a",""])")), HasSubstr("the id of row 1 is empty"));
  EXPECT_THAT(refusal(with(R"(["a",null])")), HasSubstr("entry 1 is neither text nor an integer"));
  EXPECT_THAT(refusal(with(R"({"a":1})")), HasSubstr("no JSON list"));
  EXPECT_THAT(refusal(with("[\"a\",")), HasSubstr("tensor 'ids'"));
  EXPECT_THAT(refusal(with("[\"a\",\"\xff\"]")), HasSubstr("tensor 'ids'"));
  EXPECT_THAT(refusal({safetensors(folder, {{"features", at::ones({2, 3})}})}),
              AllOf(HasSubstr("has no ids"), HasSubstr("ids_file")));
  EXPECT_THAT(refusal({safetensors(folder, {{"features", at::ones({2, 3})}, {"ids", at::ones({2})}})}),
              HasSubstr("holds no ids"));
  EXPECT_THAT(refusal({golden("double.npy")}), HasSubstr("an .npy holds one array"));
  EXPECT_THAT(refusal({.file = golden("double.npy"), .ids_file = folder.write("t.txt", "a\nb\n\nc\n")}),
              HasSubstr("the id of row 2 is empty"));
  EXPECT_THAT(refusal({.file = golden("double.npy"), .ids_file = folder.write("u.txt", "a\nb\nc\n\xff\n")}),
              HasSubstr("no UTF-8"));
  EXPECT_THAT(refusal({.file = golden("double.npy"), .ids_file = golden("double.npy")}), HasSubstr("holds no ids"));
}

TEST(FeatureFile, NamesTheRowThatIsNotFinite) {
  const TempDir folder;
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    at::Tensor features = at::ones({3, 2, 2});
    features[1][1][0] = bad;
    const FeatureFile file({safetensors(folder, {{"features", features}, {"ids", bytes_of(R"(["a","b","c"])")}})});
    EXPECT_NO_THROW(file.rows({0, 2}));
    EXPECT_THAT(
        [&] {
          file.rows({2, 1});
        },
        ::testing::ThrowsMessage<DataError>(HasSubstr("the features of 'b' (row 1) are not finite")));
  }
  const at::Tensor large = at::full({1, 1}, 1e300, at::kDouble);  // finite in the file, not in float32
  EXPECT_THAT(refusal({safetensors(folder, {{"features", large}, {"ids", bytes_of(R"(["a"])")}})}),
              HasSubstr("not finite"));
}

TEST(FeatureFile, FingerprintsContentAndNotPlace) {
  const TempDir folder, elsewhere;
  const auto fingerprint = [](const TempDir& at, const at::Tensor& features, const std::string& ids) {
    return FeatureFile({safetensors(at, {{"features", features}, {"ids", bytes_of(ids)}})}).fingerprint();
  };
  const std::string base = fingerprint(folder, numbers(), R"(["a","b","c","d"])");
  EXPECT_EQ(fingerprint(elsewhere, numbers(), R"(["a","b","c","d"])"), base);
  EXPECT_NE(fingerprint(folder, numbers() + 1, R"(["a","b","c","d"])"), base);
  EXPECT_NE(fingerprint(folder, numbers(), R"(["a","b","d","c"])"), base);
  EXPECT_NE(fingerprint(folder, numbers().to(at::kDouble), R"(["a","b","c","d"])"), base);
}

// Cut at every place and with every byte changed, a file gives rows or a DataError, and never asks for memory that its
// size does not justify.
TEST(FeatureFile, SurvivesDamage) {
  const TempDir folder;
  const std::string ids = golden("letters.npy");
  const auto opens = [&](const std::string& name, const std::string& bytes) {
    const bool array = name.ends_with(".npy");
    try {
      const FeatureFile file({.file = folder.write(name, bytes), .ids_file = array ? ids : ""});
      file.rows({0, file.size() - 1});
      return true;
    } catch (const DataError&) {
      return false;
    }
  };
  std::vector<std::string> names = {"double.npy", "letters.npz"};
  if (FeatureFile::reads_hdf5()) names.push_back("integers.h5");
  for (const std::string& name : names) {
    const std::string good = slurp(golden(name));
    const size_t step = name.ends_with(".h5") ? 23 : 3;
    for (size_t cut = 0; cut < good.size(); cut += step)
      EXPECT_FALSE(opens(name, good.substr(0, cut))) << name << " cut at " << cut;
    for (size_t at = 0; at < good.size(); at += step)
      for (const char change : {'\x01', '\x80', '\xff'}) {
        std::string changed = good;
        changed[at] = static_cast<char>(changed[at] ^ change);
        opens(name, changed);
      }
  }
}

/// Class a: 2 images, b: 1 image; 3 numbers, 2 views. Number f of view v of image i of a is 100 i + 10 f + v, of b 1000
/// more.
std::filesystem::path class_folder(const TempDir& folder) {
  folder.write("images/b.t7", torch7_bytes({1, 3, 2}, {1000, 1001, 1010, 1011, 1020, 1021}));
  folder.write("images/a.t7", torch7_bytes({2, 3, 2}, {0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121}));
  folder.write("images/a/picture.jpg", "not read");
  return folder / "images";
}

TEST(FeatureFile, ReadsAFolderOfClasses) {
  const TempDir folder;
  const FeatureFile first({class_folder(folder)});
  EXPECT_THAT(first.ids(), ElementsAre("a/1", "a/2", "b/1"));
  EXPECT_EQ(first.features(), 3);
  EXPECT_EQ(first.regions(), 0);
  ASSERT_EQ(first.classes().size(), 2u);
  EXPECT_EQ(first.classes()[1].name, "b");
  EXPECT_EQ(first.classes()[1].first, 2);
  EXPECT_EQ(first.classes()[1].count, 1);
  const at::Tensor view = torch::tensor({{1000.f, 1010.f, 1020.f}, {0.f, 10.f, 20.f}, {100.f, 110.f, 120.f}});
  EXPECT_THAT(first.rows({2, 0, 1}), TensorNear(view));
  const FeatureFile mean({.file = folder / "images", .views = StoredViews::mean});
  EXPECT_THAT(mean.rows({2, 0, 1}), TensorNear(view + 0.5));
  EXPECT_NE(mean.fingerprint(), first.fingerprint());
  EXPECT_EQ(first.fingerprint(), FeatureFile({folder / "images"}).fingerprint());
  const FeatureFile named({.file = folder / "images", .ids_file = folder.write("ids.txt", "x.jpg\ny.jpg\nz.jpg\n")});
  EXPECT_THAT(named.ids(), ElementsAre("x.jpg", "y.jpg", "z.jpg"));
  EXPECT_TRUE(named.classes().empty()) << "the ids are names of images";
}

TEST(FeatureFile, ReadsTheNumbersOfAFolderOnceWhenRowsAreAskedFor) {
  const TempDir folder;
  const auto images = class_folder(folder);
  const FeatureFile file({images});
  folder.write("images/a.t7", torch7_bytes({2, 3, 2}, {7, 0, 7, 0, 7, 0, 8, 0, 8, 0, 8, 0}));
  const at::Tensor rows = torch::tensor({{7.f, 7.f, 7.f}, {8.f, 8.f, 8.f}, {1000.f, 1010.f, 1020.f}});
  EXPECT_THAT(file.rows({0, 1, 2}), TensorNear(rows)) << "opening did not read them";
  const std::string fingerprint = file.fingerprint();
  std::filesystem::remove_all(images);
  EXPECT_THAT(file.rows({0, 1, 2}), TensorNear(rows)) << "asking again does not read them again";
  EXPECT_EQ(file.fingerprint(), fingerprint);
}

TEST(FeatureFile, SaysWhatAFolderThatWasOpenedHoldsAmiss) {
  const TempDir folder;
  const FeatureFile file({class_folder(folder)});
  const auto error = [&] {
    try {
      file.rows({0});
    } catch (const DataError& refused) {
      return std::string(refused.what());
    }
    return std::string("(read)");
  };
  folder.write("images/b.t7", torch7_bytes({1, 3, 1}, {1, NAN, 3}));
  EXPECT_THAT(error(), AllOf(HasSubstr("b.t7"), HasSubstr("not finite"))) << "rows of a do not come without those of b";
  EXPECT_THAT(error(), HasSubstr("not finite")) << "and not the second time";
  folder.write("images/b.t7", torch7_bytes({2, 3, 1}, {1, 2, 3, 4, 5, 6}));
  EXPECT_THAT(error(), AllOf(HasSubstr("b.t7"), HasSubstr("of 2 images, and had 1 when it was opened")));
}

TEST(FeatureFile, RefusesFoldersThatHoldNoSuchClasses) {
  const TempDir folder;
  const auto images = class_folder(folder);
  EXPECT_THAT(refusal({.file = golden("letters.npz"), .views = StoredViews::mean}),
              AllOf(HasSubstr("letters.npz"), HasSubstr("views = mean is for a folder of CLASS.t7")));
  folder.write("empty/readme.txt", "");
  EXPECT_THAT(refusal({folder / "empty"}), HasSubstr("holds no CLASS.t7"));
  EXPECT_THAT(refusal({.file = images, .ids_file = folder.write("two.txt", "x\ny\n")}), HasSubstr("3 rows"));
  const auto with_b = [&](const std::string& bytes) {
    folder.write("images/b.t7", bytes);
    const std::string error = refusal({images});
    EXPECT_THAT(error, HasSubstr("b.t7"));
    return error;
  };
  EXPECT_THAT(with_b(torch7_bytes({1, 4, 1}, {1, 2, 3, 4})), HasSubstr("[1, 4, 1], needed are features [N, 3, V]"));
  EXPECT_THAT(with_b(torch7_bytes({1, 3}, {1, 2, 3})), HasSubstr("needed are features [N, 3, V]"));
  EXPECT_THAT(with_b(torch7_bytes({1, 3, 1}, {1, NAN, 3})), HasSubstr("not finite"));
  EXPECT_THAT(with_b(torch7_bytes({int64_t{1} << 40, 3, 1}, {1, 2, 3})), HasSubstr("impossible"));
  EXPECT_THAT(with_b(torch7_bytes({1, 3, 1}, {1, 2, 3}).substr(0, 90)), HasSubstr("byte "));
  EXPECT_THAT(with_b(""), HasSubstr("the file ends"));
}

}  // namespace
}  // namespace diptych::testing

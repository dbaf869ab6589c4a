#include "diptych/data/image/loader.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fstream>
#include <thread>

#include "diptych/core/tensor/safetensors.h"
#include "support/image_fixtures.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"

namespace diptych {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace diptych::testing;

constexpr int64_t kImages = 10;

/// Ten small JPEG photos, two captions each: caption row 2i + k has i % 4 + k + 1 words.
class LoaderTest : public ::testing::Test {
 protected:
  LoaderTest() {
    corpus.name = "toy";
    corpus.image_root = folder.path();
    for (int64_t i = 0; i < kImages; ++i) {
      const std::string name = concat("img", i, ".jpg");
      folder.write(name, jpeg_bytes(static_cast<int>(24 + i), 40, static_cast<uint64_t>(i)));
      corpus.images.push_back({name, concat("id", i), Split::train, 100 + i});
      for (int64_t k = 0; k < 2; ++k) {
        corpus.captions.push_back({"words", {}, i});
        token_ids.emplace_back(static_cast<size_t>(i % 4 + k + 1), 10 * i + k + 4);
      }
    }
    image.height = 16;
    image.width = 20;
    image.short_side = 22;
    image.resize = Resize::random_resized_crop;
  }

  LoaderSource source(std::shared_ptr<ImageCache> cache = nullptr) {
    return {corpus, token_ids, image, options, 7, std::move(cache)};
  }
  /// Pairs (i, first caption) in an order of its own, `size` a batch.
  std::vector<PairBatch> batches(size_t size = 3) const {
    std::vector<PairBatch> out;
    for (int64_t i = 0; i < 2 * kImages; ++i) {
      const int64_t caption = (7 * i) % (2 * kImages);
      if (out.empty() || out.back().size() == size) out.emplace_back();
      out.back().push_back({caption / 2, caption});
    }
    return out;
  }
  std::vector<Batch> read_all(std::vector<PairBatch> pairs, int64_t epoch, bool training,
                              std::shared_ptr<ImageCache> cache = nullptr) {
    Loader loader(source(std::move(cache)), std::move(pairs), epoch, training);
    std::vector<Batch> out;
    for (Batch batch; loader.next(batch);) out.push_back(batch);
    return out;
  }
  void damage(int64_t row) {
    folder.write(corpus.images[static_cast<size_t>(row)].path, jpeg_bytes(30, 30).substr(0, 500));
  }

  TempDir folder;
  Corpus corpus;
  std::vector<std::vector<int64_t>> token_ids;
  ImageOptions image;
  LoaderOptions options;
};

bool equal(const Batch& a, const Batch& b) {
  return at::equal(a.image, b.image) && at::equal(a.image_index, b.image_index) && at::equal(a.tokens, b.tokens) &&
         at::equal(a.length, b.length) && at::equal(a.label, b.label) && at::equal(a.image_row, b.image_row) &&
         at::equal(a.caption_row, b.caption_row) && at::equal(a.unique_image_row, b.unique_image_row);
}
bool equal(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  return std::ranges::equal(a, b, [](const Batch& x, const Batch& y) { return equal(x, y); });
}

std::vector<int64_t> values(const at::Tensor& tensor) {
  return {tensor.data_ptr<int64_t>(), tensor.data_ptr<int64_t>() + tensor.numel()};
}

TEST_F(LoaderTest, ComposedPairsBringTheirTargetsAndTheirLabels) {
  const PairBatch pairs{{2, 5, 7}, {2, 6, 3}, {7, 0, 2}};
  const Batch batch = read_all({pairs}, 0, false).front();
  EXPECT_TRUE(at::equal(batch.unique_image_row, torch::tensor({2, 7, 3}, at::kLong)));
  EXPECT_TRUE(at::equal(batch.image_index, torch::tensor({0, 0, 1}, at::kLong)));
  EXPECT_TRUE(at::equal(batch.target_index, torch::tensor({1, 2, 0}, at::kLong)));
  EXPECT_TRUE(at::equal(batch.target_row, torch::tensor({7, 3, 2}, at::kLong)));
  EXPECT_TRUE(at::equal(batch.label, torch::tensor({107, 103, 102}, at::kLong)));
  EXPECT_EQ(batch.image.size(0), 3);
  EXPECT_FALSE(read_all(batches(), 0, false).front().target_row.defined());
}

TEST_F(LoaderTest, AnUnreadableTargetTakesItsQueriesAlong) {
  damage(7);
  options.on_bad_sample = BadSample::skip, options.max_bad_fraction = 0.5;
  const Batch batch = read_all({{{2, 5, 7}, {2, 6, 3}, {7, 0, 2}, {1, 1, 4}}}, 0, false).front();
  EXPECT_TRUE(at::equal(batch.image_row, torch::tensor({2, 1}, at::kLong)));
  EXPECT_TRUE(at::equal(batch.target_row, torch::tensor({3, 4}, at::kLong)));
  EXPECT_TRUE(at::equal(batch.unique_image_row, torch::tensor({2, 3, 1, 4}, at::kLong)));
  EXPECT_EQ(batch.image.size(0), 4);
}

TEST_F(LoaderTest, SharedImagesAppearOnceInOrderOfFirstAppearance) {
  Loader loader(source(), {{{4, 8}, {2, 4}, {4, 9}, {0, 1}}}, 0, false);
  Batch batch;
  ASSERT_TRUE(loader.next(batch));
  EXPECT_THAT(values(batch.unique_image_row), ElementsAre(4, 2, 0));
  EXPECT_THAT(values(batch.image_index), ElementsAre(0, 1, 0, 2));
  EXPECT_THAT(values(batch.image_row), ElementsAre(4, 2, 4, 0));
  EXPECT_THAT(values(batch.caption_row), ElementsAre(8, 4, 9, 1));
  EXPECT_THAT(values(batch.label), ElementsAre(104, 102, 104, 100));
  EXPECT_EQ(batch.image.sizes(), (std::vector<int64_t>{3, 3, 16, 20}));
  EXPECT_TRUE(batch.image.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_FALSE(loader.next(batch));
  EXPECT_FALSE(batch.image.defined());
}

TEST_F(LoaderTest, CaptionsArePaddedToTheLongestOfTheBatch) {
  Loader loader(source(), {{{0, 0}, {2, 5}}}, 0, false);  // 1 word of id 4; 4 words of id 25
  Batch batch;
  ASSERT_TRUE(loader.next(batch));
  EXPECT_TRUE(at::equal(batch.tokens, torch::tensor({{4, 0, 0, 0}, {25, 25, 25, 25}}, at::kLong)));
  EXPECT_THAT(values(batch.length), ElementsAre(1, 4));
}

TEST_F(LoaderTest, TestTimeImagesAreTheTestTimeTransform) {
  const auto out = read_all({{{3, 6}}}, 5, false);
  const at::Tensor decoded = decode_image(folder / "img3.jpg", image);
  at::Tensor expected = torch::empty({16, 20, 3});
  normalise_into(transform_image(decoded, image, nullptr), image.normalise, expected.data_ptr<float>());
  EXPECT_TRUE(at::equal(out[0].image[0].permute({1, 2, 0}), expected));
  EXPECT_TRUE(equal(out, read_all({{{3, 6}}}, 6, false))) << "no randomness without training";
}

TEST_F(LoaderTest, WorkersPrefetchAndCacheChangeNoByte) {
  for (const Resize kind : {Resize::squash, Resize::short_side_crop, Resize::random_resized_crop}) {
    image.resize = kind;
    options.workers = 0;
    const auto expected = read_all(batches(), 2, true);
    ASSERT_EQ(expected.size(), 7u);
    const auto cache = std::make_shared<ImageCache>(1 << 20);
    for (const int64_t workers : {0, 1, 2, 4})
      for (const int64_t prefetch : {1, 3, 64}) {
        options.workers = workers, options.prefetch = prefetch;
        EXPECT_TRUE(equal(read_all(batches(), 2, true), expected)) << workers << " workers, prefetch " << prefetch;
        EXPECT_TRUE(equal(read_all(batches(), 2, true, cache), expected)) << workers << " workers with a cache";
      }
  }
}

TEST_F(LoaderTest, BatchSizeChangesNoImage) {
  const auto small = read_all({{{1, 2}}, {{5, 10}}}, 1, true), large = read_all({{{5, 10}, {1, 2}}}, 1, true);
  EXPECT_TRUE(at::equal(small[0].image[0], large[0].image[1]));
  EXPECT_TRUE(at::equal(small[1].image[0], large[0].image[0]));
}

TEST_F(LoaderTest, EpochsAugmentDifferentlyAndRepeatably) {
  for (const Resize kind : {Resize::short_side_crop, Resize::random_resized_crop}) {
    image.resize = kind;
    const auto first = read_all(batches(), 0, true), again = read_all(batches(), 0, true),
               second = read_all(batches(), 1, true);
    EXPECT_TRUE(equal(first, again));
    EXPECT_FALSE(at::equal(first[0].image, second[0].image));
  }
}

TEST_F(LoaderTest, FlipsMirrorExactly) {
  image.resize = Resize::squash;
  const auto plain = read_all(batches(20), 0, false)[0].image;
  int flipped = 0, total = 0;
  for (int64_t epoch = 0; epoch < 6; ++epoch) {
    const auto view = read_all(batches(20), epoch, true)[0].image;
    for (int64_t i = 0; i < kImages; ++i, ++total) {
      const bool mirrored = at::equal(view[i], plain[i].flip({2}));
      ASSERT_TRUE(mirrored || at::equal(view[i], plain[i]));
      flipped += mirrored;
    }
  }
  EXPECT_GT(flipped, total / 4);
  EXPECT_LT(flipped, 3 * total / 4);
}

TEST_F(LoaderTest, KeptBatchesAreNotOverwritten) {
  options.workers = 2;
  options.prefetch = 2;
  for (const bool inference : {false, true}) {  // without autograd a view holds the memory and nothing else
    const c10::InferenceMode mode(inference);
    Loader loader(source(), batches(), 0, true);
    std::vector<Batch> kept;
    std::vector<at::Tensor> copies;
    for (Batch batch; loader.next(batch);) {
      kept.push_back(batch);
      copies.push_back(batch.image.clone());
    }
    for (size_t i = 0; i < kept.size(); ++i) EXPECT_TRUE(at::equal(kept[i].image, copies[i])) << i;
  }
}

TEST_F(LoaderTest, ReleasedBatchesLendTheirMemory) {
  options.workers = 1;
  options.prefetch = 2;
  Loader loader(source(), batches(), 0, true);
  std::set<const void*> addresses;
  for (Batch batch; loader.next(batch);) addresses.insert(batch.image.data_ptr());
  EXPECT_LE(addresses.size(), 3u) << "prefetch + 1";
}

TEST_F(LoaderTest, CanBeDestroyedInAnyState) {
  for (const int64_t workers : {0, 1, 4})
    for (const int64_t prefetch : {1, 3})
      for (const size_t consumed : {0u, 1u, 3u, 7u}) {
        options.workers = workers, options.prefetch = prefetch;
        Batch last;
        {
          Loader loader(source(), batches(), 0, true);
          for (size_t i = 0; i < consumed; ++i) ASSERT_TRUE(loader.next(last));
        }
        if (consumed > 0) {
          EXPECT_TRUE(last.image.isfinite().all().item<bool>());  // the batch outlives its loader
        }
      }
}

TEST_F(LoaderTest, NoBatchesAndEmptyBatches) {
  Batch batch;
  Loader none(source(), {}, 0, true);
  EXPECT_FALSE(none.next(batch));
  Loader hollow(source(), {{}, {{1, 2}}, {}}, 0, true);
  ASSERT_TRUE(hollow.next(batch));
  EXPECT_THAT(values(batch.image_row), ElementsAre(1));
  EXPECT_FALSE(hollow.next(batch));
}

TEST_F(LoaderTest, BadImageStopsTheRunWithFileRecordAndReason) {
  damage(4);
  for (const int64_t workers : {0, 2, 4}) {
    options.workers = workers;
    Loader loader(source(), {{{0, 0}}, {{1, 2}, {4, 8}}, {{5, 10}}, {{6, 12}}}, 0, true);
    Batch batch;
    ASSERT_TRUE(loader.next(batch)) << "batches before the bad one are delivered";
    for (int attempt = 0; attempt < 2; ++attempt) {
      try {
        loader.next(batch);
        FAIL() << "no error";
      } catch (const DataError& error) {
        EXPECT_EQ(error.issues().front().error_class, ErrorClass::img);
        EXPECT_THAT(error.what(), AllOf(HasSubstr("img4.jpg"), HasSubstr("id4"), HasSubstr("truncated")));
      }
    }
  }
}

TEST_F(LoaderTest, MissingImageIsADataError) {
  std::filesystem::remove(folder / "img2.jpg");
  Loader loader(source(), {{{2, 4}}}, 0, true);
  Batch batch;
  try {
    loader.next(batch);
    FAIL() << "no error";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("img2.jpg"), HasSubstr("id2")));
  }
}

TEST_F(LoaderTest, BugsInWorkersAreNotTakenForBadData) {
  image.resize = Resize::short_side_crop;
  image.short_side = 10;  // smaller than the crop, which validate() would have refused
  options.on_bad_sample = BadSample::skip;
  options.max_bad_fraction = 1;
  Loader loader(source(), {{{2, 4}}}, 0, true);
  Batch batch;
  try {
    loader.next(batch);
    FAIL() << "no error";
  } catch (const DataError&) {
    FAIL() << "a DataError";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 1);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("img2.jpg"), HasSubstr("id2"), HasSubstr("crop")));
  }
}

TEST_F(LoaderTest, PathsOutOfTheRootAreNeverSkipped) {
  corpus.images[3].path = "../secret.jpg";
  options.on_bad_sample = BadSample::skip;
  options.max_bad_fraction = 1;
  Loader loader(source(), {{{3, 6}}}, 0, true);
  Batch batch;
  try {
    loader.next(batch);
    FAIL() << "no error";
  } catch (const DataError& error) {
    EXPECT_EQ(error.issues().front().error_class, ErrorClass::sec);
  }
}

TEST_F(LoaderTest, SkippingDropsThePairsOfABadImage) {
  damage(4);
  options.on_bad_sample = BadSample::skip;
  options.max_bad_fraction = 0.1;
  const std::vector<PairBatch> pairs{{{1, 2}, {4, 8}, {2, 4}, {4, 9}, {1, 3}}, {{4, 8}}, {{3, 7}}};
  const std::vector<PairBatch> without{{{1, 2}, {2, 4}, {1, 3}}, {{3, 7}}};
  const auto expected = read_all(without, 0, true);
  for (const int64_t workers : {0, 2}) {
    options.workers = workers;
    Loader loader(source(), pairs, 0, true);
    std::vector<Batch> out;
    for (Batch batch; loader.next(batch);) out.push_back(batch);
    EXPECT_TRUE(equal(out, expected)) << "a batch without samples is passed over";
    ASSERT_EQ(loader.skipped().size(), 1u) << "listed once";
    EXPECT_THAT(loader.skipped()[0], AllOf(HasSubstr("img4.jpg: "), HasSubstr("truncated")));
  }
}

TEST_F(LoaderTest, I25_TooManyBadImagesStopTheRun) {
  options.on_bad_sample = BadSample::skip;
  options.max_bad_fraction = 0.2;
  damage(1), damage(8);
  const auto count = [&] {
    size_t pairs = 0;
    for (const Batch& batch : read_all(batches(), 0, true)) pairs += static_cast<size_t>(batch.label.size(0));
    return pairs;
  };
  EXPECT_EQ(count(), 14u) << "exactly the limit: 2 of 10; batches left with one image are passed over";
  damage(5);
  try {
    count();
    FAIL() << "no error";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("number 3 of 10"), HasSubstr("max_bad_fraction = 0.2 allows 2")));
  }
  for (int64_t row = 0; row < kImages; ++row) damage(row);
  EXPECT_THROW(count(), DataError);
}

TEST_F(LoaderTest, I23_NoPixelOfAGoodImageReplacesABadOne) {
  damage(1);
  options.workers = 1;
  Loader loader(source(), {{{0, 0}, {1, 2}}}, 0, false);
  Batch batch;
  EXPECT_THROW(loader.next(batch), DataError);
  EXPECT_FALSE(batch.image.defined());
}

TEST_F(LoaderTest, FeaturesReplaceDecoding) {
  for (int64_t row = 0; row < kImages; ++row) std::filesystem::remove(folder / concat("img", row, ".jpg"));
  const at::Tensor features = torch::arange(2 * kImages).view({kImages, 2}).to(at::kFloat);
  Loader loader(source(), {{{4, 8}, {2, 4}, {4, 9}}}, 0, true, features);
  Batch batch;
  ASSERT_TRUE(loader.next(batch));
  EXPECT_THAT(batch.image, TensorNear(torch::tensor({{8., 9.}, {4., 5.}}, at::kFloat)));
  EXPECT_THAT(values(batch.image_index), ElementsAre(0, 1, 0));
  EXPECT_EQ(loader.wait_seconds(), 0);
}

TEST_F(LoaderTest, RefusesRowsAndFeaturesThatDoNotFit) {
  EXPECT_THROW(Loader(source(), {{{kImages, 0}}}, 0, true), ShapeError);
  EXPECT_THROW(Loader(source(), {{{0, 2 * kImages}}}, 0, true), ShapeError);
  EXPECT_THROW(Loader(source(), {{{0, 0}}}, 0, true, torch::zeros({3, 2})), ShapeError);
  token_ids[0].clear();
  EXPECT_THROW(Loader(source(), {{{0, 0}}}, 0, true), DataError);
}

TEST_F(LoaderTest, CacheServesLaterEpochsWithoutFiles) {
  for (const Resize kind : {Resize::squash, Resize::random_resized_crop}) {
    image.resize = kind;
    const auto cache = std::make_shared<ImageCache>(10 << 20);
    const auto expected = read_all(batches(), 3, true);
    read_all(batches(), 0, true, cache);
    std::filesystem::rename(folder.path(), folder.path().string() + ".away");
    EXPECT_TRUE(equal(read_all(batches(), 3, true, cache), expected));
    std::filesystem::rename(folder.path().string() + ".away", folder.path());
  }
}

TEST_F(LoaderTest, CacheStaysWithinItsBound) {
  image.resize = Resize::squash;  // 16 x 20 x 3 = 960 bytes an image
  const auto cache = std::make_shared<ImageCache>(2000);
  const auto expected = read_all(batches(), 0, true);
  EXPECT_TRUE(equal(read_all(batches(), 0, true, cache), expected));
  EXPECT_EQ(cache->bytes(), 1920u);
  EXPECT_TRUE(equal(read_all(batches(), 0, true, cache), expected));
  EXPECT_EQ(cache->bytes(), 1920u);
}

TEST_F(LoaderTest, CacheDoesNotConfuseSizes) {
  image.resize = Resize::squash;
  const auto cache = std::make_shared<ImageCache>(1 << 20);
  read_all(batches(), 0, false, cache);
  image.height = 8;
  EXPECT_TRUE(equal(read_all(batches(), 0, false, cache), read_all(batches(), 0, false)));
}

TEST_F(LoaderTest, ThreadCountsOfTheTrainingThreadStay) {
  const int before = at::get_num_threads();
  options.workers = 2;
  read_all(batches(), 0, true);
  EXPECT_EQ(at::get_num_threads(), before);
  int of_new_thread = 0;
  std::thread([&] { of_new_thread = at::get_num_threads(); }).join();
  EXPECT_EQ(of_new_thread, before);
}

TEST_F(LoaderTest, TorchGeneratorIsNotTouched) {
  torch::manual_seed(3);
  const at::Tensor expected = torch::rand({4});
  torch::manual_seed(3);
  read_all(batches(), 0, true);
  EXPECT_TRUE(at::equal(torch::rand({4}), expected));
}

TEST_F(LoaderTest, ImageBatchesVisitRowsInOrder) {
  const std::vector<int64_t> rows{9, 0, 3, 3, 5};
  for (const int64_t workers : {0, 2}) {
    options.workers = workers;
    std::vector<int64_t> firsts, sizes;
    std::vector<at::Tensor> images;
    for_each_image_batch(source(), rows, 2, [&](const at::Tensor& batch, int64_t first) {
      firsts.push_back(first);
      sizes.push_back(batch.size(0));
      images.push_back(batch.clone());
    });
    EXPECT_THAT(firsts, ElementsAre(0, 2, 4));
    EXPECT_THAT(sizes, ElementsAre(2, 2, 1));
    const at::Tensor all = torch::cat(images);
    for (size_t i = 0; i < rows.size(); ++i)
      EXPECT_TRUE(at::equal(all[static_cast<int64_t>(i)], read_all({{{rows[i], 2 * rows[i]}}}, 0, false)[0].image[0]))
          << i;
  }
}

TEST_F(LoaderTest, ImageBatchesFailOnABadImageWhateverThePolicy) {
  damage(3);
  options.on_bad_sample = BadSample::skip;
  options.max_bad_fraction = 1;
  const auto ignore = [](const at::Tensor&, int64_t) {};
  EXPECT_THROW(for_each_image_batch(source(), {0, 3}, 1, ignore), DataError);
}

TEST_F(LoaderTest, ImageBatchesStopCleanlyWhenTheVisitorThrows) {
  options.workers = 4;
  const auto refuse = [](const at::Tensor&, int64_t) { throw std::runtime_error("enough"); };
  EXPECT_THROW(for_each_image_batch(source(), {0, 1, 2, 3, 4, 5}, 1, refuse), std::runtime_error);
}

TEST(LoaderSources, UseNoOpenMp) {  // ThreadSanitizer does not see its barriers
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(DIPTYCH_SOURCE_DIR) / "src/data/image")) {
    std::ifstream file(entry.path());
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    EXPECT_EQ(text.find("#pragma omp"), std::string::npos) << entry.path();
    EXPECT_EQ(text.find("omp.h"), std::string::npos) << entry.path();
  }
}

// Pictures need not exist where a file has their features.
TEST_F(LoaderTest, RowsOfAFeatureFileStandForPictures) {
  TensorFile file;
  file.tensors["features"] = at::arange(kImages * 6, at::kFloat).view({kImages, 2, 3});
  file.tensors["ids"] = at::arange(kImages - 1, -1, -1, at::kLong);  // row 0 is that of image 9
  write_safetensors(file, folder / "f.safetensors");
  for (int64_t i = 0; i < kImages; ++i) corpus.images[static_cast<size_t>(i)].path = concat("nowhere/", i, ".jpg");
  LoaderSource from = source();
  from.features = std::make_shared<CorpusFeatures>(
      std::make_shared<FeatureFile>(FeatureFileOptions{folder / "f.safetensors"}), corpus);
  const auto row = [&](int64_t id) { return file.tensors["features"][kImages - 1 - id]; };

  Loader loader(from, batches(4), 0, /*training=*/true);
  int64_t pairs = 0;
  for (Batch batch; loader.next(batch);) {
    for (int64_t i = 0; i < batch.label.size(0); ++i, ++pairs)
      EXPECT_TRUE(
          at::equal(batch.image[batch.image_index[i].item<int64_t>()], row(batch.image_row[i].item<int64_t>())));
    EXPECT_EQ(batch.image.size(0), batch.unique_image_row.size(0));
  }
  EXPECT_EQ(pairs, 2 * kImages);
  EXPECT_EQ(loader.wait_seconds(), 0);

  std::vector<int64_t> seen;
  for_each_image_batch(from, {3, 1, 4, 0, 5}, 2, [&](const at::Tensor& images, int64_t first) {
    EXPECT_EQ(first, static_cast<int64_t>(seen.size()));
    for (int64_t i = 0; i < images.size(0); ++i) seen.push_back(kImages - 1 - images[i][0][0].item<int64_t>() / 6);
  });
  EXPECT_THAT(seen, ElementsAre(3, 1, 4, 0, 5));
}

}  // namespace
}  // namespace diptych

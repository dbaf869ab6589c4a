#include "diptych/data/image/readable.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "support/image_fixtures.h"
#include "support/temp_dir.h"

namespace diptych::testing {
namespace {

using ::testing::ElementsAre;

TEST(ReadableImageBatches, LeaveBadOnesOut) {
  const TempDir folder;
  Corpus corpus;
  corpus.name = "toy";
  corpus.image_root = folder.path();
  for (int64_t i = 0; i < 6; ++i) {
    const std::string name = concat("img", i, ".jpg"), bytes = jpeg_bytes(24, 40, static_cast<uint64_t>(i));
    folder.write(name, i == 3 ? bytes.substr(0, 300) : bytes);
    corpus.images.push_back({name, concat("id", i), Split::test, i});
  }
  corpus.images[5].path = "missing.jpg";
  const std::vector<std::vector<int64_t>> no_tokens;
  ImageOptions image;
  image.height = image.width = 16;
  LoaderOptions options;
  for (const int64_t workers : {0, 2}) {
    options.workers = workers;
    const LoaderSource source{corpus, no_tokens, image, options, 1};
    std::vector<int64_t> bad, good;
    std::vector<at::Tensor> images;
    for_each_readable_image_batch(
        source, {4, 3, 0, 5, 3, 1, 3, 5}, 2,
        [&](const at::Tensor& batch, const std::vector<int64_t>& places) {
          EXPECT_EQ(batch.size(0), static_cast<int64_t>(places.size()));
          EXPECT_TRUE(batch.is_contiguous(at::MemoryFormat::ChannelsLast));
          good.insert(good.end(), places.begin(), places.end());
          images.push_back(batch.clone());
        },
        [&](int64_t place, const Error&) { bad.push_back(place); });
    EXPECT_THAT(bad, ElementsAre(1, 3, 4, 6, 7));
    EXPECT_THAT(good, ElementsAre(0, 2, 5));
    const at::Tensor all = torch::cat(images);
    for_each_image_batch(source, {4, 0, 1}, 3,
                         [&](const at::Tensor& expected, int64_t) { EXPECT_TRUE(at::equal(all, expected)); });
  }
}

TEST(ReadableImageBatches, OtherErrorsAreThrown) {
  const TempDir folder;
  folder.write("outside.jpg", jpeg_bytes(24, 40));
  std::filesystem::create_directory(folder / "root");
  Corpus corpus;
  corpus.image_root = folder / "root";
  corpus.images.push_back({"../outside.jpg", "x", Split::test, 0});
  const std::vector<std::vector<int64_t>> no_tokens;
  const LoaderSource source{corpus, no_tokens, ImageOptions{}, LoaderOptions{}, 1};
  const auto visit = [](const at::Tensor&, const std::vector<int64_t>&) {};
  EXPECT_THROW(for_each_readable_image_batch(source, {0}, 2, visit, [](int64_t, const Error&) {}), DataError);
}

}  // namespace
}  // namespace diptych::testing

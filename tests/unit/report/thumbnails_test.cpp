#include "diptych/report/thumbnails.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/error.h"
#include "support/temp_dir.h"

namespace diptych::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

at::Tensor noise(int64_t height, int64_t width, uint64_t seed = 1) {
  auto generator = at::detail::createCPUGenerator(seed);
  return torch::randint(0, 256, {height, width, 3}, generator, at::kByte);
}

/// A folder of files that a reader turns into noise; "bad.jpg" cannot be decoded.
class ThumbnailsTest : public ::testing::Test {
 protected:
  ThumbnailsTest() {
    for (const char* name : {"a.jpg", "bb.jpg", "ccc.jpg", "bad.jpg"}) dir_.write(name, name);
  }
  PictureReader reader() {
    return [this](const std::filesystem::path& path) {
      ++calls_;
      if (path.filename() == "bad.jpg") throw DataError("/secret/folder/bad.jpg", "truncated JPEG");
      return noise(300, 400, path.filename().string().size());
    };
  }
  Html show(Thumbnails& thumbnails, const std::string& name, const std::string& alternative = "") {
    return thumbnails.show(dir_.path(), name, alternative);
  }
  testing::TempDir dir_;
  int calls_ = 0;
};

size_t count(const std::string& text, const std::string& word) {
  size_t out = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++out;
  return out;
}

TEST_F(ThumbnailsTest, StoreEachPictureOnce) {
  Thumbnails thumbnails(reader());
  const Html first = show(thumbnails, "a.jpg", "a \"dog\""), again = show(thumbnails, "a.jpg", "other caption");
  show(thumbnails, "bb.jpg");
  EXPECT_EQ(calls_, 2);
  EXPECT_THAT(first.markup(), HasSubstr("viewBox=\"0 0 256 192\""));
  EXPECT_THAT(first.markup(), HasSubstr("aria-label=\"a &quot;dog&quot;\""));
  EXPECT_THAT(first.markup(), HasSubstr("href=\"#t0\""));
  EXPECT_THAT(again.markup(), HasSubstr("href=\"#t0\""));
  const std::string definitions = thumbnails.definitions().markup();
  EXPECT_EQ(count(definitions, "<image "), 2u);
  EXPECT_EQ(count(definitions, "href=\"data:image/jpeg;base64,/9j/"), 2u);
  EXPECT_EQ(thumbnails.side_px(), 256);
}

TEST_F(ThumbnailsTest, WhatCannotBeShownIsATile) {
  Thumbnails thumbnails(reader());
  dir_.write("../outside-of-" + dir_.path().filename().string(), "x");
  const std::string outside = "../outside-of-" + dir_.path().filename().string();
  for (const std::string& name : {std::string("bad.jpg"), std::string("gone.jpg"), outside}) {
    const std::string tile = show(thumbnails, name, "a <b>").markup();
    EXPECT_THAT(tile, HasSubstr("class=\"tile\""));
    EXPECT_THAT(tile, HasSubstr("a &lt;b&gt; (no picture: "));
    EXPECT_THAT(tile, Not(HasSubstr("secret")));
    EXPECT_THAT(tile, Not(HasSubstr(dir_.path().string())));
  }
  EXPECT_EQ(calls_, 1);  // the others were not even opened
  EXPECT_EQ(thumbnails.missing().at("bad.jpg"), "truncated JPEG");
  EXPECT_TRUE(thumbnails.definitions().empty());
  std::filesystem::remove(dir_.path() / outside);
}

TEST_F(ThumbnailsTest, ShrinkToTheBudget) {
  ThumbnailOptions options;
  options.budget_bytes = 60'000;  // 256 px of noise take about 60 kB each
  Thumbnails thumbnails(reader(), options);
  for (const char* name : {"a.jpg", "bb.jpg", "ccc.jpg"}) show(thumbnails, name);
  const std::string definitions = thumbnails.definitions().markup();
  EXPECT_LE(definitions.size(), options.budget_bytes);
  EXPECT_TRUE(thumbnails.fits());
  EXPECT_LT(thumbnails.side_px(), 256);
  EXPECT_THAT(definitions, HasSubstr("width=\"256\" height=\"192\""));  // drawn as large as before
  options.budget_bytes = 1000;
  Thumbnails hopeless(reader(), options);
  show(hopeless, "a.jpg");
  hopeless.definitions();
  EXPECT_FALSE(hopeless.fits());
  EXPECT_EQ(hopeless.side_px(), 96);
}

TEST_F(ThumbnailsTest, LieBesideThePageOnRequest) {
  ThumbnailOptions options;
  options.assets_url = percent_encoded("my assets#1");
  Thumbnails thumbnails(reader(), options);
  show(thumbnails, "a.jpg");
  EXPECT_THAT(thumbnails.definitions().markup(), HasSubstr("href=\"my%20assets%231/"));
  ASSERT_EQ(thumbnails.files().size(), 1u);
  EXPECT_THAT(thumbnails.files()[0].first, ::testing::MatchesRegex("[0-9a-f]{32}\\.jpg"));
  EXPECT_EQ(thumbnails.files()[0].second.substr(0, 2), "\xff\xd8");
}

TEST_F(ThumbnailsTest, RestartKeepsWhatWasDecoded) {
  Thumbnails thumbnails(reader());
  show(thumbnails, "a.jpg"), show(thumbnails, "bb.jpg");
  thumbnails.restart();
  EXPECT_THAT(show(thumbnails, "bb.jpg").markup(), HasSubstr("#t0"));
  EXPECT_EQ(count(thumbnails.definitions().markup(), "<image "), 1u);
  EXPECT_EQ(calls_, 2);
}

TEST_F(ThumbnailsTest, OfPixelsInMemory) {
  Thumbnails thumbnails(reader());
  const std::string a = thumbnails.show(noise(20, 30), "").markup(), b = thumbnails.show(noise(20, 30), "").markup();
  EXPECT_EQ(a, b);
  EXPECT_THAT(a, HasSubstr("viewBox=\"0 0 30 20\""));  // never enlarged
  EXPECT_THROW(thumbnails.show(torch::zeros({3, 20, 30}, at::kByte), ""), ShapeError);
}

TEST(PercentEncoded, LeavesOnlyPlainCharacters) {
  EXPECT_EQ(percent_encoded("a b/\xc3\xa4?.jpg"), "a%20b/%C3%A4%3F.jpg");
}

}  // namespace
}  // namespace diptych::report

#include "diptych/train/gallery.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>

#include "diptych/core/tensor/safetensors.h"
#include "support/slurp.h"
#include "support/temp_dir.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;

Gallery small_gallery() {
  Gallery gallery;
  gallery.header = {View::image, "own", "/runs/own", "step-00000001", "abc", "cosine", true, "def", 2};
  gallery.embeddings = torch::arange(6, at::kFloat).view({3, 2});
  gallery.ids = {"a.jpg", "b\".jpg", "\u00fc.png"};
  gallery.content = {"/p/a.jpg", "/p/b\".jpg", "/p/\u00fc.png"};
  return gallery;
}

void write(const std::filesystem::path& file, const Gallery& gallery) {
  write_gallery(file, gallery, gallery.embeddings.size(1), [&](const ByteSink& sink) {
    for (int64_t row = 0; row < gallery.embeddings.size(0); ++row)
      sink(gallery.embeddings[row].contiguous().const_data_ptr(), sizeof(float) * 2);
  });
}

void expect_refused(const std::filesystem::path& file, const std::string& reason) {
  try {
    read_gallery(file);
    ADD_FAILURE() << file << " was read";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr(reason));
  }
}

TEST(Gallery, ComesBackAsItWasWritten) {
  const TempDir dir;
  write(dir / "g.safetensors", small_gallery());
  const Gallery read = read_gallery(dir / "g.safetensors"), expected = small_gallery();
  EXPECT_TRUE(read.embeddings.equal(expected.embeddings));
  EXPECT_EQ(read.ids, expected.ids);
  EXPECT_EQ(read.content, expected.content);
  EXPECT_EQ(read.header.to_metadata(), expected.header.to_metadata());
  EXPECT_EQ(read_gallery_header(dir / "g.safetensors").model, "abc");
}

TEST(Gallery, OtherFilesAreRefusedByName) {
  const TempDir dir;
  write_safetensors(TensorFile{{{"w", at::ones({2})}}, {}}, dir / "weights.safetensors");
  expect_refused(dir / "weights.safetensors", "is no gallery");
  expect_refused(dir.write("g.npz", "PK"), "npz is for numpy");
  expect_refused(dir / "absent.safetensors", "absent.safetensors");
  Gallery wrong = small_gallery();
  wrong.content.pop_back();
  write(dir / "short.safetensors", wrong);
  expect_refused(dir / "short.safetensors", "does not hold 3 texts");
  const std::string whole = slurp(dir / "short.safetensors");
  expect_refused(dir.write("cut.safetensors", whole.substr(0, whole.size() - 3)), "cut.safetensors");
}

TEST(Gallery, AnEmbeddingThatIsNotFiniteIsNamed) {
  const TempDir dir;
  Gallery gallery = small_gallery();
  gallery.embeddings[1][0] = std::nanf("");
  write(dir / "g.safetensors", gallery);
  expect_refused(dir / "g.safetensors", "'b\".jpg'");
}

TEST(Gallery, NpzHoldsTheSame) {
  const TempDir dir;
  write_gallery_npz(dir / "g.npz", small_gallery());
  const std::string bytes = slurp(dir / "g.npz");
  for (const char* name : {"embeddings.npy", "ids.npy", "files.npy", "metadata.npy", "'shape': (3,2,)"})
    EXPECT_THAT(bytes, HasSubstr(name));
}

}  // namespace
}  // namespace diptych::testing

#include "diptych/train/encode_files.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <cmath>

#include "support/slurp.h"
#include "support/tensor_near.h"
#include "unit/train/trained_fixture.h"

namespace diptych::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EncodeFiles : public ::testing::Test {
 protected:
  EncodeFiles()
      : trained_(load_trained_model(catalog_, write_run(catalog_, dir_ / "run", use_config()), "best", {}, 0)) {
    for (int i = 0; i < 11; ++i) write_noise(dir_ / ("p/" + std::to_string(100 + i) + ".png"), i);
  }
  EncodeOutcome encode(const std::string& out, EncodeRequest request = {}) {
    request.out = dir_ / out;
    if (request.part_size == 0) request.part_size = 4;
    return encode_items(trained_, list_pictures({dir_ / "p"}), request);
  }
  Catalog catalog_;
  TempDir dir_;
  TrainedModel trained_;
};

TEST_F(EncodeFiles, GivesTheModelsEmbeddingsInOrder) {
  const EncodeOutcome outcome = encode("g.safetensors");
  EXPECT_EQ(outcome.items, 11);
  const Gallery gallery = read_gallery(dir_ / "g.safetensors");
  EXPECT_EQ(gallery.ids.front(), "100.png");
  EXPECT_EQ(gallery.header.model, trained_.fingerprint);
  const ImageOptions& options = trained_.experiment->data.image;
  for (const int64_t i : {0, 5, 10}) {
    const at::Tensor view =
        transform_image(decode_image(gallery.content[static_cast<size_t>(i)], options), options, nullptr);
    at::Tensor slab = at::empty({1, 32, 32, 3});
    normalise_into(view, options.normalise, slab.data_ptr<float>());
    EXPECT_THAT(gallery.embeddings[i], TensorNear(trained_.embed_images(slab.permute({0, 3, 1, 2}))[0], 1e-4, 1e-4));
  }
  EXPECT_GT((gallery.embeddings[0] - gallery.embeddings[5]).abs().max().item<double>(), 0.1);  // what 1e-4 tells apart
  EXPECT_FALSE(fs::exists(dir_ / "g.safetensors.parts"));
}

TEST_F(EncodeFiles, AnInterruptedEncodingEndsWithTheSameBytes) {
  encode("whole.safetensors");
  // What an interruption leaves: the parts before it. A later, damaged part is made again.
  fs::rename(dir_ / "p/110.png", dir_ / "110.png");
  dir_.write("p/110.png", "no picture");
  EXPECT_THROW(encode("g.safetensors"), DataError);
  EXPECT_TRUE(fs::exists(dir_ / "g.safetensors.parts"));
  EXPECT_FALSE(fs::exists(dir_ / "g.safetensors.parts/part-00000002.safetensors"));
  fs::remove(dir_ / "p/110.png");
  fs::rename(dir_ / "110.png", dir_ / "p/110.png");
  // The list of files was another one (size of 110.png): its parts are refused, not mixed in.
  try {
    encode("g.safetensors");
    ADD_FAILURE() << "parts of another list were used";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("differs in items"));
  }
  fs::remove_all(dir_ / "g.safetensors.parts");

  // The same list, stopped by a full disk behind the second part.
  struct FullDisk : FileSystem {
    int rename(const fs::path& from, const fs::path& to) override {
      if (to.filename() == "part-00000002.safetensors") return errno = ENOSPC, -1;
      return FileSystem::rename(from, to);
    }
  } full;
  {
    const FileSystemScope scope(full);
    EXPECT_THROW(encode("g.safetensors"), OutputError);
  }
  fs::resize_file(dir_ / "g.safetensors.parts/part-00000001.safetensors", 100);
  const EncodeOutcome outcome = encode("g.safetensors");
  EXPECT_EQ(outcome.resumed, 4);
  EXPECT_EQ(slurp(dir_ / "g.safetensors"), slurp(dir_ / "whole.safetensors"));
}

TEST_F(EncodeFiles, AFaultBeforeTheFirstPartLeavesNothingInTheWay) {
  EncodeRequest request{.out = dir_ / "t.npz"};
  EXPECT_THROW(encode_items(trained_, parse_captions("red\n?\n", "c.txt"), request), DataError);
  EXPECT_EQ(encode_items(trained_, parse_captions("red\nblue\n", "c.txt"), request).items, 2);
}

TEST_F(EncodeFiles, BadPicturesStopItOrAreCounted) {
  dir_.write("p/103.png", "no picture"), dir_.write("p/104.png", "");
  try {
    encode("g.safetensors");
    ADD_FAILURE() << "no error";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("103.png"));
    EXPECT_THAT(error.what(), HasSubstr("--skip-bad"));
  }
  fs::remove_all(dir_ / "g.safetensors.parts");
  const EncodeOutcome outcome = encode("g.safetensors", {.skip_bad = true});
  EXPECT_EQ(outcome.items, 9);
  EXPECT_THAT(outcome.skipped, ElementsAre(HasSubstr("103.png: "), HasSubstr("104.png: ")));
  const Gallery gallery = read_gallery(dir_ / "g.safetensors");
  EXPECT_EQ(gallery.ids[3], "105.png");
  EXPECT_EQ(gallery.header.skipped, 2);
  for (int i = 0; i < 11; ++i) dir_.write("p/" + std::to_string(100 + i) + ".png", "x");
  EXPECT_THROW(encode("none.safetensors", {.skip_bad = true}), DataError);
}

TEST_F(EncodeFiles, TheSameAgainIsAlreadyComplete) {
  encode("g.safetensors");
  EXPECT_TRUE(encode("g.safetensors").already_complete);
  EXPECT_EQ(encode("g.safetensors").items, 11);
  write_noise(dir_ / "p/200.png", 1);
  EXPECT_THROW(encode("g.safetensors"), UsageError);
  EXPECT_EQ(encode("g.safetensors", {.overwrite = true}).items, 12);
  dir_.write("mine.safetensors", "precious");
  EXPECT_THROW(encode("mine.safetensors"), UsageError);
  EXPECT_EQ(slurp(dir_ / "mine.safetensors"), "precious");
  EXPECT_THROW(encode("g.txt"), UsageError);
}

TEST_F(EncodeFiles, CaptionsAndTheirUnknownWords) {
  EncodeRequest request{.out = dir_ / "t.npz", .skip_bad = true, .part_size = 4};
  const EncodeItems items = parse_captions("a red circle\n\na zebra\nblue\nsquare it's\n?\na red zebra\n", "c.txt");
  const EncodeOutcome outcome = encode_items(trained_, items, request);
  EXPECT_EQ(outcome.items, 5);
  EXPECT_THAT(outcome.skipped, ElementsAre(HasSubstr("c.txt:2"), HasSubstr("c.txt:6")));
  EXPECT_EQ(outcome.unknown, 2);
  EXPECT_THAT(outcome.unknown_examples, ElementsAre("zebra"));
  request.skip_bad = false, request.out = dir_ / "u.npz";
  EXPECT_THROW(encode_items(trained_, items, request), DataError);
}

TEST_F(EncodeFiles, AnEmbeddingThatIsNotFiniteIsAnError) {
  const at::NoGradGuard no_grad;
  trained_.model->parameters()[0].fill_(std::nanf(""));
  EXPECT_THROW(encode("g.safetensors"), NumericError);
}

}  // namespace
}  // namespace diptych::testing

#include "diptych/train/image_features.h"

#include <gmock/gmock.h>

#include "diptych/core/tensor/feature_file.h"
#include "diptych/train/encode_files.h"
#include "support/slurp.h"
#include "support/tensor_near.h"
#include "unit/train/trained_fixture.h"

namespace diptych::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class ImageFeatures : public ::testing::Test {
 protected:
  ImageFeatures()
      : run_(write_run(catalog_, dir_ / "run", use_config())),
        model_(load_feature_model(catalog_, run_, "best", {}, 0)) {
    for (int i = 0; i < 9; ++i) write_noise(dir_ / ("p/" + std::to_string(100 + i) + ".png"), i);
  }
  /// Features of [B, 3, 32, 32] as the encoder alone gives them.
  at::Tensor plain(const at::Tensor& images) const {
    const at::NoGradGuard no_grad;
    return model_.image->forward(images).global;
  }
  FeatureFile encode(const std::string& out, const FeatureViews& views, EncodeRequest request = {}) {
    request.out = dir_ / out;
    if (request.part_size == 0) request.part_size = 4;
    outcome_ = encode_features(model_, views, list_pictures({dir_ / "p"}), request);
    return FeatureFile({request.out});
  }
  Catalog catalog_;
  TempDir dir_;
  fs::path run_;
  FeatureModel model_;
  EncodeOutcome outcome_;
};

at::Tensor cut(const at::Tensor& images, int64_t top, int64_t left) {
  using namespace torch::indexing;
  return images.index({Slice(), Slice(), Slice(top, top + 32), Slice(left, left + 32)});
}

TEST_F(ImageFeatures, CropsAreCornersAndCentreOfALargerPicture) {
  const ImageOptions larger = options_for({.crops = 10}, model_.experiment->data.image);
  EXPECT_EQ(larger.height, 37);  // 32 * 8 / 7, rounded up
  EXPECT_EQ(larger.width, 37);
  EXPECT_EQ(options_for({}, model_.experiment->data.image).height, 32);
  EXPECT_EQ(options_for({.crops = 5}, ImageOptions{}).height, 256);  // of 224
  torch::manual_seed(1);
  const at::Tensor images = at::randn({2, 3, 37, 37});
  at::Tensor five = at::zeros({2, model_.image->features()}), mirrored = five.clone();
  for (const auto& [top, left] : {std::pair{0, 0}, {0, 5}, {5, 0}, {5, 5}, {2, 2}}) {
    five += plain(cut(images, top, left));
    mirrored += plain(cut(images, top, left).flip({3}));
  }
  EXPECT_THAT(image_features(model_, {.crops = 5}, images), TensorNear(five / 5, 1e-4, 1e-5));
  EXPECT_THAT(image_features(model_, {.crops = 10}, images), TensorNear((five + mirrored) / 10, 1e-4, 1e-5));
  EXPECT_THAT(image_features(model_, {.crops = 5, .flip = true}, images),
              TensorNear((five + mirrored) / 5, 1e-4, 1e-5));
}

TEST_F(ImageFeatures, FlipAddsAndRegionsAreTheMap) {
  const at::Tensor images = at::randn({2, 3, 32, 32});
  EXPECT_THAT(image_features(model_, {.flip = true}, images),
              TensorNear(plain(images) + plain(images.flip({3})), 1e-4, 1e-5));
  const at::Tensor regions = image_features(model_, {.regions = true}, images);
  const at::NoGradGuard no_grad;
  EXPECT_THAT(regions, TensorNear(model_.image->feature_map(images).flatten(2).transpose(1, 2), 1e-4, 1e-5));
  EXPECT_EQ(feature_row(model_, {.regions = true}), regions[0].sizes().vec());
  EXPECT_EQ(feature_row(model_, {.crops = 10}), std::vector<int64_t>{model_.image->features()});
}

TEST_F(ImageFeatures, FilesHoldThemWithTheirIds) {
  const FeatureFile file = encode("f.safetensors", {.flip = true});
  EXPECT_EQ(outcome_.items, 9);
  EXPECT_EQ(file.ids().front(), "100.png");
  const ImageOptions& options = model_.experiment->data.image;
  const at::Tensor view = transform_image(decode_image(dir_ / "p/107.png", options), options, nullptr);
  at::Tensor slab = at::empty({1, 32, 32, 3});
  normalise_into(view, options.normalise, slab.data_ptr<float>());
  const at::Tensor image = slab.permute({0, 3, 1, 2});
  EXPECT_THAT(file.rows({7}), TensorNear(plain(image) + plain(image.flip({3})), 1e-4, 1e-4));
  const FeatureFile regions = encode("r.npz", {.regions = true});
  EXPECT_EQ(regions.regions(), feature_row(model_, {.regions = true})[0]);
  EXPECT_EQ(regions.ids(), file.ids());
}

TEST_F(ImageFeatures, AnInterruptedEncodingEndsWithTheSameBytes) {
  encode("whole.safetensors", {.crops = 5});
  struct FullDisk : FileSystem {
    int rename(const fs::path& from, const fs::path& to) override {
      if (to.filename() == "part-00000002.safetensors") return errno = ENOSPC, -1;
      return FileSystem::rename(from, to);
    }
  } full;
  {
    const FileSystemScope scope(full);
    EXPECT_THROW(encode("f.safetensors", {.crops = 5}), OutputError);
  }
  EXPECT_THROW(encode("f.safetensors", {}), UsageError);  // other views: another encoding
  encode("f.safetensors", {.crops = 5});
  EXPECT_EQ(outcome_.resumed, 8);
  EXPECT_EQ(slurp(dir_ / "f.safetensors"), slurp(dir_ / "whole.safetensors"));
}

TEST_F(ImageFeatures, AConfigurationGivesItsPretrainedEncoder) {
  const auto weights = dir_ / "w.safetensors";
  write_safetensors(TensorFile{module_state(*model_.image), {}}, weights);
  const std::string image = concat("  image: {type: mobilenet_v2, width: 0.1, weights: ", weights.string(), "}\n");
  const std::string model = image + std::string(kSmallModel).substr(std::string(kSmallModel).find("  text"));
  const FeatureModel configured = load_feature_model(catalog_, dir_.write("c.yaml", use_config(model)), "best", {}, 0);
  const at::Tensor images = at::randn({2, 3, 32, 32});
  EXPECT_TRUE(at::equal(image_features(configured, {}, images), image_features(model_, {}, images)));
  EXPECT_EQ(configured.fingerprint, model_.fingerprint);
  EXPECT_NE(load_feature_model(catalog_, dir_ / "c.yaml", "best", {"data.image.normalise=none"}, 0).fingerprint,
            model_.fingerprint);
}

TEST_F(ImageFeatures, ViewsThatDoNotGoTogetherAreRefused) {
  for (const FeatureViews views :
       {FeatureViews{.crops = 2}, FeatureViews{.crops = 10, .flip = true}, FeatureViews{.crops = 5, .regions = true},
        FeatureViews{.flip = true, .regions = true}})
    EXPECT_THROW(views.validate(), UsageError);
  EXPECT_NO_THROW((FeatureViews{.crops = 5, .flip = true}.validate()));
}

}  // namespace
}  // namespace diptych::testing

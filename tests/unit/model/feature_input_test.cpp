#include "model/feature_input.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "../../support/tensor_near.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/model/joint_model.h"
#include "registry_checks.h"
#include "support/temp_dir.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::shared_ptr<ImageEncoder> encoder_of(const TempDir& folder, const at::Tensor& features) {
  write_safetensors(TensorFile{{{"features", features}, {"ids", at::arange(features.size(0), at::kLong)}}, {}},
                    folder / "f.safetensors");
  ImageEncoderRegistry registry("image_encoder");
  register_image_encoders(registry);
  return make_from(registry, concat("{type: features, file: ", (folder / "f.safetensors").string(), "}"));
}

TEST(FeatureInput, GivesRowsAsTheyAre) {
  const TempDir folder;
  const auto encoder = encoder_of(folder, at::ones({3, 5}));
  EXPECT_EQ(encoder->features(), 5);
  EXPECT_TRUE(encoder->parameters().empty());
  EXPECT_EQ(dynamic_cast<const PythonForm&>(*encoder).python().expression, "FeatureInput()");
  const at::Tensor rows = at::randn({2, 5});
  EXPECT_TRUE(at::equal(encoder->forward(rows).global, rows));
  EXPECT_FALSE(encoder->forward(rows).local.defined());
  encoder->want_local(true);
  EXPECT_TRUE(at::equal(encoder->forward(rows).local, rows.unsqueeze(1)));
  EXPECT_EQ(encoder->forward(rows).mask.sizes(), (at::IntArrayRef{2, 1}));
}

TEST(FeatureInput, GivesRegionsAsLocalAndTheirMeanAsGlobal) {
  const TempDir folder;
  const auto encoder = encoder_of(folder, at::ones({3, 4, 5}));
  EXPECT_EQ(encoder->features(), 5);
  encoder->want_local(true);
  const at::Tensor regions = at::randn({2, 4, 5});
  const Encoded out = encoder->forward(regions);
  EXPECT_THAT(out.global, TensorNear(regions.mean(1)));
  EXPECT_TRUE(at::equal(out.local, regions));
  EXPECT_TRUE(at::equal(out.mask, at::ones({2, 4}, at::kBool)));
}

TEST(FeatureInput, SaysThatItTakesNoPictures) {
  const TempDir folder;
  const auto encoder = encoder_of(folder, at::ones({3, 5}));
  EXPECT_THAT(
      [&] {
        encoder->forward(at::zeros({2, 3, 32, 32}));
      },
      ThrowsMessage<UsageError>(HasSubstr("takes rows of")));
  EXPECT_THAT(
      [&] {
        encoder->feature_map(at::zeros({2, 3, 32, 32}));
      },
      ThrowsMessage<UsageError>(HasSubstr("no places of a picture")));
  EXPECT_THROW(encoder->forward(at::zeros({2, 4})), ShapeError);
}

}  // namespace
}  // namespace diptych::testing

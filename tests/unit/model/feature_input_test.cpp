#include "model/feature_input.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>

#include "../../support/tensor_near.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/model/joint_model.h"
#include "registry_checks.h"
#include "support/temp_dir.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::shared_ptr<ImageEncoder> encoder_of(const TempDir& folder, const at::Tensor& features,
                                         const std::string& more = "") {
  write_safetensors(TensorFile{{{"features", features}, {"ids", at::arange(features.size(0), at::kLong)}}, {}},
                    folder / "f.safetensors");
  ImageEncoderRegistry registry("image_encoder");
  register_image_encoders(registry);
  return make_from(registry, concat("{type: features, file: ", (folder / "f.safetensors").string(), more, "}"));
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
  EXPECT_TRUE(at::equal(out.global, regions.mean(1))) << "bit for bit";
  EXPECT_TRUE(encoder->parameters().empty());
  EXPECT_EQ(dynamic_cast<const PythonForm&>(*encoder).python().expression, "FeatureInput()");
  EXPECT_TRUE(at::equal(out.local, regions));
  EXPECT_TRUE(at::equal(out.mask, at::ones({2, 4}, at::kBool)));
}

// [2, 3, 2]: the first channel holds 1, 2, 6 and 0, 4, 5, the second other signs of them.
at::Tensor some_regions() {
  return torch::tensor({{{1., -1.}, {2., -2.}, {6., -6.}}, {{0., -0.}, {4., -4.}, {5., -5.}}}, at::kFloat);
}

TEST(FeatureInput, PoolsRegionsAsAsked) {
  const TempDir folder;
  const at::Tensor regions = some_regions(), x = regions.to(at::kDouble);
  const auto pooled = [&](const std::string& pool) {
    const auto encoder = encoder_of(folder, at::ones({3, 4, 2}), ", pool: " + pool);
    encoder->eval();
    encoder->want_local(true);
    const Encoded out = encoder->forward(regions);
    EXPECT_EQ(out.global.size(1), encoder->features()) << pool;
    EXPECT_EQ(encoder->local_features(), 2) << pool;
    EXPECT_TRUE(at::equal(out.local, regions)) << pool;
    EXPECT_TRUE(at::equal(encoder->pool_lines(regions), out.global)) << pool << ": in training as in evaluation";
    return out.global;
  };
  EXPECT_THAT(pooled("max"), TensorNear(torch::tensor({{6.f, -1.f}, {5.f, 0.f}})));
  EXPECT_THAT(pooled("mean_max"), TensorNear(torch::tensor({{3.f, -3.f, 6.f, -1.f}, {3.f, -3.f, 5.f, 0.f}})));
  EXPECT_THAT(pooled("weldon, pooling: {weldon_k: 1}"), TensorNear(torch::tensor({{7.f, -7.f}, {5.f, -5.f}})));
  EXPECT_THAT(pooled("lse, pooling: {lse_sharpness: 2}"), TensorNear(((2 * x).logsumexp(1) / 2).to(at::kFloat)));
  // Cubes of what is not below 1e-6: (1 + 8 + 216) / 3 = 75, (0 + 64 + 125) / 3 = 63.
  EXPECT_THAT(pooled("gem"), TensorNear(torch::tensor({{std::cbrt(75.f), 1e-6f}, {std::cbrt(63.f), 1e-6f}})));
}

TEST(FeatureInput, PoolingsLearn) {
  const TempDir folder;
  torch::manual_seed(1);
  for (const char* pool : {"gem", "attention, pooling: {attention_units: 3}", "gpo, pooling: {gpo_drop: 0}"}) {
    SCOPED_TRACE(pool);
    const auto encoder = encoder_of(folder, at::ones({3, 4, 2}), concat(", pool: ", pool));
    ASSERT_FALSE(encoder->parameters().empty());
    EXPECT_TRUE(encoder->named_parameters().keys().front().starts_with("pool."));
    (encoder->forward(some_regions()).global * torch::tensor({1.f, 3.f})).sum().backward();
    expect_finite_gradients(*encoder);
  }
}

TEST(FeatureInput, IsExportedWithItsPooling) {
  const TempDir folder;
  const auto encoder = encoder_of(folder, at::ones({3, 4, 2}), ", pool: weldon, pooling: {weldon_k: 5}");
  const PythonPiece piece = dynamic_cast<const PythonForm&>(*encoder).python();
  EXPECT_EQ(piece.expression, "FeatureInput(Pool(\"weldon\", k=5))");
  ASSERT_EQ(piece.definitions.size(), 2u);
  EXPECT_THAT(piece.definitions[0], HasSubstr("class Pool"));
  EXPECT_THAT(piece.definitions[1], HasSubstr("class FeatureInput"));
}

TEST(FeatureInput, AVectorForEachImageHasNothingToPool) {
  const TempDir folder;
  EXPECT_THAT(
      [&] {
        encoder_of(folder, at::ones({3, 5}), ", pool: gpo");
      },
      ThrowsMessage<UsageError>(AllOf(HasSubstr("model.image.pool = gpo"), HasSubstr("f.safetensors"),
                                      HasSubstr("model.image.pool=mean"), HasSubstr("--regions"))));
  EXPECT_THAT(
      [&] {
        encoder_of(folder, at::ones({3, 4, 5}), ", pool: last");
      },
      ThrowsMessage<UsageError>(HasSubstr("regions have no order")));
  EXPECT_THROW(encoder_of(folder, at::ones({3, 4, 5}), ", pool: max")->forward(at::zeros({2, 5})), ShapeError);
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

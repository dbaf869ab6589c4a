#include "diptych/model/image_encoder.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "../../support/cuda.h"
#include "../../support/tensor_near.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/model/joint_model.h"
#include "formula.h"
#include "model/conv.h"
#include "model/conv_encoder.h"
#include "registry_checks.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const ImageEncoderRegistry& image_encoders() {
  static const ImageEncoderRegistry kRegistry = [] {
    ImageEncoderRegistry out("image_encoder");
    register_image_encoders(out);
    return out;
  }();
  return kRegistry;
}
std::shared_ptr<ImageEncoder> image_encoder(const std::string& yaml) { return make_from(image_encoders(), yaml); }

at::Tensor images(int64_t count = 2, int64_t size = 64) {
  return (2 * formula_centred({3, 3, size, size}, 97))
      .narrow(0, 0, count)
      .to(at::kFloat)
      .contiguous(at::MemoryFormat::ChannelsLast);
}

TensorFile golden(const std::string& name) {
  return read_safetensors(std::string(DIPTYCH_GOLDEN_DIR) + "/" + name + ".safetensors");
}

// "name 64x3x7x7" a line, as the golden maker writes it.
std::vector<std::string> keys_of(const torch::nn::Module& module) {
  std::map<std::string, at::Tensor> all;
  for (const auto& each : module.named_parameters()) all[each.key()] = each.value();
  for (const auto& each : module.named_buffers()) all[each.key()] = each.value();
  std::vector<std::string> out;
  for (const auto& [name, tensor] : all) {
    std::vector<std::string> sizes;
    for (const int64_t size : tensor.sizes()) sizes.push_back(std::to_string(size));
    out.push_back(name + " " + (sizes.empty() ? "scalar" : join(sizes, "x")));
  }
  return out;
}

TEST(ImageEncoderRegistry, DocumentsEveryEntryAndOption) { expect_documented(image_encoders()); }
TEST(ImageEncoderRegistry, DefaultsSurviveYaml) { expect_defaults_survive_yaml(image_encoders()); }

class EveryImageEncoder : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Registry, EveryImageEncoder,
                         ::testing::Values("mobilenet_v1", "mobilenet_v2", "resnet18", "resnet34", "resnet50",
                                           "resnet101", "resnet152"),
                         [](const auto& each) { return each.param; });

TEST_P(EveryImageEncoder, GivesTheDocumentedShapesAndFiniteGradients) {
  torch::manual_seed(3);
  const auto encoder = image_encoder("{type: " + GetParam() + "}");
  to_channels_last(*encoder);
  encoder->want_local(true);
  const Encoded out = encoder->forward(images());
  EXPECT_EQ(out.global.sizes(), (at::IntArrayRef{2, encoder->features()}));
  EXPECT_EQ(out.local.sizes(), (at::IntArrayRef{2, 4, encoder->features()}));
  EXPECT_EQ(out.mask.sizes(), (at::IntArrayRef{2, 4}));
  EXPECT_THAT(out.local.mean(1), TensorNear(out.global, 1e-4, 1e-5)) << "the vector is the mean of the places";
  EXPECT_TRUE(at::isfinite(out.global).all().item<bool>());
  (out.global * formula_centred(out.global.sizes(), 98)).sum().backward();
  expect_finite_gradients(*encoder);
}

TEST_P(EveryImageEncoder, GivesTheSameOnTheGpu) {
  DIPTYCH_SKIP_WITHOUT_CUDA();
  torch::manual_seed(3);
  const auto encoder = image_encoder("{type: " + GetParam() + "}");
  encoder->to(at::kDouble);
  to_channels_last(*encoder);
  const EvalScope scope(*encoder);
  expect_same_on_cuda(*encoder, [&](at::Device device) {
    const at::Tensor out = encoder->forward(images().to(at::kDouble).to(device)).global;
    return (out * formula_centred(out.sizes(), 98).to(device)).sum();
  });
}

TEST_P(EveryImageEncoder, KeepsChannelsLast) {
  const auto encoder = image_encoder("{type: " + GetParam() + "}");
  to_channels_last(*encoder);
  const EvalScope scope(*encoder);
  const at::Tensor map = encoder->feature_map(images());
  EXPECT_EQ(map.sizes(), (at::IntArrayRef{2, encoder->features(), 2, 2}));
  EXPECT_TRUE(map.is_contiguous(at::MemoryFormat::ChannelsLast));
}

void expect_reference(ImageEncoder& encoder, const std::string& name) {
  const TensorFile reference = golden(name);
  EXPECT_THAT(keys_of(encoder), ElementsAreArray(split(reference.metadata.at("keys"), '\n')));
  formula_fill(encoder);
  to_channels_last(encoder);
  const EvalScope scope(encoder);
  const at::Tensor expected = reference.tensors.at("eval_output");
  // float32 here against float64 there, through up to 152 layers without normalisation by the batch
  EXPECT_THAT(encoder.forward(images()).global, TensorNear(expected, 1e-3, 1e-4 * expected.abs().max().item<double>()));
}

TEST_P(EveryImageEncoder, HasTheReferenceNamesShapesAndOutput) {
  expect_reference(*image_encoder("{type: " + GetParam() + "}"), GetParam());
}

// Explanations take the way forward() takes, in two steps.
TEST_P(EveryImageEncoder, PoolsItsFeatureMap) {
  std::vector<std::string> pools{"avg", "max", "avg_max", "gem", "grid"};
  if (GetParam() == "mobilenet_v1" || GetParam() == "mobilenet_v2" || GetParam() == "resnet18")  // a class each
    pools.insert(pools.end(), {"attention", "weldon", "lse", "gpo"});
  for (const std::string& pool : pools) {
    SCOPED_TRACE(pool);
    const auto encoder = image_encoder("{type: " + GetParam() + ", dropout: 0.5, pool: " + pool + "}");
    const EvalScope scope(*encoder);
    const at::Tensor map = encoder->feature_map(images()), features = encoder->forward(images()).global;
    EXPECT_EQ(features.size(1), encoder->features());
    EXPECT_THAT(encoder->pool(map), TensorNear(features));
    const at::Tensor weights = encoder->place_weights(map.size(2), map.size(3));
    EXPECT_EQ(weights.defined(), pool == "avg" || pool == "grid") << "linear or not";
    if (!weights.defined()) continue;
    EXPECT_THAT(at::einsum("bcp,gp->bcg", {map.flatten(2), weights}).flatten(1), TensorNear(features, 1e-4, 1e-5));
  }
}

TEST(ImagePool, GridKeepsPlaces) {
  const at::Tensor map = torch::arange(16, at::kFloat).view({1, 1, 4, 4});
  const ImagePool pool(ImagePooling::grid, 2);
  EXPECT_THAT(pool.forward(map), TensorNear(torch::tensor({{2.5f, 4.5f, 10.5f, 12.5f}})));
  EXPECT_EQ(pool.features(3), 12);
  EXPECT_THAT(ImagePool(ImagePooling::grid, 1).forward(map), TensorNear(torch::tensor({{7.5f}})));
  EXPECT_THAT([&] { ImagePool(ImagePooling::grid, 5).forward(map); },
              ThrowsMessage<ShapeError>(HasSubstr("grid of 5 x 5 over a feature map of 4 x 4")));
  EXPECT_FALSE(ImagePool(ImagePooling::max).place_weights(2, 2).defined());
}

TEST(MobileNetV2Stride, MakesTheMapFiner) {
  torch::manual_seed(1);
  for (const int64_t stride : {32, 16, 8, 4}) {
    const auto encoder = image_encoder(concat("{type: mobilenet_v2, width: 0.1, stride: ", stride, "}"));
    const EvalScope scope(*encoder);
    EXPECT_EQ(encoder->feature_map(images(1)).size(2), 64 / stride);
  }
  EXPECT_THROW(image_encoder("{type: mobilenet_v2, stride: 12}"), UsageError);
}

TEST(MobileNetV2Blocks, APlaceSeesOnlyItsSurroundings) {
  torch::manual_seed(1);
  const auto encoder = image_encoder("{type: mobilenet_v2, width: 0.1, blocks: 5}");
  const EvalScope scope(*encoder);
  const at::Tensor plain = images(1).clone();
  at::Tensor touched = plain.clone();
  touched.index_put_({0, at::indexing::Slice(), 4, 4}, 3.0);
  const at::Tensor change = (encoder->feature_map(touched) - encoder->feature_map(plain)).abs().amax({0, 1});
  ASSERT_EQ(change.size(0), 8);  // 43 x 43 pixels: places up to 21 pixels away
  EXPECT_GT(change[0][0].item<float>(), 0);
  EXPECT_EQ(change.slice(0, 4).sum().item<float>(), 0);
  EXPECT_EQ(change.slice(1, 4).sum().item<float>(), 0);
  EXPECT_THROW(image_encoder("{type: mobilenet_v2, blocks: 18}"), UsageError);
}

class TrainedImageEncoder : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Registry, TrainedImageEncoder,
                         ::testing::Values("mobilenet_v1", "mobilenet_v2", "resnet18", "resnet50"),
                         [](const auto& each) { return each.param; });

// float64 in both languages: every parameter's gradient, not only the output, and the running statistics.
void expect_trains_as_reference(ImageEncoder& encoder, const std::string& name) {
  const TensorFile reference = golden(name);
  encoder.to(at::kDouble);
  formula_fill(encoder);
  const at::Tensor output = encoder.forward(2 * formula_centred({3, 3, 64, 64}, 97)).global;
  (output * formula_centred(output.sizes(), 98)).sum().backward();
  EXPECT_THAT(output.to(at::kFloat), TensorNear(reference.tensors.at("train_output")));

  std::vector<double> norms, probes, statistics;
  std::map<std::string, at::Tensor> gradients;
  for (const auto& each : encoder.named_parameters()) gradients[each.key()] = each.value().grad();
  for (const auto& [key, gradient] : gradients) {
    norms.push_back(gradient.norm().item<double>());
    probes.push_back(formula_probe(gradient));
  }
  for (const auto& [key, tensor] : named_tensors(encoder))
    if (key.find("running_") != std::string::npos) statistics.push_back(formula_probe(tensor));
  const double scale = reference.tensors.at("grad_norm").max().item<double>();  // some gradients are exactly 0
  EXPECT_THAT(torch::tensor(norms, at::kDouble), TensorNear(reference.tensors.at("grad_norm"), 1e-7, 1e-9 * scale));
  EXPECT_THAT(torch::tensor(probes, at::kDouble), TensorNear(reference.tensors.at("grad_probe"), 1e-7, 1e-9 * scale));
  EXPECT_THAT(torch::tensor(statistics, at::kDouble), TensorNear(reference.tensors.at("stat_probe"), 1e-9, 1e-9));
}

TEST_P(TrainedImageEncoder, TrainsAsTheReferenceDoes) {
  expect_trains_as_reference(*image_encoder("{type: " + GetParam() + "}"), GetParam());
}

TEST(Vgg, HasTheReferenceNamesShapesAndOutput) {
  for (const std::string name : {"vgg16", "vgg19"}) {
    SCOPED_TRACE(name);
    expect_reference(*image_encoder("{type: " + name + "}"), name);
  }
  expect_reference(*image_encoder("{type: vgg16, batch_norm: true, fc7: false}"), "vgg16_bn");
}

TEST(Vgg, TrainsAsTheReferenceDoes) {
  expect_trains_as_reference(*image_encoder("{type: vgg16, batch_norm: true, fc7: false}"), "vgg16_bn");
}

/// The places of a map line by line, [B, h, w*C].
at::Tensor lines_of(const Encoded& encoded) { return encoded.local.unflatten(1, {encoded.lines, -1}).flatten(2); }

const char* const kSmallVgg = "{type: vgg19, width: 0.125, dropout: 0.5";

// sm-LSTM looks at the places of the map, with fc7 as context; two-branch takes fc7 alone.
TEST(Vgg, GivesFc7AndThePlacesOfItsLastMap) {
  torch::manual_seed(3);
  const auto encoder = image_encoder(concat(kSmallVgg, "}"));
  to_channels_last(*encoder);
  encoder->want_local(true);
  const Encoded out = encoder->forward(images());
  EXPECT_EQ(out.global.sizes(), (at::IntArrayRef{2, 512}));
  EXPECT_EQ(out.local.sizes(), (at::IntArrayRef{2, 16, 64})) << "a sixteenth of 64 pixels on a side";
  EXPECT_EQ(encoder->local_features(), 64);
  EXPECT_EQ(encoder->place_weights(4, 4).defined(), false) << "the fully connected layers tell places apart";
  (out.global * formula_centred(out.global.sizes(), 98)).sum().backward();
  expect_finite_gradients(*encoder);

  const EvalScope scope(*encoder);
  const at::Tensor map = encoder->feature_map(images());
  EXPECT_TRUE(map.is_contiguous(at::MemoryFormat::ChannelsLast));
  const Encoded tested = encoder->forward(images());
  EXPECT_THAT(encoder->pool(map), TensorNear(tested.global));
  EXPECT_THAT(encoder->pool_lines(lines_of(tested)), TensorNear(tested.global)) << "what a cache leads back to";
  EXPECT_THAT([&] { encoder->forward(images(1, 16)); }, ThrowsMessage<ShapeError>(HasSubstr("32 x 32")));
}

// 24 places are no square, and 2 x 8 places are as many as 4 x 4.
TEST(Vgg, PoolsPlacesAsTheyLieInMapsThatAreNotSquare) {
  torch::manual_seed(3);
  for (const std::string options : {"}", ", fc7: false, pool: grid}"}) {
    const auto encoder = image_encoder(concat(kSmallVgg, options));
    encoder->want_local(true);
    const EvalScope scope(*encoder);
    for (const auto& [height, width] : {std::pair<int64_t, int64_t>{64, 96}, {96, 64}, {32, 128}, {64, 64}}) {
      SCOPED_TRACE(concat(options, " ", height, " x ", width));
      const Encoded out = encoder->forward(images(2, 128).narrow(2, 0, height).narrow(3, 0, width));
      EXPECT_EQ(out.lines, height / 16);
      EXPECT_EQ(out.local.size(1), height / 16 * width / 16);
      EXPECT_THAT(encoder->pool_lines(lines_of(out)), TensorNear(out.global));
    }
  }
}

TEST(Vgg, PoolsItsMapWithoutTheFullyConnectedLayers) {
  const auto encoder = image_encoder(concat(kSmallVgg, ", fc7: false, pool: gem}"));
  EXPECT_EQ(encoder->features(), 64);
  EXPECT_FALSE(encoder->named_parameters().contains("classifier.0.weight"));
  const EvalScope scope(*encoder);
  const at::Tensor map = encoder->feature_map(images());
  EXPECT_THAT(encoder->forward(images()).global, TensorNear(encoder->pool(map)));
  EXPECT_THAT(encoder->pool_lines(map.permute({0, 2, 3, 1}).flatten(2)), TensorNear(encoder->pool(map)));
  EXPECT_THAT([] { image_encoder("{type: vgg19, pool: max}"); },
              ThrowsMessage<UsageError>(AllOf(HasSubstr("pool has no effect"), HasSubstr("fc7: false"))));
}

TEST(Vgg, DropsUnitsOfBothFullyConnectedLayersInTrainingOnly) {
  torch::manual_seed(3);
  const auto encoder = image_encoder(concat(kSmallVgg, "}"));
  const at::Tensor first = encoder->forward(images()).global;
  EXPECT_GT((first == 0).to(at::kFloat).mean().item<double>(), 0.6) << "half by ReLU, half of the rest dropped";
  // What is left of the same units differs by more than the factor 2: the layer before was dropped too.
  const at::Tensor second = encoder->forward(images()).global, both = (first > 0).logical_and(second > 0);
  ASSERT_TRUE(both.any().item<bool>());
  EXPECT_FALSE(at::allclose(first.masked_select(both), second.masked_select(both)));
  const EvalScope scope(*encoder);
  EXPECT_TRUE(encoder->forward(images()).global.equal(encoder->forward(images()).global));
}

/// gamma = scale and beta = shift everywhere, for two images.
std::vector<BlockModulation> even_modulation(const ImageEncoder& encoder, double scale, double shift) {
  std::vector<BlockModulation> out;
  for (const int64_t channels : encoder.block_channels())
    out.push_back({at::full({2, channels}, scale), at::full({2, channels}, shift)});
  return out;
}

class ModulatedImageEncoder : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Registry, ModulatedImageEncoder, ::testing::Values("mobilenet_v2", "resnet18", "resnet50"),
                         [](const auto& each) { return each.param; });

TEST_P(ModulatedImageEncoder, OnesAndZerosChangeNothing) {
  const auto encoder = image_encoder("{type: " + GetParam() + "}");
  formula_fill(*encoder);
  to_channels_last(*encoder);
  const EvalScope scope(*encoder);
  const at::Tensor map = encoder->feature_map(images());
  const at::Tensor same = encoder->modulated_map(images(), even_modulation(*encoder, 1, 0));
  EXPECT_TRUE(same.equal(map));
  EXPECT_TRUE(same.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_FALSE(encoder->modulated_map(images(), even_modulation(*encoder, 1.1, 0)).equal(map));
  EXPECT_FALSE(encoder->modulated_map(images(), even_modulation(*encoder, 1, 0.1)).equal(map));
}

TEST_P(ModulatedImageEncoder, EveryBlockIsReachedAndEachImageHasItsOwn) {
  const auto encoder = image_encoder("{type: " + GetParam() + "}");
  formula_fill(*encoder);
  encoder->eval();
  std::vector<BlockModulation> by = even_modulation(*encoder, 1, 0);
  for (auto& each : by) each.scale.requires_grad_(true), each.shift.requires_grad_(true);
  encoder->modulated_map(images(), by)[1].sum().backward();
  for (size_t i = 0; i < by.size(); ++i) {
    SCOPED_TRACE(i);
    for (const at::Tensor& each : {by[i].scale, by[i].shift}) {
      ASSERT_TRUE(each.grad().defined());
      EXPECT_GT(each.grad()[1].abs().max().item<double>(), 0);
      EXPECT_EQ(each.grad()[0].abs().max().item<double>(), 0);
    }
  }
}

TEST(BlockModulations, ResNetShiftsBeforeTheSumAndItsRelu) {
  const auto encoder = image_encoder("{type: resnet18}");
  formula_fill(*encoder);
  const EvalScope scope(*encoder);
  std::vector<BlockModulation> by = even_modulation(*encoder, 1, 0);
  by.back().shift.fill_(0.5);
  const at::Tensor map = encoder->feature_map(images()), moved = encoder->modulated_map(images(), by);
  const at::Tensor alive = map > 0;
  ASSERT_TRUE(alive.any().item<bool>() && !alive.all().item<bool>());
  EXPECT_THAT(moved.masked_select(alive), TensorNear(map.masked_select(alive) + 0.5, 1e-4, 1e-3));
  EXPECT_LE(moved.masked_select(~alive).max().item<double>(), 0.501);
}

TEST(BlockModulations, KnowsItsBlocks) {
  EXPECT_EQ(image_encoder("{type: resnet18}")->block_channels(),
            (std::vector<int64_t>{64, 64, 128, 128, 256, 256, 512, 512}));
  const auto deep = image_encoder("{type: resnet50}")->block_channels();
  EXPECT_EQ(deep.size(), 16u);
  EXPECT_EQ(deep.back(), 2048);
  const auto mobile = image_encoder("{type: mobilenet_v2, blocks: 5}")->block_channels();
  EXPECT_EQ(mobile, (std::vector<int64_t>{16, 24, 24, 32, 32}));
}

TEST(BlockModulations, RefusesWhatDoesNotFit) {
  const auto encoder = image_encoder("{type: resnet18}");
  EXPECT_THAT([&] { encoder->modulated_map(images(), {}); },
              ThrowsMessage<ShapeError>(HasSubstr("0 modulations for 8 blocks")));
  std::vector<BlockModulation> by = even_modulation(*encoder, 1, 0);
  by[3].scale = at::ones({2, 5});
  EXPECT_THAT([&] { encoder->modulated_map(images(), by); }, ThrowsMessage<ShapeError>(HasSubstr("[2, 5]")));
  const auto other = image_encoder("{type: mobilenet_v1, width: 0.25}");
  EXPECT_TRUE(other->block_channels().empty());
  EXPECT_THAT([&] { other->modulated_map(images(), {}); }, ThrowsMessage<UsageError>(HasSubstr("cannot be modulated")));
}

TEST(MobileNetV2, RoundsChannelsAsTorchvisionDoes) {
  for (const std::string width : {"0.35", "1.4"}) {
    const auto encoder = image_encoder("{type: mobilenet_v2, width: " + width + "}");
    EXPECT_THAT(keys_of(*encoder),
                ElementsAreArray(split(golden("mobilenet_v2_width_" + width).metadata.at("keys"), '\n')));
  }
}

TEST(ScaledChannels, AreMultiplesOfEightNotFarBelow) {
  EXPECT_EQ(scaled_channels(32, 1), 32);
  EXPECT_EQ(scaled_channels(32, 0.35), 16);  // 11.2 -> 8 would lose more than a tenth
  EXPECT_EQ(scaled_channels(24, 1.4), 32);   // 33.6
  EXPECT_EQ(scaled_channels(16, 0.1), 8);
}

TEST(MobileNetV1, WidthAndActivationAreOptions) {
  const auto narrow = image_encoder("{type: mobilenet_v1, width: 0.25, activation: relu}");
  EXPECT_EQ(narrow->features(), 256);
  formula_fill(*narrow);
  const EvalScope scope(*narrow);
  const auto clipped = image_encoder("{type: mobilenet_v1, width: 0.25}");
  formula_fill(*clipped);
  const EvalScope clipped_scope(*clipped);
  EXPECT_LE(clipped->feature_map(10 * images()).max().item<double>(), 6);
  EXPECT_GT(narrow->feature_map(10 * images()).max().item<double>(), 6);
}

TEST(ImageEncoder, RefusesOptionsOutOfRange) {
  EXPECT_THAT([] { image_encoder("{type: mobilenet_v2, width: 3}"); }, ThrowsMessage<UsageError>(HasSubstr("width")));
  EXPECT_THAT([] { image_encoder("{type: resnet18, blocks: 1}"); }, ThrowsMessage<UsageError>(HasSubstr("blocks")));
  EXPECT_THAT([] { image_encoder("{type: resnet19}"); }, ThrowsMessage<UsageError>(HasSubstr("resnet18")));
}

TEST(ImageEncoder, RefusesWhatIsNoImage) {
  const auto encoder = image_encoder("{type: resnet18}");
  EXPECT_THAT(
      [&] {
        encoder->forward(at::zeros({2, 1, 64, 64}));
      },
      ThrowsMessage<ShapeError>(HasSubstr("[2, 1, 64, 64]")));
  EXPECT_THROW(encoder->forward(at::zeros({2, 3, 64, 64}, at::kByte)), ShapeError);
}

TEST(ImageEncoder, KeepsThePathOfItsWeights) {
  EXPECT_EQ(image_encoder("{type: resnet18, weights: a/b.safetensors}")->weights(), "a/b.safetensors");
  EXPECT_EQ(image_encoder("{type: resnet18}")->weights(), "");
}

TEST(ImagePool, ComputesEachKind) {
  const at::Tensor map = torch::tensor({1.f, 2.f, 3.f, 0.f, -1.f, 4.f}).view({1, 2, 1, 3});
  EXPECT_THAT(ImagePool(ImagePooling::avg).forward(map), TensorNear(torch::tensor({{2.f, 1.f}})));
  EXPECT_THAT(ImagePool(ImagePooling::max).forward(map), TensorNear(torch::tensor({{3.f, 4.f}})));
  EXPECT_THAT(ImagePool(ImagePooling::avg_max).forward(map), TensorNear(torch::tensor({{2.f, 1.f, 3.f, 4.f}})));
  // ((1 + 8 + 27) / 3)^(1/3), ((0 + 0 + 64) / 3)^(1/3)
  EXPECT_THAT(ImagePool(ImagePooling::gem).forward(map), TensorNear(torch::tensor({{2.289428f, 2.773445f}})));
}

TEST(ImagePool, ComputesThePoolingsOfSets) {
  const at::Tensor map = torch::arange(24, at::kFloat).sin().view({2, 3, 2, 2});
  const PoolingOptions options{.weldon_k = 2};
  for (const auto& [image, set] :
       {std::pair{ImagePooling::weldon, Pooling::weldon}, std::pair{ImagePooling::lse, Pooling::lse}}) {
    const at::Tensor expected = Pool(set, options).forward(map.flatten(2).transpose(1, 2));
    EXPECT_THAT(ImagePool(image, 2, options).forward(map), TensorNear(expected));
  }
  // per channel of the first picture: the two largest and the two smallest of four are all of them
  EXPECT_THAT(ImagePool(ImagePooling::weldon, 2, options).forward(map), TensorNear(2 * map.mean({2, 3})));
}

TEST(ImageEncoder, LearnsItsPooling) {
  for (const std::string pool : {"attention", "gpo"}) {
    SCOPED_TRACE(pool);
    const auto encoder = image_encoder("{type: mobilenet_v1, width: 0.25, pool: " + pool + "}");
    encoder->forward(images()).global.square().sum().backward();
    const at::Tensor gradient = encoder->named_parameters()["pool.score.weight"].grad();
    ASSERT_TRUE(gradient.defined());
    EXPECT_GT(gradient.abs().max().item<double>(), 0);
  }
}

TEST(ImagePool, LearnsTheExponentOfGem) {
  ImagePool pool(ImagePooling::gem);
  const at::Tensor map = torch::tensor({1.f, 2.f, 3.f}).view({1, 1, 1, 3});
  pool.forward(map).sum().backward();
  // d/dp exp(log(m)/p), m = mean x^p: value * (mean(x^p log x) / (m p) - log(m) / p^2)
  const double m = 12, slope = (8 * std::log(2.) + 27 * std::log(3.)) / 3;
  EXPECT_NEAR(pool.parameters()[0].grad().item<double>(), std::cbrt(12.) * (slope / (3 * m) - std::log(m) / 9), 1e-5);
}

TEST(ImageEncoder, AvgMaxDoublesTheFeatures) {
  const auto encoder = image_encoder("{type: mobilenet_v1, width: 0.25, pool: avg_max}");
  EXPECT_EQ(encoder->features(), 512);
  EXPECT_EQ(encoder->forward(images()).global.size(1), 512);
}

TEST(ImageEncoder, DropsPooledFeaturesInTrainingOnly) {
  const auto encoder = image_encoder("{type: resnet18, dropout: 0.5, pool: max}");
  const at::Tensor trained = encoder->forward(images()).global;
  EXPECT_GT((trained == 0).sum().item<int64_t>(), 300);  // of 1024
  const EvalScope scope(*encoder);
  EXPECT_LT((encoder->forward(images()).global == 0).sum().item<int64_t>(), 300);
}

TEST(ResNet, CanStartItsBlocksAsTheIdentity) {
  const auto encoder = image_encoder("{type: resnet50, zero_init_residual: true}");
  EXPECT_EQ(encoder->named_parameters()["layer3.2.bn3.weight"].abs().max().item<double>(), 0);
  EXPECT_EQ(encoder->named_parameters()["layer3.2.bn2.weight"].min().item<double>(), 1);
}

TEST(ResNet, WidthAndStrideMakeSmallOnes) {
  const auto small = image_encoder("{type: resnet18, width: 0.25, stride: 8}");
  EXPECT_EQ(small->features(), 128);
  EXPECT_EQ(small->block_channels(), (std::vector<int64_t>{16, 16, 32, 32, 64, 64, 128, 128}));
  EXPECT_EQ(small->feature_map(at::zeros({2, 3, 48, 48})).sizes(), (std::vector<int64_t>{2, 128, 6, 6}));
  EXPECT_EQ(image_encoder("{type: resnet50, stride: 16}")->feature_map(at::zeros({1, 3, 64, 64})).sizes(),
            (std::vector<int64_t>{1, 2048, 4, 4}));
  EXPECT_THAT([] { image_encoder("{type: resnet18, stride: 12}"); },
              ThrowsMessage<UsageError>(HasSubstr("32, 16, 8 or 4")));
}

TEST(Autocast, PoolsInFloat32AndStaysNearFloat32) {
  const auto encoder = image_encoder("{type: mobilenet_v2}");
  formula_fill(*encoder);
  to_channels_last(*encoder);
  const EvalScope scope(*encoder);
  const at::Tensor full = encoder->forward(images()).global;
  const AutocastScope half(Precision::bf16, at::kCPU);
  EXPECT_EQ(encoder->feature_map(images()).scalar_type(), at::kBFloat16);
  const at::Tensor out = encoder->forward(images()).global;
  EXPECT_EQ(out.scalar_type(), at::kFloat);
  const double cosine = at::cosine_similarity(out, full, 1).min().item<double>();
  EXPECT_GT(cosine, 0.97);  // 52 layers of random weights amplify every rounding
}

// The depthwise convolution of bf16 input is the fp32 one rounded once: bf16 arithmetic would differ from it.
TEST(Autocast, RunsDepthwiseConvolutionsInFloat32) {
  auto conv = conv2d(8, 8, 3, 1, 8);
  const at::Tensor x = formula_centred({1, 8, 9, 9}, 5).to(at::kBFloat16);
  const at::Tensor expected = conv->forward(x.to(at::kFloat)).to(at::kBFloat16);
  const AutocastScope half(Precision::bf16, at::kCPU);
  const at::Tensor out = depthwise(conv, x);
  EXPECT_EQ(out.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(out.equal(expected));
  EXPECT_FALSE(conv->forward(x).equal(expected)) << "control: bf16 weights give other values";
  out.to(at::kFloat).sum().backward();
  EXPECT_EQ(conv->weight.grad().scalar_type(), at::kFloat);
}

}  // namespace
}  // namespace diptych::testing

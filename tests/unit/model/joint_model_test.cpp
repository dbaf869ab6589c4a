#include "diptych/model/joint_model.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "../../support/tensor_near.h"
#include "diptych/core/tensor/scope.h"
#include "formula.h"
#include "registry_checks.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;

struct Kinds {
  ImageEncoderRegistry images{"image_encoder"};
  TextEncoderRegistry texts{"text_encoder"};
  HeadRegistry heads{"head"};
  ScorerRegistry scorers{"scorer"};
  Kinds() {
    register_image_encoders(images);
    register_text_encoders(texts);
    register_heads(heads);
    register_scorers(scorers);
  }
};

std::shared_ptr<JointModel> joint_model(const std::string& image_head = "{type: linear_bn, dim: 8}") {
  const Kinds kinds;
  const auto image = make_from(kinds.images, "{type: mobilenet_v2, width: 0.35, dropout: 0.3}");
  const auto text = make_from(kinds.texts, "{type: bilstm, word_dim: 6, hidden: 5}", TextContext{13, {}});
  return std::make_shared<JointModel>(
      image, text, make_from(kinds.heads, image_head, HeadContext{image->features()}),
      make_from(kinds.heads, "{type: linear_bn, dim: 8}", HeadContext{text->features()}),
      make_from(kinds.scorers, "{type: cosine}", ScorerContext{8, 1280, 10}));
}
at::Tensor photos() {
  return formula_centred({4, 3, 32, 32}, 1).to(at::kFloat).contiguous(at::MemoryFormat::ChannelsLast);
}
at::Tensor captions() { return torch::tensor({{3, 4, 5}, {6, 7, 0}, {8, 0, 0}, {2, 3, 0}}, at::kLong); }
at::Tensor caption_lengths() { return torch::tensor({3, 2, 1, 2}, at::kLong); }

void train_steps(JointModel& model, Freezer& freezer, int count) {
  std::vector<at::Tensor> trainable;
  for (auto& each : model.parameters())
    if (each.requires_grad()) trainable.push_back(each);
  torch::optim::SGD optimizer(trainable, torch::optim::SGDOptions(0.1).momentum(0.9));
  for (int i = 0; i < count; ++i) {
    freezer.apply_modes();
    const at::Tensor x = model.image_embedding(model.image_features(photos()));
    const at::Tensor y = model.text_embedding(captions(), caption_lengths());
    optimizer.zero_grad();
    (-model.scorer().forward(x, y).diag().sum()).backward();
    optimizer.step();
  }
}

TEST(JointModel, NamesItsParts) {
  const auto model = joint_model();
  std::vector<std::string> names;
  for (const auto& each : model->named_children()) names.push_back(each.key());
  EXPECT_THAT(names, ::testing::ElementsAre("image", "text", "image_head", "text_head", "scorer"));
}

TEST(JointModel, EmbedsBothSidesInOneSpace) {
  const auto model = joint_model();
  const EvalScope scope(*model);
  const at::Tensor features = model->image_features(photos());
  EXPECT_EQ(features.sizes(), (at::IntArrayRef{4, 1280}));
  EXPECT_EQ(model->image_embedding(features).sizes(), (at::IntArrayRef{4, 8}));
  EXPECT_EQ(model->text_embedding(captions(), caption_lengths()).sizes(), (at::IntArrayRef{4, 8}));
  EXPECT_EQ(model->dimension(), 8);
}

TEST(JointModel, FeaturesKeepHowTheComparedPlacesLie) {
  torch::manual_seed(1);
  const Kinds kinds;
  const auto image = make_from(kinds.images, "{type: vgg16, width: 0.125}");  // its fc7 tells places apart
  const auto text = make_from(kinds.texts, "{type: bilstm, word_dim: 6, hidden: 5}", TextContext{13, {}});
  const ScorerContext context{8, image->local_features(), text->local_features()};
  const auto head = make_from(kinds.heads, "{type: linear, dim: 8}", HeadContext{image->features()});
  JointModel model(image, text, head, make_from(kinds.heads, "{type: linear, dim: 8}", HeadContext{text->features()}),
                   make_from(kinds.scorers, "{type: sm_lstm, hidden: 6, attention: 7}", context));
  const EvalScope scope(model);
  const at::Tensor wide = formula_centred({4, 3, 32, 128}, 1).to(at::kFloat);
  const Encoded seen = image->forward(wide);
  const at::Tensor features = model.image_features(wide);
  EXPECT_EQ(features.sizes(), (at::IntArrayRef{4, 2, 8 * 64}));
  EXPECT_TRUE(features.equal(model.features_of_map(image->feature_map(wide))));
  const Encoded view = model.image_view(features);
  EXPECT_THAT(view.global, TensorNear(head->forward(seen.global)));
  EXPECT_TRUE(view.local.equal(seen.local));
  EXPECT_TRUE(view.mask.equal(seen.mask));
}

TEST(JointModel, RefusesHeadsOfDifferentDimension) {
  EXPECT_THAT(
      [] { joint_model("{type: linear, dim: 7}"); },
      ThrowsMessage<UsageError>(AllOf(HasSubstr("model.image_head.dim = 7"), HasSubstr("model.text_head.dim = 8"))));
}

TEST(NameMatches, PlainNamesMatchAtComponentBoundaries) {
  EXPECT_TRUE(name_matches("model.image", "model.image"));
  EXPECT_TRUE(name_matches("model.image", "model.image.features.0.0.weight"));
  EXPECT_FALSE(name_matches("model.image", "model.image_head.fc.weight"));
  EXPECT_FALSE(name_matches("model.im", "model.image"));
  EXPECT_FALSE(name_matches("image", "model.image"));
}

TEST(NameMatches, StarsStandForAnyRunOfCharacters) {
  EXPECT_TRUE(name_matches("model.image.features.1*", "model.image.features.17.conv.2.weight"));
  EXPECT_TRUE(name_matches("*.bias", "model.text.lstm.bias"));
  EXPECT_TRUE(name_matches("model.*.bn1", "model.image.layer1.0.bn1.running_mean")) << "and all below it";
  EXPECT_FALSE(name_matches("model.*.bn1", "model.image.layer1.0.bn10.weight"));
  EXPECT_FALSE(name_matches("*_head", "model.image.pool.p"));
}

TEST(Freezer, AFrozenEncoderGivesBitEqualOutputBeforeAndAfterTraining) {
  torch::manual_seed(1);
  const auto model = joint_model();
  Freezer freezer(*model, "model", {"model.image"});
  std::map<std::string, at::Tensor> before;
  for (const auto& [name, tensor] : named_tensors(model->image())) before[name] = tensor.clone();
  freezer.apply_modes();
  const at::Tensor features = model->image_features(photos());
  EXPECT_FALSE(features.requires_grad());
  const at::Tensor head = model->named_parameters()["image_head.fc.weight"].clone();
  train_steps(*model, freezer, 3);
  EXPECT_TRUE(model->image_features(photos()).equal(features));
  for (const auto& [name, tensor] : named_tensors(model->image())) EXPECT_TRUE(tensor.equal(before[name])) << name;
  EXPECT_FALSE(model->named_parameters()["image_head.fc.weight"].equal(head)) << "control: the head did train";
}

TEST(Freezer, WithoutItBatchNormStatisticsMove) {
  torch::manual_seed(1);
  const auto model = joint_model();
  Freezer freezer(*model, "model", {});
  const at::Tensor before = model->named_buffers()["image.features.0.1.running_mean"].clone();
  train_steps(*model, freezer, 1);
  EXPECT_FALSE(model->named_buffers()["image.features.0.1.running_mean"].equal(before));
}

TEST(Freezer, FreezesPartOfAnEncoder) {
  const auto model = joint_model();
  Freezer freezer(*model, "model", {"model.image.features.0", "model.image.features.1", "model.text.embedding"});
  const at::Tensor frozen = model->named_buffers()["image.features.1.conv.0.1.running_mean"].clone();
  const at::Tensor free = model->named_buffers()["image.features.2.conv.0.1.running_mean"].clone();
  train_steps(*model, freezer, 1);
  EXPECT_TRUE(model->named_buffers()["image.features.1.conv.0.1.running_mean"].equal(frozen));
  EXPECT_FALSE(model->named_buffers()["image.features.2.conv.0.1.running_mean"].equal(free));
  EXPECT_FALSE(model->named_parameters()["text.embedding.weight"].requires_grad());
  EXPECT_TRUE(model->named_parameters()["text.lstm.weight_ih_l0"].requires_grad());
  EXPECT_TRUE(model->image().is_training()) << "the rest of the encoder keeps its dropout";
}

TEST(Freezer, KeepsBatchNormTrainingWhenOnlyWeightsOfConvolutionsAreFrozen) {
  const auto model = joint_model();
  Freezer freezer(*model, "model", {"model.image.features.*.0.weight"});
  const at::Tensor before = model->named_buffers()["image.features.0.1.running_mean"].clone();
  train_steps(*model, freezer, 1);
  EXPECT_FALSE(model->named_buffers()["image.features.0.1.running_mean"].equal(before));
}

TEST(Freezer, FreezesStatisticsOfBatchNormWithoutParameters) {
  const auto model = joint_model("{type: linear_bn, dim: 8, affine: false}");
  Freezer freezer(*model, "model", {"model.image_head"});
  const at::Tensor before = model->named_buffers()["image_head.bn.running_mean"].clone();
  train_steps(*model, freezer, 1);
  EXPECT_TRUE(model->named_buffers()["image_head.bn.running_mean"].equal(before));
}

TEST(Freezer, FreezesStatisticsAloneWhenAsked) {
  const auto model = joint_model();
  Freezer freezer(*model, "model", {}, {"model.image"});
  const at::Tensor mean = model->named_buffers()["image.features.0.1.running_mean"].clone();
  const at::Tensor weight = model->named_parameters()["image.features.0.1.weight"].clone();
  const at::Tensor head = model->named_buffers()["image_head.bn.running_mean"].clone();
  train_steps(*model, freezer, 1);
  EXPECT_TRUE(model->named_buffers()["image.features.0.1.running_mean"].equal(mean));
  EXPECT_FALSE(model->named_parameters()["image.features.0.1.weight"].equal(weight)) << "its scale still learns";
  EXPECT_FALSE(model->named_buffers()["image_head.bn.running_mean"].equal(head));
  EXPECT_TRUE(model->image().is_training()) << "dropout stays on";
}

TEST(Freezer, AnotherOneThawsWhatIsNoLongerFrozen) {
  const auto model = joint_model();
  { Freezer freezer(*model, "model", {"model.image", "model.text"}); }
  Freezer freezer(*model, "model", {"model.text"});
  freezer.apply_modes();
  EXPECT_TRUE(model->named_parameters()["image.features.0.0.weight"].requires_grad());
  EXPECT_TRUE(model->image().is_training());
  EXPECT_FALSE(model->text().is_training());
}

TEST(Freezer, NamesEveryPatternThatMatchesNothing) {
  const auto model = joint_model();
  try {
    Freezer freezer(*model, "model", {"model.imag", "model.text", "model.image.features.99"});
    FAIL() << "accepted";
  } catch (const UsageError& error) {
    ASSERT_EQ(error.issues().size(), 2u);
    EXPECT_THAT(error.issues()[0].message, HasSubstr("'model.imag'"));
    EXPECT_THAT(error.issues()[0].hint, HasSubstr("model.image"));
  }
  EXPECT_TRUE(model->named_parameters()["text.embedding.weight"].requires_grad()) << "nothing was frozen";
}

TEST(ToChannelsLast, ConvertsConvolutionsAndNothingElse) {
  const auto model = joint_model();
  const at::Tensor before = model->named_parameters()["image.features.0.0.weight"].clone();
  to_channels_last(*model);
  const auto parameters = model->named_parameters();
  EXPECT_TRUE(parameters["image.features.0.0.weight"].is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(parameters["image.features.0.0.weight"].equal(before));
  EXPECT_TRUE(parameters["image.features.0.0.weight"].is_leaf());
  EXPECT_TRUE(parameters["text.embedding.weight"].is_contiguous());
}

ComposerRegistry& composer_kinds() {
  static ComposerRegistry kinds = [] {
    ComposerRegistry made{"composer"};
    register_composers(made);
    return made;
  }();
  return kinds;
}
std::shared_ptr<JointModel> composing_model(const std::string& composer, const std::string& scorer = "cosine") {
  const Kinds kinds;
  const auto image = make_from(kinds.images, "{type: resnet18}");
  const auto text = make_from(kinds.texts, "{type: lstm, word_dim: 6, hidden: 5}", TextContext{13, {}});
  return std::make_shared<JointModel>(
      image, text, make_from(kinds.heads, "{type: linear_bn, dim: 8}", HeadContext{image->features()}),
      make_from(kinds.heads, "{type: linear_bn, dim: 8}", HeadContext{text->features()}),
      make_from(kinds.scorers, "{type: " + scorer + "}", ScorerContext{8, 512, 5}),
      make_from(composer_kinds(), composer, ComposerContext{8, 512, 512, 6, image->block_channels()}));
}
at::Tensor composed_queries(JointModel& model, const at::Tensor& index) {
  ComposerSources sources = model.sources(photos());
  model.embed_sources(sources);
  return model.query_embedding(sources, index, captions(), caption_lengths());
}

TEST(JointModelComposing, EveryComposerMakesAQueryOfEachSourceAndText) {
  for (const std::string& name : composer_kinds().names()) {
    if (name == "none") continue;
    SCOPED_TRACE(name);
    const auto model = composing_model("{type: " + name + "}", name == "artemis" ? "artemis" : "cosine");
    const at::Tensor index = torch::tensor({3, 0, 0, 1}, at::kLong);
    const at::Tensor queries = composed_queries(*model, index);
    EXPECT_EQ(model->query_dimension(), name == "artemis" ? 32 : 8);
    EXPECT_EQ(queries.sizes(), (std::vector<int64_t>{4, model->query_dimension()}));
    EXPECT_TRUE(queries.isfinite().all().item<bool>());
    queries.square().sum().backward();
    bool trains = false;
    for (const auto& parameter : model->named_parameters())
      trains |= parameter.value().grad().defined() && parameter.value().grad().abs().max().item<double>() > 0;
    EXPECT_TRUE(trains);
  }
}

TEST(JointModelComposing, ArtemisIsComposerAndScorerTogether) {
  const auto refusal = [](const std::string& composer, const std::string& scorer, const std::string& text) {
    EXPECT_THAT([&] { composing_model("{type: " + composer + "}", scorer); },
                ThrowsMessage<UsageError>(AllOf(HasSubstr(text), HasSubstr("go together"))));
  };
  refusal("artemis", "cosine", "cosine reads queries of 8 numbers, but model.composer makes them of 32");
  refusal("tirg_fc", "artemis", "artemis reads queries of 32 numbers, but model.composer makes them of 8");
  const auto matching = joint_model();
  EXPECT_EQ(matching->query_dimension(), matching->dimension());
}

TEST(JointModelComposing, OneSidedComposersGiveTheEmbeddingsOfThatSide) {
  const at::Tensor index = torch::tensor({3, 0, 0, 1}, at::kLong);
  const auto by_image = composing_model("{type: image_only}"), by_text = composing_model("{type: text_only}");
  by_image->eval(), by_text->eval();
  const at::NoGradGuard no_grad;
  const at::Tensor images = by_image->image_embedding(by_image->image_features(photos()));
  EXPECT_THAT(composed_queries(*by_image, index), TensorNear(images.index_select(0, index), 1e-6, 1e-6));
  EXPECT_THAT(composed_queries(*by_text, index),
              TensorNear(by_text->text_embedding(captions(), caption_lengths()), 1e-6, 1e-6));
}

TEST(JointModelComposing, FilmThatScalesByOneIsTheImage) {
  const auto model = composing_model("{type: film}");  // starts with gamma = 1, beta = 0
  model->eval();
  const at::NoGradGuard no_grad;
  const at::Tensor index = torch::tensor({2, 2, 1, 0}, at::kLong);
  const at::Tensor images = model->image_embedding(model->image_features(photos()));
  EXPECT_THAT(composed_queries(*model, index), TensorNear(images.index_select(0, index), 1e-4, 1e-4));
}

TEST(JointModelComposing, FeaturesAreEnoughUnlessTheComposerReadsTheMap) {
  const auto fc = composing_model("{type: tirg_fc}"), conv = composing_model("{type: tirg_conv}");
  EXPECT_FALSE(fc->composes_pictures());
  EXPECT_TRUE(conv->composes_pictures());
  fc->eval();
  const at::NoGradGuard no_grad;
  const at::Tensor index = torch::tensor({3, 0, 0, 1}, at::kLong);
  ComposerSources stored = fc->sources(fc->image_features(photos()));
  fc->embed_sources(stored);
  EXPECT_THAT(fc->query_embedding(stored, index, captions(), caption_lengths()),
              TensorNear(composed_queries(*fc, index), 1e-6, 1e-6));
  EXPECT_THROW(conv->sources(at::zeros({4, 512})), ShapeError);
}

}  // namespace
}  // namespace diptych::testing

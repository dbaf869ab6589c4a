#include "diptych/model/relevance.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>

#include "diptych/core/error.h"
#include "registry_checks.h"
#include "support/tensor_near.h"

namespace diptych::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

template <class R, class... Args>
typename R::Made made(void (*fill)(R&), const char* kind, const std::string& yaml, Args&&... args) {
  R registry(kind);
  fill(registry);
  return make_from(registry, yaml, std::forward<Args>(args)...);
}

/// The picture itself is the feature map; pooled by the mean.
class Pixels : public ImageEncoder {
 public:
  Encoded forward(const at::Tensor& image) override { return {image.mean({2, 3}), {}, {}}; }
  at::Tensor feature_map(const at::Tensor& image) override { return image; }
  at::Tensor place_weights(int64_t h, int64_t w) const override { return at::full({1, h * w}, 1.0 / double(h * w)); }
  int64_t features() const override { return 3; }
  const std::string& weights() const override { return none_; }

 private:
  std::string none_;
};

/// Sum of word vectors (token, 1, 2 token), with an attention that looks at one corner.
class Sum final : public TextEncoder, public AttentionSource {
 public:
  Encoded forward(const at::Tensor& tokens, const at::Tensor& length) override {
    return encode_words(embed_words(tokens), length);
  }
  at::Tensor embed_words(const at::Tensor& tokens) override {
    const at::Tensor t = tokens.to(at::kFloat);
    return at::stack({t, at::ones_like(t), 2 * t}, 2);
  }
  Encoded encode_words(const at::Tensor& words, const at::Tensor&) override { return {words.sum(1), {}, {}}; }
  int64_t features() const override { return 3; }
  std::vector<AttentionMap> attention(const at::Tensor& image, const at::Tensor&, const at::Tensor&) override {
    at::Tensor map = at::zeros({image.size(2), image.size(3)});
    map[0][0] = 1;
    return {{"whole text", map, {}}};
  }
};

/// Gives its features unchanged.
class Identity final : public Head {
 public:
  at::Tensor forward(const at::Tensor& features) override { return features; }
  int64_t dimension() const override { return 3; }
  at::Tensor linear_part() const override { return at::eye(3); }
};

std::shared_ptr<Scorer> named_scorer(const std::string& name) {
  return made<ScorerRegistry>(register_scorers, "scorer", "{type: " + name + "}", ScorerContext{12, 1, 1});
}
JointModel toy(const std::string& score) {
  return JointModel(std::make_shared<Pixels>(), std::make_shared<Sum>(), std::make_shared<Identity>(),
                    std::make_shared<Identity>(), named_scorer(score));
}

/// A small real model with moved BatchNorm statistics.
std::shared_ptr<JointModel> real(const std::string& pool, const std::string& head = "{type: linear_bn, dim: 12}",
                                 const std::string& score = "cosine") {
  torch::manual_seed(4);
  const auto image = made<ImageEncoderRegistry>(register_image_encoders, "image_encoder",
                                                "{type: mobilenet_v2, width: 0.1, stride: 8, pool: " + pool + "}");
  const auto text = made<TextEncoderRegistry>(register_text_encoders, "text_encoder",
                                              "{type: bilstm, word_dim: 8, hidden: 6}", TextContext{20, {}});
  const auto image_head = made<HeadRegistry>(register_heads, "head", head, HeadContext{image->features()});
  const auto text_head = made<HeadRegistry>(register_heads, "head", head, HeadContext{text->features()});
  auto model = std::make_shared<JointModel>(image, text, image_head, text_head, named_scorer(score));
  to_channels_last(*model);
  const at::NoGradGuard no_grad;
  for (auto& buffer : model->named_buffers()) {
    if (buffer.key().ends_with("running_mean")) buffer.value().uniform_(-0.1, 0.1);
    if (buffer.key().ends_with("running_var")) buffer.value().uniform_(0.5, 1.5);
  }
  return model;
}
at::Tensor picture() { return torch::randn({1, 3, 48, 64}).contiguous(at::MemoryFormat::ChannelsLast); }

/// 1e-5 of the largest relevance.
void expect_close(const at::Tensor& a, const at::Tensor& b) {
  ASSERT_EQ(a.sizes(), b.sizes());
  const double scale = b.abs().max().item<double>();
  ASSERT_GT(scale, 0);
  EXPECT_LT((a - b).abs().max().item<double>(), 1e-5 * scale);
}

TEST(Relevance, OfADotProductIsTheProductAtEachPlace) {
  JointModel model = toy("dot");
  const at::Tensor image = torch::arange(12, at::kFloat).view({1, 3, 2, 2}), text = torch::tensor({{1.f, 0.f, -2.f}});
  // s = sum_c y_c mean_p A_cp, so place p contributes (A_0p - 2 A_2p) / 4; A_0 = 0..3, A_2 = 8..11.
  const at::Tensor expected = torch::tensor({{-16.f, -17.f}, {-18.f, -19.f}}) / 4;
  const MapGradient gradient = map_gradient(model, image, {text});
  EXPECT_THAT(place_relevance(gradient), TensorNear(expected));
  EXPECT_THAT(grad_cam(gradient), TensorNear(expected));
  EXPECT_THAT((*closed_form_relevance(model, image[0], text))[0], TensorNear(expected));
  EXPECT_NEAR(gradient.score, -17.5, 1e-5);
  EXPECT_NEAR(place_relevance(gradient).sum().item<double>(), gradient.score, 1e-5);  // linear: contributions add up
}

// cos = x.y / (|x| |y|): the gradient by x, its length taken as given, is y' / |x|.
TEST(Relevance, OfACosineFollowsItsFormula) {
  JointModel model = toy("cosine");
  torch::manual_seed(2);
  const at::Tensor image = torch::randn({1, 3, 2, 3}), text = torch::randn({1, 3});
  const at::Tensor x = image.mean({2, 3})[0], unit_y = text[0] / text.norm(), g = unit_y / x.norm();
  const at::Tensor expected = (image[0] * g.view({3, 1, 1})).sum(0) / 6;
  const MapGradient gradient = map_gradient(model, image, {text});
  EXPECT_THAT(place_relevance(gradient), TensorNear(expected));
  EXPECT_NEAR(expected.sum().item<double>(), gradient.score, 1e-6);  // the places' contributions add up
}

// One shape makes up the whole embedding and the text names it and more: the shape must speak for the text.
TEST(Relevance, WhatAPictureConsistsOfSpeaksForATextThatNamesIt) {
  JointModel model = toy("cosine");
  at::Tensor image = at::zeros({1, 3, 2, 2});
  image[0][0][1][0] = 5;
  const at::Tensor relevance = place_relevance(map_gradient(model, image, {torch::tensor({{1.f, 1.f, 0.f}})}));
  EXPECT_THAT(relevance, TensorNear(torch::tensor({{0.f, 0.f}, {std::sqrt(0.5f), 0.f}})));
}

class ClosedForm : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};
INSTANTIATE_TEST_SUITE_P(Kinds, ClosedForm,
                         ::testing::Values(std::pair{"{type: linear_bn, dim: 12}", "cosine"},
                                           std::pair{"{type: linear_bn, dim: 12, affine: false}", "cosine"},
                                           std::pair{"{type: linear, dim: 12}", "dot"},
                                           std::pair{"{type: linear, dim: 12}", "neg_l2"}));

TEST_P(ClosedForm, AgreesWithAutograd) {
  const auto [head, score] = GetParam();
  for (const char* pool : {"avg", "grid, grid: 3"}) {
    SCOPED_TRACE(pool);
    const auto model = real(pool, head, score);
    const at::Tensor image = picture(), texts = torch::randn({3, 12});
    for (int64_t m = 0; m < 3; ++m) {
      const MapGradient gradient = map_gradient(*model, image, {texts.slice(0, m, m + 1)});
      ASSERT_EQ(gradient.map.sizes(), (at::IntArrayRef{1280, 6, 8}));
      const auto closed = closed_form_relevance(*model, gradient.map, texts);
      ASSERT_TRUE(closed);
      expect_close((*closed)[m], place_relevance(gradient));
      if (std::string(pool) == "avg") expect_close(grad_cam(gradient), place_relevance(gradient));
    }
  }
}

// What Grad-CAM loses: with a grid the sign of a place depends on where it is.
TEST(Relevance, AGridKeepsPlacesApart) {
  const auto model = real("grid, grid: 3");
  const MapGradient gradient = map_gradient(*model, picture(), {torch::randn({1, 12})});
  const at::Tensor difference = grad_cam(gradient) - place_relevance(gradient);
  EXPECT_GT(difference.abs().max().item<double>(), 0.1 * place_relevance(gradient).abs().max().item<double>());
}

TEST(Relevance, HasNoClosedFormBehindAMaximumOrAnMlp) {
  const at::Tensor image = picture(), text = torch::randn({1, 12});
  for (const auto& model :
       {real("max"), real("gem"), real("avg_max"), real("avg", "{type: mlp, dim: 12, hidden: 7}")}) {
    const MapGradient gradient = map_gradient(*model, image, {text});
    EXPECT_FALSE(closed_form_relevance(*model, gradient.map, text));
    EXPECT_GT(place_relevance(gradient).abs().max().item<double>(), 0);
  }
}

TEST(Relevance, LeavesTheModelAsItWas) {
  const auto model = real("avg");
  model->train();
  model->text().eval();
  const at::Tensor before = model->named_buffers()["image.features.0.1.running_mean"].clone();
  map_gradient(*model, picture(), {torch::randn({1, 12})});
  word_relevance(*model, torch::tensor({3, 4, 5}), {torch::randn({1, 12})});
  EXPECT_TRUE(model->is_training());
  EXPECT_FALSE(model->text().is_training());
  EXPECT_TRUE(at::equal(model->named_buffers()["image.features.0.1.running_mean"], before));
  for (const auto& each : model->named_parameters()) EXPECT_FALSE(each.value().grad().defined()) << each.key();
}

TEST(Relevance, RefusesAPoolThatIsNotTheEncoders) {
  struct Summed final : Pixels {
    Encoded forward(const at::Tensor& image) override { return {image.sum({2, 3}), {}, {}}; }
  };
  JointModel model(std::make_shared<Summed>(), std::make_shared<Sum>(), std::make_shared<Identity>(),
                   std::make_shared<Identity>(), named_scorer("dot"));
  EXPECT_THROW(map_gradient(model, torch::randn({1, 3, 2, 2}), {torch::randn({1, 3})}), ShapeError);
}

// With a sum of words and a dot product both measures are the word's own product with the image.
TEST(WordRelevance, OfASumIsEachWordsPart) {
  JointModel model = toy("dot");
  const at::Tensor image = torch::tensor({{1.f, 10.f, 0.5f}});
  const WordRelevance words = word_relevance(model, torch::tensor({3, 7, 3}), {image});
  // word t: t + 10 + t
  EXPECT_THAT(words.left_out, ElementsAre(16, 24, 16));
  EXPECT_THAT(words.gradient, ElementsAre(16, 24, 16));
  EXPECT_EQ(words.score, 56);
  EXPECT_THAT(word_relevance(model, torch::tensor({7}), {image}).left_out, ElementsAre(24));
}

TEST(WordRelevance, OfABiLstmMatchesTextsWithoutTheWord) {
  const auto model = real("avg");
  const at::Tensor tokens = torch::tensor({4, 9, 6, 9, 12}), image = torch::randn({1, 12});
  const WordRelevance words = word_relevance(*model, tokens, {image});
  ASSERT_THAT(words.left_out, SizeIs(5));
  ASSERT_THAT(words.gradient, SizeIs(5));
  model->eval();
  const at::NoGradGuard no_grad;
  const auto score = [&](const std::vector<int64_t>& ids) {
    const at::Tensor text =
        model->text_embedding(torch::tensor(ids).unsqueeze(0), torch::tensor({static_cast<int64_t>(ids.size())}));
    return model->scorer().forward(image, text).item<double>();
  };
  EXPECT_NEAR(words.score, score({4, 9, 6, 9, 12}), 1e-6);
  EXPECT_NEAR(words.left_out[1], words.score - score({4, 6, 9, 12}), 1e-5);
  EXPECT_NEAR(words.left_out[4], words.score - score({4, 9, 6, 9}), 1e-5);
  EXPECT_NE(words.gradient[1], words.gradient[3]) << "two occurrences of a word are told apart";
  // Finite differences: scaling word 2's vector by 1 + h moves the score by h times its gradient x input.
  at::Tensor vectors = model->text().embed_words(tokens.unsqueeze(0)).clone();
  const auto scaled = [&](double by) {
    at::Tensor moved = vectors.clone();
    moved[0][2].mul_(1 + by);
    return model->scorer().forward(image, model->words_view(moved, torch::tensor({5})).global).item<double>();
  };
  EXPECT_NEAR((scaled(0.01) - scaled(-0.01)) / 0.02, words.gradient[2], 1e-4);
}

TEST(WordRelevance, DoesWithoutWordVectors) {
  struct Opaque final : TextEncoder {
    Encoded forward(const at::Tensor& tokens, const at::Tensor&) override {
      return {tokens.to(at::kFloat).sum(1, true).expand({tokens.size(0), 3}), {}, {}};
    }
    int64_t features() const override { return 3; }
  };
  JointModel model(std::make_shared<Pixels>(), std::make_shared<Opaque>(), std::make_shared<Identity>(),
                   std::make_shared<Identity>(), named_scorer("dot"));
  const WordRelevance words = word_relevance(model, torch::tensor({1, 2}), {torch::ones({1, 3})});
  EXPECT_THAT(words.left_out, ElementsAre(3, 6));
  EXPECT_THAT(words.gradient, IsEmpty());
}

TEST(AttentionMaps, ComeFromPartsThatHaveThem) {
  JointModel model = toy("dot");
  const auto maps = attention_maps(model, torch::zeros({1, 3, 2, 2}), torch::tensor({{1, 2}}), torch::tensor({2}));
  ASSERT_THAT(maps, SizeIs(1));
  EXPECT_EQ(maps[0].weights[0][0].item<float>(), 1);
  EXPECT_THAT(attention_maps(*real("avg"), picture(), torch::tensor({{1, 2}}), torch::tensor({2})), IsEmpty());
}

}  // namespace
}  // namespace diptych::testing

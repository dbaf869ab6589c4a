#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>

#include "diptych/core/tensor/scope.h"
#include "diptych/model/text_encoder.h"
#include "model/hybrid_mixture.h"
#include "model/principal_axes.h"
#include "registry_checks.h"
#include "support/gradcheck.h"
#include "support/tensor_near.h"

// tfidf and hglmm: what is fitted to captions instead of trained.
namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::shared_ptr<TextEncoder> encoder(const std::string& yaml, const at::Tensor& vectors = {}) {
  TextEncoderRegistry registry("text_encoder");
  register_text_encoders(registry);
  return make_from(registry, yaml, TextContext{10, vectors});
}
FittedText& fitting(TextEncoder& made) { return dynamic_cast<FittedText&>(made); }

// Words 4 to 9. Of four captions, 4 stands in all, 5 in two, 6 twice in one, 7 to 9 in one each; 1 is unknown.
at::Tensor tokens() { return torch::tensor({{4, 5, 1, 0}, {4, 6, 6, 5}, {4, 7, 0, 0}, {8, 9, 4, 0}}, at::kLong); }
at::Tensor lengths() { return torch::tensor({3, 4, 2, 3}, at::kLong); }
FittedText::Captions few_captions() {
  return [](const auto& visit) {
    visit(tokens().slice(0, 0, 3), lengths().slice(0, 0, 3));
    visit(tokens().slice(0, 3), lengths().slice(0, 3));
  };
}
// Word 9 has no vector.
at::Tensor vectors() {
  torch::manual_seed(4);
  at::Tensor out = torch::randn({10, 3});
  out[9].zero_();
  return out;
}

std::shared_ptr<TextEncoder> fitted(const std::string& yaml) {
  const auto made = encoder(yaml, yaml.find("hglmm") == std::string::npos ? at::Tensor() : vectors());
  EXPECT_TRUE(fitting(*made).needs_fit());
  EXPECT_FALSE(fitting(*made).fitted());
  fitting(*made).fit(few_captions(), 3);
  EXPECT_TRUE(fitting(*made).fitted());
  return made;
}

const std::vector<std::string> kAll = {"{type: tfidf}", "{type: tfidf, sublinear: true, pca: 2}",
                                       "{type: hglmm, word_dim: 3, components: 2}",
                                       "{type: hglmm, word_dim: 3, components: 2, pca: 3}"};

TEST(FittedText, NeitherSeesPaddingNorNeighbours) {
  for (const std::string& yaml : kAll) {
    SCOPED_TRACE(yaml);
    const auto made = fitted(yaml);
    const at::Tensor batch = made->forward(tokens(), lengths()).global;
    EXPECT_EQ(batch.sizes(), (at::IntArrayRef{4, made->features()}));
    for (int64_t row = 0; row < 4; ++row) {
      const int64_t length = lengths()[row].item<int64_t>();
      const at::Tensor alone = tokens().slice(0, row, row + 1).slice(1, 0, length);
      EXPECT_THAT(made->forward(alone, lengths().slice(0, row, row + 1)).global[0], TensorNear(batch[row], 0, 1e-6));
    }
    at::Tensor dirty = tokens();
    dirty[2].slice(0, 2, 4).fill_(8);
    EXPECT_THAT(made->forward(dirty, lengths()).global, TensorNear(batch, 0, 1e-6));
  }
}

TEST(FittedText, GivesAVectorAWordWhereAsked) {
  for (const std::string& yaml : kAll) {
    SCOPED_TRACE(yaml);
    const auto made = fitted(yaml);
    made->want_local(true);
    const Encoded out = made->forward(tokens(), lengths());
    EXPECT_EQ(out.local.sizes(), (at::IntArrayRef{4, 4, made->features()}));
    EXPECT_EQ(out.mask.sum().item<int64_t>(), 12);
    EXPECT_EQ(out.local[0][3].abs().max().item<double>(), 0) << "padding";
    EXPECT_GT(out.local[0][0].abs().max().item<double>(), 0);
  }
}

TEST(FittedText, FitsTheSameFromTheSameCaptionsAndSeed) {
  for (const std::string& yaml : kAll) {
    SCOPED_TRACE(yaml);
    EXPECT_TRUE(
        fitted(yaml)->forward(tokens(), lengths()).global.equal(fitted(yaml)->forward(tokens(), lengths()).global));
  }
}

TEST(FittedText, IsRestoredFromItsBuffersAlone) {
  for (const std::string& yaml : kAll) {
    SCOPED_TRACE(yaml);
    const auto first = fitted(yaml), second = encoder(yaml);  // no word vectors: a trained model's are in its buffers
    EXPECT_TRUE(first->parameters().empty());
    for (const auto& each : second->named_buffers()) each.value().copy_(first->named_buffers()[each.key()]);
    EXPECT_TRUE(fitting(*second).fitted());
    EXPECT_TRUE(second->forward(tokens(), lengths()).global.equal(first->forward(tokens(), lengths()).global));
  }
}

TEST(FittedText, BeforeItIsFittedItIsFinite) {
  for (const std::string& yaml : kAll) {
    SCOPED_TRACE(yaml);
    EXPECT_TRUE(encoder(yaml)->forward(tokens(), lengths()).global.isfinite().all().item<bool>());
  }
}

TEST(FittedText, KeepsItsPrecisionUnderAutocast) {
  for (const std::string& yaml : kAll) {
    SCOPED_TRACE(yaml);
    const auto made = fitted(yaml);
    const at::Tensor full = made->forward(tokens(), lengths()).global;
    const AutocastScope half(Precision::bf16, at::kCPU);
    EXPECT_TRUE(made->forward(tokens(), lengths()).global.equal(full));
  }
}

TEST(FittedText, RefusesShapesAndLengthsThatDisagree) {
  for (const std::string& yaml : kAll) {
    SCOPED_TRACE(yaml);
    const auto made = fitted(yaml);
    EXPECT_THROW(made->forward(tokens(), torch::tensor({3, 1}, at::kLong)), ShapeError);
    EXPECT_THROW(made->forward(tokens().to(at::kInt), lengths()), ShapeError);
    EXPECT_THAT(
        [&] {
          made->forward(tokens(), torch::tensor({3, 5, 2, 3}, at::kLong));
        },
        ThrowsMessage<ShapeError>(HasSubstr("lengths 2 to 5, needed are 1 to 4")));
  }
}

TEST(TfIdf, HasTheValuesOfItsFormula) {
  // idf = ln(5 / (1 + N_w)) + 1: word 4 ln(5/5) + 1 = 1, word 5 ln(5/3) + 1, words 6 to 9 ln(5/2) + 1.
  const auto made = fitted("{type: tfidf}");
  const double five = std::log(5. / 3) + 1, six = std::log(5. / 2) + 1;
  const at::Tensor idf = made->named_buffers()["idf"];
  EXPECT_THAT(idf, TensorNear(torch::tensor({0., 0., 0., 0., 1., five, six, six, six, six}).to(at::kFloat)));
  const at::Tensor out = made->forward(tokens(), lengths()).global;
  const double length = std::sqrt(1 + five * five + 4 * six * six);
  const at::Tensor expected = torch::tensor({0., 0., 0., 0., 1., five, 2 * six, 0., 0., 0.}) / length;
  EXPECT_THAT(out[1], TensorNear(expected.to(at::kFloat)));
  EXPECT_THAT(out.norm(2, 1), TensorNear(at::ones({4})));
}

TEST(TfIdf, SublinearTakesTheLogarithmOfTheCount) {
  const auto made = fitted("{type: tfidf, sublinear: true}");
  const double five = std::log(5. / 3) + 1, six = (1 + std::log(2.)) * (std::log(5. / 2) + 1);
  const at::Tensor out = made->forward(tokens(), lengths()).global;
  EXPECT_NEAR(out[1][6].item<double>(), six / std::sqrt(1 + five * five + six * six), 1e-6);
}

TEST(TfIdf, ACaptionOfUnknownWordsIsZero) {
  const auto made = fitted("{type: tfidf}");
  EXPECT_EQ(made->forward(torch::tensor({{1, 2, 3}}, at::kLong), torch::tensor({3}, at::kLong))
                .global.abs()
                .max()
                .item<double>(),
            0);
}

TEST(TfIdf, PcaIsThatOfTheTrainingCaptions) {
  const at::Tensor plain = fitted("{type: tfidf}")->forward(tokens(), lengths()).global;
  const PrincipalAxes axes = principal_axes([&](const auto& visit) { visit(plain); }, 2);
  const at::Tensor expected = (plain.to(at::kDouble) - axes.mean).mm(axes.axes);
  EXPECT_THAT(fitted("{type: tfidf, pca: 2}")->forward(tokens(), lengths()).global,
              TensorNear(expected.to(at::kFloat), 0, 1e-6));
}

TEST(TfIdf, RefusesMoreComponentsThanThereAre) {
  EXPECT_THAT([] { encoder("{type: tfidf, pca: 11}"); }, ThrowsMessage<UsageError>(HasSubstr("model.text.pca=10")));
  const auto made = encoder("{type: tfidf, pca: 4}");
  EXPECT_THAT([&] { fitting(*made).fit(few_captions(), 1); }, ThrowsMessage<DataError>(HasSubstr("at most 3")));
  EXPECT_THROW(fitting(*encoder("{type: tfidf}")).fit([](const auto&) {}, 1), DataError);
}

TEST(Hglmm, IsTheFisherVectorOfTheWordsThatHaveVectors) {
  const auto made = fitted("{type: hglmm, word_dim: 3, components: 2}");
  auto buffers = made->named_buffers();
  const HybridMixture mixture{buffers["mixture.weight"], buffers["mixture.location"], buffers["mixture.scale"],
                              buffers["mixture.laplacian"]};
  const at::Tensor words = vectors().index_select(0, torch::tensor({8, 4}, at::kLong)).unsqueeze(0);  // not 9
  EXPECT_THAT(made->forward(tokens(), lengths()).global[3],
              TensorNear(fisher_vectors(mixture, words, at::ones({1, 2}, at::kBool))[0]));
}

TEST(Hglmm, CountsAWordAsOftenAsItOccurs) {
  const auto made = fitted("{type: hglmm, word_dim: 3, components: 1, family: gaussian}");
  const at::Tensor all = torch::tensor({4, 5, 1, 4, 6, 6, 5, 4, 7, 8, 4}, at::kLong);  // <unk> has a vector here
  EXPECT_THAT(made->named_buffers()["mixture.location"][0], TensorNear(vectors().index_select(0, all).mean(0)));
}

TEST(Hglmm, WordVectorsMayBeExplained) {
  const auto made = fitted("{type: hglmm, word_dim: 3, components: 2}");
  const at::Tensor words = made->embed_words(tokens());
  EXPECT_THAT(made->encode_words(words, lengths()).global, TensorNear(made->forward(tokens(), lengths()).global));
  const at::Tensor moving = words.clone().requires_grad_(true);
  made->encode_words(moving, lengths()).global.sum().backward();
  EXPECT_TRUE(moving.grad().isfinite().all().item<bool>());
}

TEST(Hglmm, SaysWhatItNeeds) {
  const auto bare = encoder("{type: hglmm, word_dim: 3}");
  EXPECT_THAT([&] { fitting(*bare).fit(few_captions(), 1); }, ThrowsMessage<UsageError>(HasSubstr("there are none")));
  EXPECT_THAT([] { encoder("{type: hglmm, word_dim: 4}", vectors()); },
              ThrowsMessage<UsageError>(HasSubstr("model.text.word_dim=3")));
  EXPECT_THROW(encoder("{type: hglmm, word_dim: 3}", vectors().slice(0, 0, 5)), ShapeError);
  const auto many = encoder("{type: hglmm, word_dim: 3, components: 7}", vectors());
  EXPECT_THAT([&] { fitting(*many).fit(few_captions(), 1); }, ThrowsMessage<DataError>(HasSubstr("there are 6")));
}

}  // namespace
}  // namespace diptych::testing

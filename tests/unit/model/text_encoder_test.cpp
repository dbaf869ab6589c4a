#include "diptych/model/text_encoder.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "../../support/cuda.h"
#include "../../support/gradcheck.h"
#include "../../support/tensor_near.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/core/tensor/scope.h"
#include "formula.h"
#include "model/recurrent_stack.h"
#include "registry_checks.h"
#include "text_encoder_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(TextEncoderRegistry, DocumentsEveryEntryAndOption) { expect_documented(text_encoders()); }
TEST(TextEncoderRegistry, DefaultsSurviveYaml) { expect_defaults_survive_yaml(text_encoders()); }

TEST(TextEncoderRegistry, EveryEntryGivesTheDocumentedShapesAndFiniteGradients) {
  for (const auto& [name, entry] : text_encoders().entries()) {
    SCOPED_TRACE(name);
    torch::manual_seed(8);
    const auto encoder = text_encoders().make_default(name, TextContext{13, {}});
    encoder->want_local(true);
    const Encoded out = encoder->forward(tokens(), lengths());
    EXPECT_EQ(out.global.sizes(), (at::IntArrayRef{3, encoder->features()}));
    EXPECT_EQ(out.local.sizes().slice(0, 2), out.mask.sizes());
    if (name != "text_resnet" && !name.ends_with("_cnn_rnn")) {  // those merge words
      EXPECT_EQ(out.mask.sizes(), (at::IntArrayRef{3, 6}));
      EXPECT_EQ(out.mask.sum().item<int64_t>(), 11);
      EXPECT_EQ(out.local.masked_select(~out.mask.unsqueeze(2)).abs().sum().item<double>(), 0);
    }
    EXPECT_TRUE(at::isfinite(out.global).all().item<bool>());
    if (encoder->parameters().empty()) continue;  // fitted, not trained
    (out.global * formula_centred(out.global.sizes(), 98)).sum().backward();
    expect_finite_gradients(*encoder);
  }
}

// Small ones of every type, with every pooling that it takes.
std::vector<std::string> small_encoders() {
  const std::vector<std::string> poolings = {"max", "mean",   "last", "mean_max", "attention",
                                             "gem", "weldon", "lse",  "gpo"};
  const std::string options = ", pooling: {attention_units: 3, weldon_k: 2, gpo_drop: 0}}";
  std::vector<std::string> out;
  for (const std::string& pool : poolings)
    for (const char* type :
         {"bilstm, word_dim: 3, hidden: 2", "bilstm, word_dim: 3, hidden: 2, directions: mean, layers: 2",
          "lstm, word_dim: 3, hidden: 2", "gru, word_dim: 3, hidden: 2, learned_initial_state: true",
          "bigru, word_dim: 3, hidden: 2", "word_mean, word_dim: 3",
          "text_cnn, word_dim: 3, filters: 2, kernels: [1, 2, 5]"})
      out.push_back(concat("{type: ", type, ", pool: ", pool, options));
  for (const char* pool : {"max", "attention"})  // deep, so slow
    out.push_back(
        concat("{type: text_resnet, word_dim: 3, width: 0.02, length: 8, shift: false, pool: ", pool, options));
  out.push_back("{type: word_attention, word_dim: 3}");
  out.push_back("{type: word_cnn_rnn, word_dim: 3, length: 12, filters: 4, hidden: 6, features: 3}");
  out.push_back("{type: char_cnn_rnn, length: 66, filters: [4, 5, 4], hidden: 6, features: 3}");
  return out;
}
class EveryTextEncoder : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Small, EveryTextEncoder, ::testing::ValuesIn(small_encoders()));

TEST_P(EveryTextEncoder, GradientsMatchDifferences) {
  const auto encoder = filled_encoder(GetParam());
  const at::Tensor weight = formula_centred({3, encoder->features()}, 98);
  expect_parameter_gradients(*encoder, [&] { return (encoder->forward(tokens(), lengths()).global * weight).sum(); });
}

TEST_P(EveryTextEncoder, GivesTheSameOnTheGpu) {
  DIPTYCH_SKIP_WITHOUT_CUDA();
  const auto encoder = filled_encoder(GetParam());
  expect_same_on_cuda(*encoder, [&](at::Device device) {
    const at::Tensor out = encoder->forward(tokens().to(device), lengths().to(device)).global;
    return (out * formula_centred(out.sizes(), 98).to(device)).sum();
  });
}

TEST_P(EveryTextEncoder, DoesNotSeePadding) {
  const auto encoder = filled_encoder(GetParam());
  const EvalScope scope(*encoder);
  const at::Tensor batch = encoder->forward(tokens(), lengths()).global;
  EXPECT_GT((batch[0] - batch[2]).abs().max().item<double>(), 1e-6) << "all texts look alike";
  for (int64_t row = 0; row < 3; ++row) {
    const int64_t length = lengths()[row].item<int64_t>();
    const at::Tensor alone = tokens().slice(0, row, row + 1).slice(1, 0, length);
    EXPECT_THAT(encoder->forward(alone, lengths().slice(0, row, row + 1)).global[0], TensorNear(batch[row]));
  }
  at::Tensor dirty = tokens();
  dirty[1].slice(0, 1, 6).fill_(7);  // not even ids other than 0 beyond the length
  EXPECT_THAT(encoder->forward(dirty, lengths()).global, TensorNear(batch));
}

TEST_P(EveryTextEncoder, WordsFirstAndSentenceThenAreTheWhole) {
  const auto encoder = filled_encoder(GetParam());
  const EvalScope scope(*encoder);
  EXPECT_THAT(encoder->encode_words(encoder->embed_words(tokens()), lengths()).global,
              TensorNear(encoder->forward(tokens(), lengths()).global));
}

TEST(TextEncoderRegistry, EveryEntryTakesWordVectorsAndTrainsThemUnderOneName) {
  at::Tensor vectors = at::zeros({13, 4});
  vectors[3].fill_(0.5);
  for (const std::string& name : text_encoders().names()) {
    if (name == "tfidf" || name == "hglmm") continue;  // fitted, not trained: fitted_text_test.cpp
    if (name == "char_cnn_rnn") continue;              // has none
    SCOPED_TRACE(name);
    const auto encoder = text_encoder("{type: " + name + ", word_dim: 4}", {13, vectors});
    const at::Tensor table = encoder->named_parameters()["embedding.weight"];
    EXPECT_THAT(table[3], TensorNear(at::full({4}, 0.5)));
    encoder->forward(tokens(), lengths()).global.square().sum().backward();
    EXPECT_EQ(table.grad()[0].abs().max().item<double>(), 0) << "padding has no vector to learn";
    EXPECT_EQ(table.grad()[4].abs().max().item<double>(), 0) << "word 4 occurs nowhere";
  }
}

TEST(TextEncoderRegistry, EveryEntryGivesFloat32UnderAutocast) {
  for (const std::string& name : text_encoders().names()) {
    if (name == "tfidf" || name == "hglmm") continue;  // nothing is known before they are fitted
    SCOPED_TRACE(name);
    torch::manual_seed(4);
    const auto encoder = text_encoders().make_default(name, TextContext{13, {}});
    const EvalScope scope(*encoder);
    const at::Tensor full = encoder->forward(tokens(), lengths()).global;
    const AutocastScope half(Precision::bf16, at::kCPU);
    const at::Tensor out = encoder->forward(tokens(), lengths()).global;
    EXPECT_EQ(out.scalar_type(), at::kFloat);
    EXPECT_GT(at::cosine_similarity(out, full, 1).min().item<double>(), 0.999);
  }
}

TEST(TextEncoderRegistry, WordsFirstAndSentenceThenAreTheWhole) {
  for (const auto& [name, entry] : text_encoders().entries()) {
    SCOPED_TRACE(name);
    const auto encoder = text_encoders().make_default(name, TextContext{13, {}});
    const EvalScope scope(*encoder);
    const at::Tensor words = encoder->embed_words(tokens());
    if (!words.defined()) continue;
    EXPECT_EQ(words.sizes().slice(0, 2), (at::IntArrayRef{3, 6}));
    EXPECT_THAT(encoder->encode_words(words, lengths()).global,
                TensorNear(encoder->forward(tokens(), lengths()).global));
  }
}

// The oracle: torch's own bidirectional LSTM over a packed sequence, with the encoder's parameters.
struct Packed {
  torch::nn::LSTM lstm{nullptr};
  Packed(const TextEncoder& encoder, int64_t input, int64_t hidden, int64_t layers)
      : lstm(torch::nn::LSTMOptions(input, hidden).num_layers(layers).bidirectional(true).batch_first(true)) {
    const at::NoGradGuard no_grad;
    const auto parameters = encoder.named_parameters();
    for (auto& each : lstm->named_parameters()) each.value().copy_(parameters["lstm." + each.key()]);
  }
  at::Tensor states(const at::Tensor& words, const at::Tensor& length) {  // [B, L, E] -> [B, L, 2H], 0 at padding
    const auto packed = torch::nn::utils::rnn::pack_padded_sequence(words, length, true, false);
    const auto out = std::get<0>(lstm->forward_with_packed_input(packed));
    return std::get<0>(torch::nn::utils::rnn::pad_packed_sequence(out, true));
  }
};

class BiLstmLayers : public ::testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Each, BiLstmLayers, ::testing::Values(1, 2, 3));

TEST_P(BiLstmLayers, EqualPackedSequencesInStatesAndGradients) {
  torch::manual_seed(11);
  const auto encoder = text_encoder(concat("{type: bilstm, word_dim: 24, hidden: 32, layers: ", GetParam(), "}"));
  encoder->want_local(true);
  Packed oracle(*encoder, 24, 32, GetParam());
  const at::Tensor table = encoder->named_parameters()["embedding.weight"].detach().clone().requires_grad_(true);
  const at::Tensor expected = oracle.states(at::embedding(table, tokens(), 0), lengths());
  const at::Tensor out = encoder->forward(tokens(), lengths()).local;
  EXPECT_THAT(out, TensorNear(expected, 0, 1e-6));

  const at::Tensor weight = formula_centred(out.sizes(), 98).to(at::kFloat);
  (out * weight).sum().backward();
  (expected * weight).sum().backward();
  for (const auto& each : oracle.lstm->named_parameters()) {
    SCOPED_TRACE(each.key());
    EXPECT_THAT(encoder->named_parameters()["lstm." + each.key()].grad(), TensorNear(each.value().grad(), 1e-5, 1e-5));
  }
  EXPECT_THAT(encoder->named_parameters()["embedding.weight"].grad(), TensorNear(table.grad(), 1e-5, 1e-6));
}

class BiLstmPooling : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Each, BiLstmPooling, ::testing::Values("max", "mean", "last", "mean_max"),
                         [](const auto& each) { return each.param; });

TEST_P(BiLstmPooling, EqualsThePythonReferenceInFloat64) {
  const TensorFile golden = read_safetensors(std::string(DIPTYCH_GOLDEN_DIR) + "/bilstm.safetensors");
  const auto encoder = text_encoder(
      "{type: bilstm, word_dim: 5, hidden: 4, layers: 2, learned_initial_state: true, pool: " + GetParam() + "}");
  encoder->to(at::kDouble);
  formula_fill(*encoder);
  at::NoGradGuard no_grad;
  encoder->named_parameters()["embedding.weight"][0].zero_();
  encoder->want_local(true);
  const Encoded out = encoder->forward(golden.tensors.at("tokens"), golden.tensors.at("length"));
  EXPECT_THAT(out.global, TensorNear(golden.tensors.at("pool." + GetParam())));
  EXPECT_THAT(out.local, TensorNear(golden.tensors.at("states")));
}

TEST(BiLstm, GradientsEqualThePythonReferenceInFloat64) {
  const TensorFile golden = read_safetensors(std::string(DIPTYCH_GOLDEN_DIR) + "/bilstm.safetensors");
  const auto encoder =
      text_encoder("{type: bilstm, word_dim: 5, hidden: 4, layers: 2, learned_initial_state: true, pool: mean_max}");
  encoder->to(at::kDouble);
  formula_fill(*encoder);
  {
    at::NoGradGuard no_grad;
    encoder->named_parameters()["embedding.weight"][0].zero_();
  }
  const at::Tensor out = encoder->forward(tokens(), lengths()).global;
  (out * formula_centred({3, 16}, 98)).sum().backward();
  EXPECT_EQ(encoder->named_parameters().size(), 19u);
  for (const auto& each : encoder->named_parameters()) {
    SCOPED_TRACE(each.key());
    EXPECT_THAT(each.value().grad(), TensorNear(golden.tensors.at("grad." + each.key()), 1e-9, 1e-12));
  }
}

TEST_P(BiLstmPooling, DoesNotSeePadding) {
  torch::manual_seed(5);
  const auto encoder =
      text_encoder("{type: bilstm, word_dim: 16, hidden: 16, layers: 2, pad_in_max: true, pool: " + GetParam() + "}");
  const EvalScope scope(*encoder);
  const at::Tensor batch = encoder->forward(tokens(), lengths()).global;
  for (int64_t row = 0; row < 3; ++row) {
    const int64_t length = lengths()[row].item<int64_t>();
    const at::Tensor alone = tokens().slice(0, row, row + 1).slice(1, 0, length);
    EXPECT_THAT(encoder->forward(alone, lengths().slice(0, row, row + 1)).global[0], TensorNear(batch[row], 0, 1e-6));
  }
  at::Tensor dirty = tokens();
  dirty[1].slice(0, 1, 6).fill_(7);  // not even ids other than 0 beyond the length
  EXPECT_THAT(encoder->forward(dirty, lengths()).global, TensorNear(batch, 0, 1e-6));
}

TEST(BiLstm, PadInMaxLetsZerosTakePartInTrainingOnly) {
  torch::manual_seed(5);
  const auto encoder = text_encoder("{type: bilstm, word_dim: 16, hidden: 16, pad_in_max: true}");
  const at::Tensor trained = encoder->forward(tokens(), lengths()).global;
  EXPECT_GE(trained[1].min().item<double>(), 0);
  EXPECT_LT(trained[0].min().item<double>(), 0) << "the longest caption has no padding";
  const EvalScope scope(*encoder);
  EXPECT_LT(encoder->forward(tokens(), lengths()).global[1].min().item<double>(), 0);
}

TEST(BiLstm, ReadsBackwardsWithinTheLength) {
  torch::manual_seed(5);
  const auto encoder = text_encoder("{type: bilstm, word_dim: 8, hidden: 8, pool: last}");
  const EvalScope scope(*encoder);
  at::Tensor changed = tokens();
  changed[2][0] = 8;  // the first word reaches the end of both directions
  const at::Tensor before = encoder->forward(tokens(), lengths()).global[2];
  const at::Tensor after = encoder->forward(changed, lengths()).global[2];
  EXPECT_GT((before - after).slice(0, 0, 8).abs().max().item<double>(), 1e-6);
  EXPECT_GT((before - after).slice(0, 8, 16).abs().max().item<double>(), 1e-3) << "the last step backwards is word 0";
}

TEST(BiLstm, GradientsMatchDifferences) {
  const auto encoder = text_encoder("{type: bilstm, word_dim: 3, hidden: 2, pool: mean_max}");
  encoder->to(at::kDouble);
  formula_fill(*encoder);
  at::Tensor table = encoder->named_parameters()["embedding.weight"];
  const at::Tensor start = table.detach().clone();
  const at::Tensor weight = formula_centred({3, 8}, 98);
  table.set_requires_grad(false);
  at::Tensor input_weight = encoder->named_parameters()["lstm.weight_ih_l0_reverse"];
  const auto loss = [&] { return (encoder->forward(tokens(), lengths()).global * weight).sum(); };
  loss().backward();
  const at::Tensor gradient = input_weight.grad().clone();
  at::NoGradGuard no_grad;
  for (int64_t i = 0; i < input_weight.numel(); ++i) {
    at::Tensor element = input_weight.view(-1)[i];
    element += 1e-6;
    const double up = loss().item<double>();
    element -= 2e-6;
    const double down = loss().item<double>();
    element += 1e-6;
    EXPECT_NEAR(gradient.view(-1)[i].item<double>(), (up - down) / 2e-6, 1e-8) << "element " << i;
  }
}

TEST(BiLstm, PaddingRowIsZeroAndGetsNoGradient) {
  const auto encoder = text_encoder("{type: bilstm, word_dim: 4, hidden: 4, pad_in_max: true, pool: mean_max}");
  const at::Tensor table = encoder->named_parameters()["embedding.weight"];
  EXPECT_EQ(table[0].abs().max().item<double>(), 0);
  encoder->forward(tokens(), lengths()).global.sum().backward();
  EXPECT_EQ(table.grad()[0].abs().max().item<double>(), 0);
  EXPECT_GT(table.grad()[3].abs().max().item<double>(), 0);
  EXPECT_EQ(table.grad()[4].abs().max().item<double>(), 0) << "word 4 occurs nowhere";
  encoder->forward(tokens(), torch::tensor({6, 3, 4}, at::kLong)).global.sum().backward();  // two ids 0 count as words
  EXPECT_EQ(table.grad()[0].abs().max().item<double>(), 0) << "not even inside a caption";
}

TEST(BiLstm, TakesTheWordVectorsThatThereAre) {
  at::Tensor vectors = at::zeros({13, 4});
  vectors[2].fill_(0.5);
  vectors[0].fill_(9);  // padding stays zero whatever the file says
  const auto encoder = text_encoder("{type: bilstm, word_dim: 4, hidden: 4}", {13, vectors});
  const at::Tensor table = encoder->named_parameters()["embedding.weight"];
  EXPECT_THAT(table[2], TensorNear(at::full({4}, 0.5)));
  EXPECT_EQ(table[0].abs().max().item<double>(), 0);
  EXPECT_GT(table[3].abs().max().item<double>(), 0);
  EXPECT_LE(table.slice(0, 3).abs().max().item<double>(), 0.1);
}

TEST(BiLstm, NamesBothDimensionsWhenWordVectorsAreTooWide) {
  EXPECT_THAT(
      [] {
        text_encoder("{type: bilstm, word_dim: 4}", {13, at::zeros({13, 8})});
      },
      ThrowsMessage<UsageError>(
          AllOf(HasSubstr("word_dim is 4"), HasSubstr("8 dimensions"), HasSubstr("model.text.word_dim=8"))));
  EXPECT_THROW(text_encoder("{type: bilstm, word_dim: 4}", {13, at::zeros({12, 4})}), ShapeError);
}

TEST(BiLstm, NarrowerWordVectorsFillTheFirstColumnsScaled) {
  at::Tensor vectors = at::zeros({13, 3});
  vectors[2].fill_(4);
  const auto encoder = text_encoder("{type: bilstm, word_dim: 5, hidden: 4, vector_scale: 0.5}", {13, vectors});
  const at::Tensor table = encoder->named_parameters()["embedding.weight"];
  EXPECT_THAT(table[2].slice(0, 0, 3), TensorNear(at::full({3}, 2.0)));
  EXPECT_LE(table[2].slice(0, 3).abs().max().item<double>(), 0.1) << "the rest stays random";
  EXPECT_GT(table[2].slice(0, 3).abs().min().item<double>(), 0);
  EXPECT_LE(table[3].abs().max().item<double>(), 0.1) << "a word without a vector is not scaled";
}

TEST(BiLstm, NormalInitHasItsSpread) {
  torch::manual_seed(6);
  const auto encoder = text_encoder("{type: bilstm, word_dim: 100, hidden: 4, word_init: normal}", {500, {}});
  EXPECT_NEAR(encoder->named_parameters()["embedding.weight"].slice(0, 1).std().item<double>(), 0.1, 0.002);
}

TEST(BiLstm, XavierBoundsTheWordsByTheTable) {
  const auto encoder = text_encoder("{type: bilstm, word_dim: 100, hidden: 4, word_init: xavier}", {500, {}});
  const double most = encoder->named_parameters()["embedding.weight"].abs().max().item<double>();
  EXPECT_LE(most, 0.1001);  // sqrt(6 / 600)
  EXPECT_GT(most, 0.099);
}

TEST(BiLstm, ForgetBiasOpensTheForgetGate) {
  torch::manual_seed(1);
  const auto plain = text_encoder("{type: bilstm, word_dim: 4, hidden: 3}");
  torch::manual_seed(1);
  const auto open = text_encoder("{type: bilstm, word_dim: 4, hidden: 3, forget_bias: 1}");
  const at::Tensor difference =
      open->named_parameters()["lstm.bias_ih_l0_reverse"] - plain->named_parameters()["lstm.bias_ih_l0_reverse"];
  EXPECT_THAT(difference, TensorNear(torch::tensor({0.f, 0.f, 0.f, 1.f, 1.f, 1.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f})));
}

TEST(BiLstm, LearnsTheInitialState) {
  const auto encoder = text_encoder("{type: bilstm, word_dim: 4, hidden: 3, layers: 2, learned_initial_state: true}");
  encoder->forward(tokens(), lengths()).global.sum().backward();
  for (const char* name : {"lstm.h0", "lstm.c0"}) {
    const at::Tensor gradient = encoder->named_parameters()[name].grad();
    EXPECT_EQ(gradient.sizes(), (at::IntArrayRef{4, 3}));
    EXPECT_GT(gradient.abs().amin(0).max().item<double>(), 0) << "a layer or direction does not use " << name;
  }
}

TEST(BiLstm, WordDropoutReplacesWordsByUnknownInTrainingOnly) {
  torch::manual_seed(2);
  const auto encoder = text_encoder("{type: bilstm, word_dim: 4, hidden: 3, word_dropout: 1}");
  const at::Tensor unknown = tokens().masked_fill(tokens() != 0, 1);
  const at::Tensor trained = encoder->forward(tokens(), lengths()).global;
  EXPECT_THAT(trained, TensorNear(encoder->forward(unknown, lengths()).global));
  trained.sum().backward();
  EXPECT_EQ(encoder->named_parameters()["embedding.weight"].grad().slice(0, 2).abs().max().item<double>(), 0);
  const EvalScope scope(*encoder);
  EXPECT_GT((encoder->forward(tokens(), lengths()).global - encoder->forward(unknown, lengths()).global)
                .abs()
                .max()
                .item<double>(),
            1e-4);
}

TEST(BiLstm, DropoutActsInTrainingOnlyAndFollowsTheSeed) {
  const auto encoder =
      text_encoder("{type: bilstm, word_dim: 8, hidden: 8, layers: 2, input_dropout: 0.3, output_dropout: 0.3}");
  const auto run = [&](uint64_t seed) {
    torch::manual_seed(seed);
    return encoder->forward(tokens(), lengths()).global.detach();
  };
  EXPECT_TRUE(run(1).equal(run(1)));
  EXPECT_FALSE(run(1).equal(run(2)));
  const EvalScope scope(*encoder);
  EXPECT_TRUE(run(1).equal(run(2)));
}

TEST(BiLstm, RefusesShapesAndLengthsThatDisagree) {
  const auto encoder = text_encoder("{type: bilstm, word_dim: 4, hidden: 3}");
  EXPECT_THROW(encoder->forward(tokens(), torch::tensor({6, 1}, at::kLong)), ShapeError);
  EXPECT_THROW(encoder->forward(tokens().to(at::kInt), lengths()), ShapeError);
  EXPECT_THAT(
      [&] {
        encoder->forward(tokens(), torch::tensor({6, 0, 4}, at::kLong));
      },
      ThrowsMessage<ShapeError>(HasSubstr("lengths 0 to 6, needed are 1 to 6")));
  EXPECT_THROW(encoder->forward(tokens(), torch::tensor({7, 1, 4}, at::kLong)), ShapeError);
}

TEST(BiLstm, GivesFloat32UnderAutocastNearTheFullPrecision) {
  torch::manual_seed(4);
  const auto encoder = text_encoder("{type: bilstm, word_dim: 64, hidden: 64, pool: mean_max}");
  const EvalScope scope(*encoder);
  const at::Tensor full = encoder->forward(tokens(), lengths()).global;
  const AutocastScope half(Precision::bf16, at::kCPU);
  const at::Tensor out = encoder->forward(tokens(), lengths()).global;
  EXPECT_EQ(out.scalar_type(), at::kFloat);
  EXPECT_GT(at::cosine_similarity(out, full, 1).min().item<double>(), 0.999);
}

TEST(BiLstm, TrainsUnderAutocastWhateverTheCpu) {
  torch::manual_seed(4);
  const auto encoder = text_encoder("{type: bilstm, word_dim: 64, hidden: 64, layers: 2}");
  at::Tensor out;
  {
    const AutocastScope half(Precision::bf16, at::kCPU);
    out = encoder->forward(tokens(), lengths()).global;
  }
  out.square().sum().backward();
  expect_finite_gradients(*encoder);
}

TEST(ExchangeRows, IsItsOwnInverseAndHasTheRightGradient) {
  const at::Tensor index = torch::tensor({2, 1, 0, 4, 3}, at::kLong);
  const at::Tensor x = formula_centred({5, 3}, 1);
  EXPECT_TRUE(exchange_rows(exchange_rows(x, index), index).equal(x));
  EXPECT_TRUE(exchange_rows(x, index)[0].equal(x[2]));
  const at::Tensor weight = formula_centred({5, 3}, 2);
  expect_gradients([&](const at::Tensor& y) { return (exchange_rows(y, index) * weight).square().sum(); }, x);
}

}  // namespace
}  // namespace diptych::testing

#include "model/cnn_rnn.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "../../support/tensor_near.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/core/tensor/scope.h"
#include "text_encoder_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

struct CnnRnnCase {
  std::string name, yaml;
  int64_t stride;  // places from step to step
};
class CnnRnnEncoder : public ::testing::TestWithParam<CnnRnnCase> {};
INSTANTIATE_TEST_SUITE_P(
    Each, CnnRnnEncoder,
    ::testing::Values(CnnRnnCase{"word_cnn_rnn",
                                 "{type: word_cnn_rnn, word_dim: 5, length: 12, filters: 4, hidden: 6, features: 5}",
                                 3},
                      CnnRnnCase{"char_cnn_rnn",
                                 "{type: char_cnn_rnn, length: 102, filters: [4, 5, 4], hidden: 6, features: 5}", 18}),
    [](const auto& each) { return each.param.name; });

// Each text alone in PyTorch, filled up with zeros: values, states and every parameter's gradient.
TEST_P(CnnRnnEncoder, EqualsThePythonReferenceInFloat64) {
  const TensorFile golden = read_safetensors(std::string(DIPTYCH_GOLDEN_DIR) + "/text_encoders.safetensors");
  const auto encoder = filled_encoder(GetParam().yaml);
  encoder->want_local(true);
  const Encoded out = encoder->forward(tokens(), lengths());
  EXPECT_THAT(out.global, TensorNear(golden.tensors.at(GetParam().name + ".global")));
  const at::Tensor& states = golden.tensors.at(GetParam().name + ".states");
  EXPECT_TRUE(out.mask.equal(at::arange(states.size(1)) * GetParam().stride < lengths().unsqueeze(1)));
  EXPECT_THAT(out.local, TensorNear(states.masked_fill(~out.mask.unsqueeze(2), 0)));
  (out.global * formula_centred(out.global.sizes(), 98)).sum().backward();
  for (const auto& each : encoder->named_parameters()) {
    SCOPED_TRACE(each.key());
    EXPECT_THAT(each.value().grad(),
                TensorNear(golden.tensors.at(GetParam().name + ".grad." + each.key()), 1e-9, 1e-12));
  }
}

TEST_P(CnnRnnEncoder, StartsFromThePublishedRange) {
  torch::manual_seed(3);
  const auto encoder = text_encoder(GetParam().yaml);
  double most = 0;
  for (const auto& each : encoder->named_parameters())
    if (each.key().starts_with("net.")) most = std::max(most, each.value().abs().max().item<double>());
  EXPECT_LE(most, 0.08);
  EXPECT_GT(most, 0.07);
}

/// A batch of one text as long as needed: ids 4, 5, ..., 12, 4, 5, ...
at::Tensor long_text(int64_t length) { return (at::arange(length, at::kLong) % 9 + 4).unsqueeze(0); }
at::Tensor read_alone(TextEncoder& encoder, const at::Tensor& text) {
  return encoder.forward(text, at::full({1}, text.size(1), at::kLong)).global;
}

TEST_P(CnnRnnEncoder, ReadsTheFirstPlacesOfALongerText) {
  const auto encoder = filled_encoder(GetParam().yaml);
  const EvalScope scope(*encoder);
  const int64_t places = GetParam().name == "word_cnn_rnn" ? 12 : 102;
  const at::Tensor text = long_text(places + 20);
  EXPECT_THAT(read_alone(*encoder, text), TensorNear(read_alone(*encoder, text.slice(1, 0, places))));
  EXPECT_GT(
      (read_alone(*encoder, text) - read_alone(*encoder, text.slice(1, 0, places / 2))).abs().max().item<double>(),
      1e-3);
}

TEST(WordCnnRnn, ThirtyWordsBecomeEightSteps) {
  const auto encoder = text_encoder("{type: word_cnn_rnn, filters: 2, hidden: 3}");
  encoder->want_local(true);
  const Encoded out = encoder->forward(long_text(40), torch::tensor({40}, at::kLong));
  EXPECT_EQ(out.local.sizes(), (at::IntArrayRef{1, 8, 3}));
  EXPECT_TRUE(out.mask.all().item<bool>());
  EXPECT_EQ(out.global.sizes(), (at::IntArrayRef{1, 1024}));
}

TEST(CharCnnRnn, TwoHundredAndOneCharactersBecomeEightSteps) {
  const auto encoder = text_encoder("{type: char_cnn_rnn, filters: [2, 2, 2], hidden: 3}", {74, {}});
  encoder->want_local(true);
  const Encoded out = encoder->forward(long_text(201), torch::tensor({201}, at::kLong));
  EXPECT_EQ(out.local.sizes(), (at::IntArrayRef{1, 8, 3}));
  EXPECT_TRUE(out.mask.all().item<bool>());
  EXPECT_EQ(encoder->named_parameters()["net.convs.0.weight"].sizes(), (at::IntArrayRef{2, 70, 4}));
}

TEST(CharCnnRnn, IdsThatAreNoCharactersAreColumnsOfZeros) {
  const auto encoder = filled_encoder("{type: char_cnn_rnn, length: 66, filters: [4, 5, 4], hidden: 6, features: 3}");
  const at::Tensor columns = encoder->embed_words(torch::tensor({{0, 1, 2, 3, 4, 12}}, at::kLong));
  at::Tensor expected = at::zeros({1, 6, 9}, at::kDouble);
  expected[0][4][0] = 1, expected[0][5][8] = 1;
  EXPECT_TRUE(columns.equal(expected));
  const at::Tensor unknown = torch::tensor({{5, 1, 6}}, at::kLong), padded = torch::tensor({{5, 0, 6}}, at::kLong);
  EXPECT_TRUE(read_alone(*encoder, unknown).equal(read_alone(*encoder, padded)));
}

TEST(CharCnnRnn, RefusesOptionsAndTextsThatDoNotFit) {
  EXPECT_THAT([] { text_encoder("{type: char_cnn_rnn, filters: [4, 5]}"); },
              ThrowsMessage<UsageError>(HasSubstr("filters has 2 numbers, needed are three")));
  EXPECT_THAT([] { text_encoder("{type: char_cnn_rnn, length: 65}"); }, ThrowsMessage<UsageError>(HasSubstr("length")));
  EXPECT_THAT([] { text_encoder("{type: word_cnn_rnn, length: 8}"); }, ThrowsMessage<UsageError>(HasSubstr("length")));
  EXPECT_THROW(text_encoder("{type: char_cnn_rnn}", {4, {}}), ShapeError);
  const auto encoder = text_encoder("{type: char_cnn_rnn, filters: [2, 2, 2], hidden: 3}");
  EXPECT_THROW(encoder->forward(tokens(), torch::tensor({6, 0, 4}, at::kLong)), ShapeError);
}

}  // namespace
}  // namespace diptych::testing

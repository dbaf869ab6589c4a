#include "model/recurrent_encoder.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "../../support/tensor_near.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/core/tensor/scope.h"
#include "text_encoder_fixture.h"

namespace diptych::testing {
namespace {

const TensorFile& golden_text() {
  static const TensorFile kFile = read_safetensors(std::string(DIPTYCH_GOLDEN_DIR) + "/text_encoders.safetensors");
  return kFile;
}

class RecurrentNetwork : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Each, RecurrentNetwork, ::testing::Values("lstm", "gru", "bigru"),
                         [](const auto& each) { return each.param; });

// torch.nn over packed sequences: states, sentences, and every parameter's gradient.
TEST_P(RecurrentNetwork, EqualsThePythonReferenceInFloat64) {
  const auto encoder =
      filled_encoder("{type: " + GetParam() + ", word_dim: 5, hidden: 4, layers: 2, learned_initial_state: true}");
  encoder->want_local(true);
  const Encoded out = encoder->forward(tokens(), lengths());
  EXPECT_THAT(out.global, TensorNear(golden_text().tensors.at(GetParam() + ".global")));
  EXPECT_THAT(out.local, TensorNear(golden_text().tensors.at(GetParam() + ".local")));
  (out.global * formula_centred(out.global.sizes(), 98)).sum().backward();
  EXPECT_EQ(encoder->named_parameters().size(), GetParam() == "lstm" ? 11u : GetParam() == "gru" ? 10u : 18u);
  for (const auto& each : encoder->named_parameters()) {
    SCOPED_TRACE(each.key());
    EXPECT_THAT(each.value().grad(),
                TensorNear(golden_text().tensors.at(GetParam() + ".grad." + each.key()), 1e-9, 1e-12));
  }
}

TEST(Lstm, TakesTheLastRealState) {
  const auto encoder = filled_encoder("{type: lstm, word_dim: 3, hidden: 4}");
  encoder->want_local(true);
  const Encoded out = encoder->forward(tokens(), lengths());
  for (int64_t row = 0; row < 3; ++row)
    EXPECT_THAT(out.global[row], TensorNear(out.local[row][lengths()[row].item<int64_t>() - 1]));
}

TEST(BiGru, AveragesTheDirectionsWordByWord) {
  const auto mean = filled_encoder("{type: bigru, word_dim: 3, hidden: 4, pool: max}");
  const auto both = filled_encoder("{type: bigru, word_dim: 3, hidden: 4, directions: concat}");
  mean->want_local(true);
  both->want_local(true);
  const at::Tensor states = both->forward(tokens(), lengths()).local;  // [3, 6, 8]
  const at::Tensor averaged = (states.slice(2, 0, 4) + states.slice(2, 4)) / 2;
  const Encoded out = mean->forward(tokens(), lengths());
  EXPECT_EQ(mean->features(), 4);
  EXPECT_EQ(both->features(), 8);
  EXPECT_THAT(out.local, TensorNear(averaged));
  EXPECT_THAT(out.global[0], TensorNear(averaged[0].amax(0))) << "the maximum of averages, not the average of maxima";
}

// `last` is where each direction has read everything: the last word forwards, the first backwards.
TEST(BiGru, LastAveragesTheEndsOfBothDirections) {
  const auto mean = filled_encoder("{type: bigru, word_dim: 3, hidden: 4, pool: last}");
  const auto both = filled_encoder("{type: bigru, word_dim: 3, hidden: 4, pool: last, directions: concat}");
  const at::Tensor ends = both->forward(tokens(), lengths()).global;
  EXPECT_THAT(mean->forward(tokens(), lengths()).global, TensorNear((ends.slice(1, 0, 4) + ends.slice(1, 4)) / 2));
  both->want_local(true);
  const at::Tensor states = both->forward(tokens(), lengths()).local;
  EXPECT_THAT(ends[2], TensorNear(at::cat({states[2][3].slice(0, 0, 4), states[2][0].slice(0, 4)})));
}

// A word's weight must be one for the whole of its state, forwards and backwards.
TEST(BiLstm, AttentionWeighsWords) {
  const auto encoder = filled_encoder("{type: bilstm, word_dim: 3, hidden: 2, pool: attention}");
  encoder->want_local(true);
  const Encoded out = encoder->forward(tokens(), lengths());
  const auto parameters = encoder->named_parameters();
  const at::Tensor hidden =
      at::linear(out.local, parameters["pool.project.weight"], parameters["pool.project.bias"]).tanh();
  const at::Tensor score = at::linear(hidden, parameters["pool.score.weight"]).squeeze(2);
  const at::Tensor weights = score.masked_fill(~out.mask, -1e30).softmax(1);
  EXPECT_THAT(out.global, TensorNear(at::einsum("bl,blc->bc", {weights, out.local})));
}

}  // namespace
}  // namespace diptych::testing

#include "model/text_resnet.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <numeric>

#include "../../support/tensor_near.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/core/tensor/scope.h"
#include "text_encoder_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

const char* const kSmallNet = "{type: text_resnet, word_dim: 5, width: 0.03125, length: 8, ";

TEST(TextResNet, HasThePublishedBlocks) {
  const auto encoder = text_encoder("{type: text_resnet, length: 32}");
  encoder->want_local(true);
  const EvalScope scope(*encoder);
  const Encoded out = encoder->forward(tokens(), lengths());
  EXPECT_EQ(encoder->features(), 2048);
  EXPECT_EQ(out.local.sizes(), (at::IntArrayRef{3, 8, 2048}));
  const auto parameters = encoder->named_parameters();
  EXPECT_EQ(parameters["blocks.0.conv1.weight"].sizes(), (at::IntArrayRef{128, 300, 1}));
  EXPECT_EQ(parameters["blocks.0.downsample.0.weight"].sizes(), (at::IntArrayRef{256, 300, 1}));
  EXPECT_EQ(parameters["blocks.3.conv2.weight"].sizes(), (at::IntArrayRef{512, 512, 2}));
  EXPECT_EQ(parameters["blocks.12.conv3.weight"].sizes(), (at::IntArrayRef{1024, 256, 1}));
  EXPECT_EQ(parameters["blocks.13.downsample.0.weight"].sizes(), (at::IntArrayRef{2048, 1024, 1}));
  EXPECT_FALSE(parameters.contains("blocks.14.conv1.weight"));
  // a block: convolutions in inner + 2 inner^2 + inner out (+ in out), BN 4 inner + 2 out (+ 2 out)
  EXPECT_EQ(std::accumulate(parameters.begin(), parameters.end(), int64_t{0},
                            [](int64_t sum, const auto& each) { return sum + each.value().numel(); }),
            13 * 300 + 2 * 300 + 26'102'784);
}

// PyTorch, in float64, on [B, C, 1, places] with two-dimensional kernels: training with gradients, and evaluation.
TEST(TextResNet, EqualsThePythonReferenceInFloat64) {
  const TensorFile golden = read_safetensors(std::string(DIPTYCH_GOLDEN_DIR) + "/text_encoders.safetensors");
  const auto encoder = filled_encoder(concat(kSmallNet, "shift: false}"));
  const auto everywhere = filled_encoder(concat(kSmallNet, "test_shifts: all}"));
  {
    const EvalScope first(*encoder), all(*everywhere);
    EXPECT_THAT(encoder->forward(tokens(), lengths()).global,
                TensorNear(golden.tensors.at("text_resnet.eval"), 1e-10, 1e-10));
    EXPECT_THAT(everywhere->forward(tokens(), lengths()).global,
                TensorNear(golden.tensors.at("text_resnet.eval_all"), 1e-10, 1e-10));
  }
  const at::Tensor out = encoder->forward(tokens(), lengths()).global;
  EXPECT_THAT(out, TensorNear(golden.tensors.at("text_resnet.train"), 1e-10, 1e-10));
  (out * formula_centred(out.sizes(), 98)).sum().backward();
  std::map<std::string, double> probes;
  for (const auto& each : encoder->named_parameters()) probes[each.key()] = formula_probe(each.value().grad());
  std::vector<double> values;
  for (const auto& [name, probe] : probes) values.push_back(probe);
  EXPECT_THAT(torch::tensor(values, at::kDouble), TensorNear(golden.tensors.at("text_resnet.grad_probe"), 1e-7, 1e-9));
}

TEST(TextResNet, ShiftsEachTextByItselfInTrainingOnly) {
  const auto encoder = text_encoder("{type: text_resnet, word_dim: 5, width: 0.02, length: 8}");
  const auto run = [&](uint64_t seed) {
    torch::manual_seed(seed);
    return encoder->forward(tokens(), lengths()).global.detach();
  };
  EXPECT_TRUE(run(1).equal(run(1))) << "torch's generator decides, so that a resumed run repeats a straight one";
  EXPECT_FALSE(run(1).equal(run(2)));
  encoder->eval();
  EXPECT_TRUE(run(1).equal(run(2)));
}

// With single words in eight places, every start from 0 to 7 occurs, about equally often; a full text never moves.
TEST(TextResNet, StartsAreUniformAndTextsStayWhole) {
  torch::manual_seed(3);
  const auto encoder = text_encoder("{type: text_resnet, word_dim: 5, width: 0.02, length: 8}");
  encoder->want_local(true);
  const int64_t many = 4000;
  const at::Tensor words = at::full({many, 8}, 3, at::kLong);
  const at::Tensor one = encoder->forward(words, at::ones({many}, at::kLong)).mask.to(at::kFloat).mean(0);
  EXPECT_NEAR(one[0].item<double>(), 0.5, 0.05);
  EXPECT_NEAR(one.sum().item<double>(), 1, 1e-6) << "a word left the places";
  const at::Tensor full = encoder->forward(words, at::full({many}, 8, at::kLong)).mask;
  EXPECT_TRUE(full.all().item<bool>());
  const at::Tensor seven = encoder->forward(words, at::full({many}, 7, at::kLong)).global;
  const at::Tensor elsewhere = (seven - seven[0]).abs().amax(1) > 1e-3;
  EXPECT_NEAR(elsewhere.to(at::kFloat).mean().item<double>(), 0.5, 0.05) << "seven words fit at two starts";
}

TEST(TextResNet, AllShiftsAreTheMeanOverStarts) {
  const auto everywhere = filled_encoder(concat(kSmallNet, "test_shifts: all}"));
  const auto first = filled_encoder(concat(kSmallNet, "test_shifts: first}"));
  const EvalScope scope(*everywhere), other(*first);
  const at::Tensor out = everywhere->forward(tokens(), lengths()).global;
  at::Tensor sum = at::zeros_like(out[2]);
  for (int64_t start = 0; start <= 4; ++start) {  // four words in eight places; word 0 before them is padding
    at::Tensor placed = at::zeros({1, 8}, at::kLong);
    placed[0].slice(0, start, start + 4).copy_(tokens()[2].slice(0, 0, 4));
    sum += first->forward(placed, torch::tensor({8}, at::kLong)).global[0];
  }
  EXPECT_THAT(out[2], TensorNear(sum / 5));
}

TEST(TextResNet, OneViewIsTheFirstStart) {
  const auto everywhere = filled_encoder(concat(kSmallNet, "test_shifts: all}"));
  const auto first = filled_encoder(concat(kSmallNet, "test_shifts: first}"));
  const EvalScope scope(*everywhere), other(*first);
  const at::Tensor mean = everywhere->forward(tokens(), lengths()).global;
  everywhere->want_one_view(true);
  const at::Tensor one = everywhere->forward(tokens(), lengths()).global;
  EXPECT_THAT(one, TensorNear(first->forward(tokens(), lengths()).global));
  EXPECT_GT((one - mean).abs().max().item<double>(), 1e-3);
  everywhere->want_one_view(false);
  EXPECT_THAT(everywhere->forward(tokens(), lengths()).global, TensorNear(mean));
}

TEST(TextResNet, ReadsTheFirstWordsOfALongText) {
  const auto encoder = filled_encoder("{type: text_resnet, word_dim: 5, width: 0.02, length: 4}");
  const EvalScope scope(*encoder);
  EXPECT_THAT(encoder->forward(tokens(), lengths()).global[0],
              TensorNear(encoder->forward(tokens().slice(1, 0, 4), torch::tensor({4, 1, 4}, at::kLong)).global[0]));
}

TEST(TextResNet, WhereWordsStandCounts) {
  const auto encoder = filled_encoder(concat(kSmallNet, "shift: false}"));
  const EvalScope scope(*encoder);
  const at::Tensor there = torch::tensor({{3, 7, 0, 0}, {0, 3, 7, 0}}, at::kLong);
  const at::Tensor out = encoder->forward(there, torch::tensor({4, 4}, at::kLong)).global;
  EXPECT_GT((out[0] - out[1]).abs().max().item<double>(), 1e-3);
}

TEST(TextResNet, BlocksPassTheirInputOnAtFirstIfAskedTo) {
  for (const bool zero_init : {false, true}) {
    torch::manual_seed(4);
    const auto encoder = text_encoder(concat(kSmallNet, "zero_init: ", zero_init ? "true}" : "false}"));
    const EvalScope scope(*encoder);
    const at::Tensor before = encoder->forward(tokens(), lengths()).global;
    const at::NoGradGuard no_grad;
    for (auto& each : encoder->named_parameters())
      if (each.key().ends_with("conv3.weight")) each.value().mul_(-2);
    EXPECT_EQ(encoder->forward(tokens(), lengths()).global.equal(before), zero_init);
  }
}

TEST(TextResNet, RefusesALengthThatItsStridesDoNotDivide) {
  EXPECT_THAT([] { text_encoder("{type: text_resnet, length: 30}"); },
              ThrowsMessage<UsageError>(HasSubstr("length = 30: expected a multiple of 4")));
}

}  // namespace
}  // namespace diptych::testing

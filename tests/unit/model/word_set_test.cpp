#include "model/word_set.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "../../support/tensor_near.h"
#include "diptych/core/tensor/scope.h"
#include "text_encoder_fixture.h"

namespace diptych::testing {
namespace {

TEST(WordMean, AveragesTheRealWordsVectors) {
  const auto encoder = text_encoder("{type: word_mean, word_dim: 4}");
  const at::Tensor table = encoder->named_parameters()["embedding.weight"];
  const at::Tensor out = encoder->forward(tokens(), lengths()).global;
  EXPECT_THAT(out[1], TensorNear(table[5]));
  EXPECT_THAT(out[2], TensorNear((2 * table[2] + table[11] + table[6]) / 4));
}

// Word by word, as the formula says.
TEST(WordAttention, WeighsWordsByTheirMeanAndThemselves) {
  const auto encoder = filled_encoder("{type: word_attention, word_dim: 4}");
  const auto parameters = encoder->named_parameters();
  const at::Tensor table = parameters["embedding.weight"], w = parameters["attention.weight"][0],
                   b = parameters["attention.bias"][0];
  const at::Tensor out = encoder->forward(tokens(), lengths()).global;
  for (int64_t row = 0; row < 3; ++row) {
    const int64_t length = lengths()[row].item<int64_t>();
    at::Tensor context = at::zeros({4}, at::kDouble), sum = context.clone(), total = at::zeros({}, at::kDouble);
    for (int64_t i = 0; i < length; ++i) context += table[tokens()[row][i].item<int64_t>()] / length;
    for (int64_t i = 0; i < length; ++i) {
      const at::Tensor word = table[tokens()[row][i].item<int64_t>()];
      const at::Tensor weight = ((at::cat({context, word}) * w).sum() + b).clamp_min(0).exp();
      sum = sum + weight * word, total = total + weight;
    }
    EXPECT_THAT(out[row], TensorNear(sum / total));
  }
}

TEST(WordAttention, OrderDoesNotCount) {
  const auto encoder = filled_encoder("{type: word_attention, word_dim: 4}");
  const at::Tensor turned = torch::tensor({{9, 3, 1, 12, 7, 3}, {5, 0, 0, 0, 0, 0}, {6, 11, 2, 2, 0, 0}}, at::kLong);
  EXPECT_THAT(encoder->forward(turned, lengths()).global, TensorNear(encoder->forward(tokens(), lengths()).global));
}

}  // namespace
}  // namespace diptych::testing

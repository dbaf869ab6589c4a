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

/// Three captions of the fixture and three more, so that they span more than two axes.
FittedText::Captions six_captions() {
  return [](const auto& visit) {
    visit(tokens(), lengths());
    visit(torch::tensor({{5, 6, 0}, {7, 8, 9}, {10, 0, 0}}, at::kLong), torch::tensor({2, 3, 1}, at::kLong));
  };
}

// Against the eigenvectors of the covariance of the plain means.
TEST(WordMean, WithPcaGivesPrincipalComponentsOfTheMeans) {
  const auto plain = text_encoder("{type: word_mean, word_dim: 4}");
  const auto reduced = text_encoder("{type: word_mean, word_dim: 4, pca: 2}");
  const at::NoGradGuard no_grad;
  reduced->named_parameters()["embedding.weight"].copy_(plain->named_parameters()["embedding.weight"]);
  auto& fitting = dynamic_cast<FittedText&>(*reduced);
  EXPECT_TRUE(fitting.needs_fit());
  EXPECT_FALSE(fitting.fitted());
  fitting.fit(six_captions(), 1);
  EXPECT_TRUE(fitting.fitted());
  std::vector<at::Tensor> blocks;
  six_captions()([&](const at::Tensor& words, const at::Tensor& length) {
    blocks.push_back(plain->forward(words, length).global.to(at::kDouble));
  });
  const at::Tensor rows = at::cat(blocks), centred = rows - rows.mean(0);
  const at::Tensor axes = std::get<1>(at::linalg_eigh(centred.t().mm(centred))).flip({1}).slice(1, 0, 2);
  const at::Tensor found = reduced->forward(tokens(), lengths()).global.to(at::kDouble);
  EXPECT_EQ(found.size(1), reduced->features());
  EXPECT_THAT(found.abs(), TensorNear(centred.slice(0, 0, 3).mm(axes).abs(), 1e-4, 1e-6));  // an axis has no sign
}

TEST(WordMean, IsFittedOnlyWithPca) {
  const auto plain = text_encoder("{type: word_mean, word_dim: 4}");
  EXPECT_FALSE(dynamic_cast<FittedText&>(*plain).needs_fit());
  EXPECT_TRUE(dynamic_cast<FittedText&>(*plain).fitted());
  EXPECT_THROW(text_encoder("{type: word_mean, word_dim: 4, pca: 5}"), UsageError);
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

#include "model/word_set.h"

#include <torch/torch.h>

#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

// words [B, L, E] with zeros at padding, as local features.
Encoded encoded(at::Tensor global, const at::Tensor& words, const at::Tensor& mask, bool local) {
  if (!local) return {std::move(global), {}, {}};
  return {std::move(global), words.masked_fill(~mask.unsqueeze(2), 0), mask};
}

}  // namespace

WordMean::WordMean(const Options& options, const TextContext& context)
    : WordEncoder(options, context),
      pool_(register_module("pool", std::make_shared<Pool>(options.pool, options.pooling, options.word_dim))) {
  if (options.pca)
    pca_ = register_module("pca",
                           std::make_shared<FeaturePca>("word_mean", pool_->features(options.word_dim), *options.pca));
}

Encoded WordMean::encode(const at::Tensor& words, const at::Tensor& length) {
  const at::Tensor input = drop_input(words), mask = real_words(length, words.size(1));
  at::Tensor sentence = pool_->forward(input, mask);
  if (pca_) {
    const Fp32Scope full_precision(sentence.device().type());
    sentence = pca_->forward(sentence.to(pca_->axes().scalar_type()));
  }
  return encoded(std::move(sentence), input, mask, local_);
}

void WordMean::fit(const Captions& captions, uint64_t seed) {
  if (!pca_) return;
  const at::NoGradGuard no_grad;
  pca_->fit(
      [&](const auto& visit) {
        captions([&](const at::Tensor& tokens, const at::Tensor& length) {
          visit(pool_->forward(embed_words(tokens), real_words(length, tokens.size(1))));
        });
      },
      seed);
}

PythonPiece WordMean::python() const {
  PythonPiece piece = pool_->python();
  piece.definitions.push_back(R"py(class WordMean(nn.Module):
    """tokens [B, L] (0 = padding), length [B] -> sentences [B, F]: word vectors, pooled over the real words."""

    def __init__(self, words, word_dim, pool, features, pca):
        super().__init__()
        self.embedding = nn.Embedding(words, word_dim, padding_idx=0)
        self.pool = pool
        if pca:
            self.pca = FeaturePca(features, pca)

    def forward(self, tokens, length):
        real = torch.arange(tokens.size(1), device=tokens.device) < length.to(tokens.device)[:, None]
        sentence = self.pool(self.embedding(tokens), real)
        return self.pca(sentence) if hasattr(self, "pca") else sentence
)py");
  if (pca_) piece.definitions.insert(piece.definitions.begin(), feature_pca_python());
  piece.expression = concat("WordMean(words=", vocabulary(), ", word_dim=", word_dim(), ", pool=", piece.expression,
                            ", features=", pool_->features(word_dim()), ", pca=", pca_ ? features() : 0, ")");
  return piece;
}

WordAttention::WordAttention(const Options& options, const TextContext& context)
    : WordEncoder(options, context),
      attention_(register_module("attention", torch::nn::Linear(2 * options.word_dim, 1))) {}

Encoded WordAttention::encode(const at::Tensor& words, const at::Tensor& length) {
  const Fp32Scope fp32(words.device().type());
  const at::Tensor mask = real_words(length, words.size(1)), padded = ~mask.unsqueeze(2);  // [B, L], [B, L, 1]
  const at::Tensor input = drop_input(words).masked_fill(padded, 0);
  const at::Tensor context = input.sum(1, /*keepdim=*/true) / mask.sum(1).view({-1, 1, 1});
  const at::Tensor score = attention_->forward(at::cat({context.expand_as(input), input}, 2)).relu();
  const at::Tensor weights = score.masked_fill(padded, -std::numeric_limits<double>::infinity()).softmax(1);
  return encoded((weights * input).sum(1), input, mask, local_);
}

PythonPiece WordAttention::python() const {
  return {{R"py(class WordAttention(nn.Module):
    """tokens [B, L] (0 = padding), length [B] -> sentences [B, E]: a weighted mean of the real words' vectors."""

    def __init__(self, words, word_dim):
        super().__init__()
        self.embedding = nn.Embedding(words, word_dim, padding_idx=0)
        self.attention = nn.Linear(2 * word_dim, 1)

    def forward(self, tokens, length):
        length = length.to(tokens.device)
        padded = (torch.arange(tokens.size(1), device=tokens.device) >= length[:, None])[:, :, None]
        words = self.embedding(tokens).masked_fill(padded, 0)
        context = words.sum(1, keepdim=True) / length[:, None, None]
        score = self.attention(torch.cat([context.expand_as(words), words], 2)).relu()
        return (score.masked_fill(padded, -torch.inf).softmax(1) * words).sum(1)
)py"},
          concat("WordAttention(words=", vocabulary(), ", word_dim=", word_dim(), ")")};
}

}  // namespace diptych

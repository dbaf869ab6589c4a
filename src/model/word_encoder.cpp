#include "model/word_encoder.h"

#include <torch/torch.h>

#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr int64_t kPadding = 0, kUnknown = 1;

void initialise_words(at::Tensor words, WordInit how, const at::Tensor& vectors, double scale) {
  const at::NoGradGuard no_grad;
  if (how == WordInit::xavier)
    torch::nn::init::xavier_uniform_(words);
  else if (how == WordInit::normal)
    words.normal_(0, 0.1);
  else
    words.uniform_(-0.1, 0.1);
  if (vectors.defined()) {
    const at::Tensor filled = words.slice(1, 0, vectors.size(1));
    filled.copy_(at::where((vectors != 0).any(1, true), scale * vectors.to(words.options()), filled));
  }
  words[kPadding].zero_();
}

void check_vectors(const TextContext& context, int64_t word_dim) {
  const at::Tensor& vectors = context.word_vectors;
  if (!vectors.defined()) return;
  if (vectors.dim() != 2 || vectors.size(0) != context.vocabulary_size)
    throw ShapeError(
        concat("text encoder: word vectors ", vectors.sizes(), " for a vocabulary of ", context.vocabulary_size));
  if (vectors.size(1) > word_dim)
    throw UsageError(
        "",
        concat("text encoder: word_dim is ", word_dim, ", but the word vectors have ", vectors.size(1), " dimensions"),
        concat("set model.text.word_dim=", vectors.size(1), ", or use other vectors"));
}

}  // namespace

WordEncoder::WordEncoder(const WordOptions& options, const TextContext& context)
    : input_dropout_(options.input_dropout), word_dropout_(options.word_dropout) {
  check_vectors(context, options.word_dim);
  const auto embedding = register_module("embedding", std::make_shared<torch::nn::Module>());
  words_ = embedding->register_parameter("weight", at::empty({context.vocabulary_size, options.word_dim}));
  initialise_words(words_, options.word_init, context.word_vectors, options.vector_scale);
}

void WordEncoder::check_text(const at::Tensor& tokens, const at::Tensor& length) {
  if (tokens.dim() != 2 || length.dim() != 1 || tokens.size(0) != length.size(0) || tokens.numel() == 0)
    throw ShapeError(concat("text encoder: tokens ", tokens.sizes(), " and length ", length.sizes(),
                            ", needed are [B, L] and [B] with B and L at least 1"));
  if (tokens.scalar_type() != at::kLong || length.scalar_type() != at::kLong)
    throw ShapeError(concat("text encoder: tokens are ", tokens.scalar_type(), ", lengths ", length.scalar_type(),
                            ", needed is int64"));
  if (!length.is_cpu()) return;  // a look at the values would wait for the device
  const int64_t least = length.min().item<int64_t>(), most = length.max().item<int64_t>();
  if (least < 1 || most > tokens.size(1))
    throw ShapeError(concat("text encoder: lengths ", least, " to ", most, ", needed are 1 to ", tokens.size(1)));
}

at::Tensor WordEncoder::drop_words(const at::Tensor& tokens) const {
  if (!is_training() || word_dropout_ == 0) return tokens;
  const at::Tensor dropped = at::rand(tokens.sizes(), words_.options()) < word_dropout_;
  return tokens.masked_fill(dropped & (tokens != kPadding), kUnknown);
}

at::Tensor WordEncoder::drop_input(const at::Tensor& words) const {
  return at::dropout(words, input_dropout_, is_training());
}

Encoded WordEncoder::forward(const at::Tensor& tokens, const at::Tensor& length) {
  check_text(tokens, length);
  return encode(embed_words(drop_words(tokens).t().contiguous()).transpose(0, 1), length);
}

at::Tensor WordEncoder::embed_words(const at::Tensor& tokens) { return at::embedding(words_, tokens, kPadding); }

at::Tensor real_words(const at::Tensor& length, int64_t steps) {
  return at::arange(steps, length.options()) < length.unsqueeze(1);
}

}  // namespace diptych

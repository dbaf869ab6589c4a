#include "model/hglmm.h"

#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/log.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"
#include "model/fitted_text.h"

namespace diptych {
namespace {

void check_vectors_fit(const at::Tensor& vectors, int64_t vocabulary, int64_t word_dim) {
  if (vectors.dim() != 2 || vectors.size(0) != vocabulary)
    throw ShapeError(concat("hglmm: word vectors ", vectors.sizes(), " for a vocabulary of ", vocabulary));
  if (vectors.size(1) != word_dim)
    throw UsageError(
        "", concat("model.text.word_dim is ", word_dim, ", the word vectors have ", vectors.size(1), " dimensions"),
        concat("set model.text.word_dim=", vectors.size(1)));
}

// [..., E] -> [...] bool: a word without a vector is all zeros.
at::Tensor has_vector(const at::Tensor& words) { return (words != 0).any(-1); }

}  // namespace

Hglmm::Hglmm(const Options& options, const TextContext& context) : options_(options) {
  const int64_t components = options.components, width = options.word_dim;
  words_ = register_buffer("words", at::zeros({context.vocabulary_size, width}));
  if (context.word_vectors.defined()) {
    check_vectors_fit(context.word_vectors, context.vocabulary_size, width);
    words_.copy_(context.word_vectors);
    words_[0].zero_();  // padding
  }
  const auto mixture = register_module("mixture", std::make_shared<torch::nn::Module>());
  mixture_.weight =
      mixture->register_buffer("weight", at::full({components}, 1. / static_cast<double>(components), at::kFloat));
  mixture_.location = mixture->register_buffer("location", at::zeros({components, width}));
  mixture_.scale = mixture->register_buffer("scale", at::ones({components, width}));
  mixture_.laplacian = mixture->register_buffer("laplacian", at::zeros({components, width}));
  if (options.pca)
    pca_ = register_module("pca", std::make_shared<FeaturePca>("hglmm", 2 * components * width, *options.pca));
}

at::Tensor Hglmm::embed_words(const at::Tensor& tokens) { return at::embedding(words_, tokens); }

at::Tensor Hglmm::fisher(const at::Tensor& words, const at::Tensor& length) const {
  return fisher_vectors(mixture_, words, fitted_text::mask(length, words.size(1)) & has_vector(words));
}

Encoded Hglmm::forward(const at::Tensor& tokens, const at::Tensor& length) {
  fitted_text::check("hglmm", tokens, length);
  return encode_words(embed_words(tokens), length);
}

Encoded Hglmm::encode_words(const at::Tensor& words, const at::Tensor& length) {
  const Fp32Scope full_precision(words.device().type());
  Encoded out;
  out.global = fisher(words, length);
  if (pca_) out.global = pca_->forward(out.global);
  if (!local_) return out;
  out.mask = fitted_text::mask(length, words.size(1));
  const at::Tensor each = fisher_vectors(mixture_, words.flatten(0, 1).unsqueeze(1),
                                         (out.mask & has_vector(words)).flatten().unsqueeze(1));  // every word alone
  out.local = (pca_ ? pca_->parts(each) : each).view({words.size(0), words.size(1), -1});
  return out;
}

bool Hglmm::fitted() const { return mixture_.location.any().item<bool>() && (!pca_ || pca_->fitted()); }

void Hglmm::check_fit() const {
  if (!words_.any().item<bool>())
    throw UsageError("", "model.text: hglmm is a mixture over word vectors, and there are none",
                     "data.text.word_vectors: FILE (GloVe or word2vec text), and model.text.word_dim as it has them");
}

void Hglmm::fit(const Captions& captions, uint64_t seed) {
  check_fit();
  const at::NoGradGuard no_grad;
  const at::Tensor table = words_.cpu();
  const at::Tensor counts = fitted_text::count(captions, table.size(0)).words * has_vector(table);
  const FittedMixture found = fit_mixture(table, counts, options_, seed);
  log::info(concat(
      "hglmm: ", found.log_likelihood.size() - 1, " steps of expectation maximisation, mean log likelihood ",
      found.log_likelihood.front(), " -> ", found.log_likelihood.back(), "; ",
      static_cast<int64_t>(100 * found.mixture.laplacian.mean().item<double>()), " % of the dimensions are Laplacian"));
  mixture_.weight.copy_(found.mixture.weight);
  mixture_.location.copy_(found.mixture.location);
  mixture_.scale.copy_(found.mixture.scale);
  mixture_.laplacian.copy_(found.mixture.laplacian);
  if (!pca_) return;
  pca_->fit(
      [&](const auto& visit) {
        captions(
            [&](const at::Tensor& tokens, const at::Tensor& length) { visit(fisher(embed_words(tokens), length)); });
      },
      seed);
}

PythonPiece Hglmm::python() const {
  const std::string definition = R"py(class Hglmm(nn.Module):
    def __init__(self, words, word_dim, components, pca):
        super().__init__()
        self.register_buffer("words", torch.zeros(words, word_dim))
        self.mixture = nn.Module()
        self.mixture.register_buffer("weight", torch.full((components,), 1 / components))
        self.mixture.register_buffer("location", torch.zeros(components, word_dim))
        self.mixture.register_buffer("scale", torch.ones(components, word_dim))
        self.mixture.register_buffer("laplacian", torch.zeros(components, word_dim))
        if pca:
            self.pca = FeaturePca(2 * components * word_dim, pca)

    def forward(self, tokens, length):
        m, words = self.mixture, self.words[tokens]  # [B, L, E]
        real = torch.arange(tokens.size(1), device=tokens.device) < length.to(tokens.device)[:, None]
        real = (real & (words != 0).any(-1)).float()
        standard, joint = [], []
        for k in range(m.weight.size(0)):
            z, laplacian = (words - m.location[k]) / m.scale[k], m.laplacian[k] > 0.5
            norm = torch.where(laplacian, (2 * m.scale[k]).log(), m.scale[k].log() + 0.5 * math.log(2 * math.pi)).sum()
            joint.append(-torch.where(laplacian, z.abs(), 0.5 * z.square()).sum(-1) - norm)
            slope = torch.where(laplacian, z.sign(), z), torch.where(laplacian, z.abs(), z.square()) - 1
            standard.append(slope)
        share = (torch.stack(joint, -1) + m.weight.log()).softmax(-1)
        share = share * (real / real.sum(1, keepdim=True).clamp(min=1))[:, :, None]
        weight = m.weight.clamp(min=1e-12)[:, None]
        location, scale = (
            torch.stack([(share[:, :, k, None] * each[i]).sum(1) for k, each in enumerate(standard)], 1) for i in (0, 1)
        )
        information = torch.where(m.laplacian > 0.5, weight, 2 * weight)
        x = torch.cat([(location * weight.rsqrt()).flatten(1), (scale * information.rsqrt()).flatten(1)], 1)
        x = x * (x.abs() + 1e-12).rsqrt()
        norm = x.norm(dim=1, keepdim=True)
        x = torch.where(norm > 1e-8, x / norm.clamp(min=1e-8), torch.zeros_like(x))
        return self.pca(x) if hasattr(self, "pca") else x
)py";
  return PythonPiece{{"import math\n", feature_pca_python(), definition},
                     concat("Hglmm(words=", words_.size(0), ", word_dim=", options_.word_dim,
                            ", components=", options_.components, ", pca=", options_.pca.value_or(0), ")")};
}

}  // namespace diptych

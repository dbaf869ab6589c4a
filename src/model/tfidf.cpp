#include "model/tfidf.h"

#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/tensor/rows.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"
#include "model/fitted_text.h"

namespace diptych {
namespace {

constexpr int64_t kFirstWord = 4;  // after padding, <unk>, <start>, <end>

}  // namespace

TfIdf::TfIdf(const Options& options, const TextContext& context)
    : options_(options), idf_(register_buffer("idf", at::zeros({context.vocabulary_size}))) {
  if (options.pca)
    pca_ = register_module("pca", std::make_shared<FeaturePca>("tfidf", context.vocabulary_size, *options.pca));
}

at::Tensor TfIdf::weighted(const at::Tensor& tokens, const at::Tensor& length) const {
  at::Tensor bag = fitted_text::bags(tokens, length, idf_.size(0)).to(idf_.scalar_type());
  if (options_.sublinear) bag = at::where(bag > 0, 1 + bag.clamp_min(1).log(), bag);
  return unit_rows(bag * idf_);
}

Encoded TfIdf::forward(const at::Tensor& tokens, const at::Tensor& length) {
  fitted_text::check("tfidf", tokens, length);
  const Fp32Scope full_precision(tokens.device().type());
  Encoded out;
  out.global = weighted(tokens, length);
  if (pca_) out.global = pca_->forward(out.global);
  if (!local_) return out;
  out.mask = fitted_text::mask(length, tokens.size(1));
  const at::Tensor idf =
      at::where(out.mask, idf_.index_select(0, tokens.flatten()).view_as(tokens), at::zeros({}, idf_.options()));
  const at::Tensor words =
      pca_ ? pca_->axes().index_select(0, tokens.flatten()).view({tokens.size(0), tokens.size(1), -1})
           : at::one_hot(tokens, idf_.size(0)).to(idf_.scalar_type());
  out.local = words * idf.unsqueeze(2);
  return out;
}

bool TfIdf::fitted() const { return idf_.any().item<bool>() && (!pca_ || pca_->fitted()); }

void TfIdf::fit(const Captions& captions, uint64_t seed) {
  const at::NoGradGuard no_grad;
  const fitted_text::WordCounts counts = fitted_text::count(captions, idf_.size(0));
  if (counts.total_captions == 0) throw DataError("", "tfidf: there is no training caption");
  at::Tensor idf = ((1. + static_cast<double>(counts.total_captions)) / (1 + counts.captions)).log() + 1;
  idf.slice(0, 0, kFirstWord).zero_();
  idf_.copy_(idf);
  if (!pca_) return;
  pca_->fit(
      [&](const auto& visit) {
        captions([&](const at::Tensor& tokens, const at::Tensor& length) { visit(weighted(tokens, length)); });
      },
      seed);
}

PythonPiece TfIdf::python() const {
  const std::string definition = R"py(class TfIdf(nn.Module):
    def __init__(self, words, sublinear, pca):
        super().__init__()
        self.register_buffer("idf", torch.zeros(words))
        self.sublinear = sublinear
        if pca:
            self.pca = FeaturePca(words, pca)

    def forward(self, tokens, length):
        real = (torch.arange(tokens.size(1), device=tokens.device) < length.to(tokens.device)[:, None]).float()
        bag = torch.zeros(tokens.size(0), self.idf.size(0), device=tokens.device).scatter_add(1, tokens, real)
        if self.sublinear:
            bag = torch.where(bag > 0, 1 + bag.clamp(min=1).log(), bag)
        x = bag * self.idf
        norm = x.norm(dim=1, keepdim=True)
        x = torch.where(norm > 1e-8, x / norm.clamp(min=1e-8), torch.zeros_like(x))
        return self.pca(x) if hasattr(self, "pca") else x
)py";
  return PythonPiece{{feature_pca_python(), definition},
                     concat("TfIdf(words=", idf_.size(0), ", sublinear=", options_.sublinear ? "True" : "False",
                            ", pca=", options_.pca.value_or(0), ")")};
}

}  // namespace diptych

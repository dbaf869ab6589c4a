#include "model/fitted_text.h"

#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych::fitted_text {

void check(const char* who, const at::Tensor& tokens, const at::Tensor& length) {
  if (tokens.dim() != 2 || length.dim() != 1 || tokens.size(0) != length.size(0) || tokens.numel() == 0 ||
      tokens.scalar_type() != at::kLong || length.scalar_type() != at::kLong)
    throw ShapeError(concat(who, ": tokens ", tokens.scalar_type(), " ", tokens.sizes(), " and length ",
                            length.scalar_type(), " ", length.sizes(), ", needed are int64 [B, L] and [B]"));
  if (!length.is_cpu()) return;  // a look at the values would wait for the device
  const int64_t least = length.min().item<int64_t>(), most = length.max().item<int64_t>();
  if (least < 1 || most > tokens.size(1))
    throw ShapeError(concat(who, ": lengths ", least, " to ", most, ", needed are 1 to ", tokens.size(1)));
}

at::Tensor mask(const at::Tensor& length, int64_t steps) {
  return at::arange(steps, length.options()).unsqueeze(0) < length.unsqueeze(1);
}

at::Tensor bags(const at::Tensor& tokens, const at::Tensor& length, int64_t vocabulary) {
  const at::Tensor real = mask(length, tokens.size(1)).to(at::kFloat);
  return at::zeros({tokens.size(0), vocabulary}, real.options()).scatter_add_(1, tokens, real);
}

WordCounts count(const FittedText::Captions& captions, int64_t vocabulary) {
  const at::NoGradGuard no_grad;
  WordCounts counts{at::zeros({vocabulary}, at::kDouble), at::zeros({vocabulary}, at::kDouble), 0};
  captions([&](const at::Tensor& tokens, const at::Tensor& length) {
    const at::Tensor bag = bags(tokens.cpu(), length.cpu(), vocabulary);
    counts.words.add_(bag.sum(0, false, at::kDouble));
    counts.captions.add_((bag > 0).sum(0));
    counts.total_captions += tokens.size(0);
  });
  return counts;
}

}  // namespace diptych::fitted_text

#include "model/composer_mrn.h"

#include <torch/torch.h>

#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"
#include "model/composer_support.h"

namespace diptych {

class MrnComposer::Block : public torch::nn::Module {
 public:
  Block(const Options& options, int64_t dimension) : order_(options.order), dropout_(options.dropout) {
    const auto fc = [&](const char* name) { return register_module(name, torch::nn::Linear(dimension, dimension)); };
    text_ = fc("text"), image1_ = fc("image1"), image2_ = fc("image2");
    if (order_ == MrnOrder::fc_tanh) shortcut_ = fc("shortcut");
  }
  at::Tensor forward(const at::Tensor& x, const at::Tensor& image) {
    const at::Tensor factor = mapped(text_, x) * mapped(image2_, mapped(image1_, image));
    return (shortcut_ ? linear(shortcut_, x) : x) + factor;
  }

 private:
  at::Tensor linear(torch::nn::Linear& fc, const at::Tensor& x) {
    return fc->forward(at::dropout(x, dropout_, is_training()));
  }
  at::Tensor mapped(torch::nn::Linear& fc, const at::Tensor& x) {
    return order_ == MrnOrder::tanh_fc ? linear(fc, x.tanh()) : linear(fc, x).tanh();
  }
  MrnOrder order_;
  double dropout_;
  torch::nn::Linear text_{nullptr}, image1_{nullptr}, image2_{nullptr}, shortcut_{nullptr};
};

MrnComposer::MrnComposer(const Options& options, const ComposerContext& context)
    : dimension_(context.dimension), out_(nullptr) {
  for (int64_t i = 0; i < options.blocks; ++i)
    blocks_.push_back(register_module(concat("block", i), std::make_shared<Block>(options, dimension_)));
  out_ = register_module("out", torch::nn::Linear(dimension_, dimension_));
}

Composed MrnComposer::forward(const ComposerInput& input) {
  const Fp32Scope fp32(input.image.device().type());
  const auto [image, text] = composing::views_of("mrn", input, dimension_);
  at::Tensor x = text;
  for (const auto& block : blocks_) x = block->forward(x, image);
  return {out_->forward(x), {}};
}

}  // namespace diptych

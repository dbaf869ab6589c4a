#include "model/recurrent_stack.h"

#include <torch/torch.h>

#include <optional>

#include "diptych/core/tensor/bf16.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

struct ExchangeRows : torch::autograd::Function<ExchangeRows> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const at::Tensor& index) {
    context->save_for_backward({index});
    return x.index_select(0, index);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradient) {
    return {exchange_rows(gradient[0], context->get_saved_variables()[0]), at::Tensor()};
  }
};

}  // namespace

at::Tensor exchange_rows(const at::Tensor& x, const at::Tensor& index) { return ExchangeRows::apply(x, index); }

at::Tensor mirror_index(const at::Tensor& length, int64_t steps) {
  const int64_t rows = length.size(0);
  const at::Tensor t = at::arange(steps, length.options()).unsqueeze(1), b = at::arange(rows, length.options());
  const at::Tensor index = at::where(t < length, length - 1 - t, t);  // [L, B]
  return (index * rows + b).reshape(-1);
}

at::Tensor mirrored(const at::Tensor& x, const at::Tensor& mirror) {
  return exchange_rows(x.reshape({mirror.size(0), -1}), mirror).view(x.sizes());
}

RecurrentStack::RecurrentStack(const RecurrentShape& shape) : shape_(shape) {
  const int64_t hidden = shape.hidden, gates = shape.cell == Cell::lstm ? 4 : 3;
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));  // torch.nn's
  const auto add = [&](const std::string& name, at::IntArrayRef sizes) {
    return register_parameter(name, at::empty(sizes).uniform_(-bound, bound));
  };
  for (int64_t row = 0; row < directions() * shape.layers; ++row) {
    const std::string end = concat("_l", row / directions(), row % directions() ? "_reverse" : "");
    const int64_t in = row < directions() ? shape.input : directions() * hidden;
    weights_.push_back({add("weight_ih" + end, {gates * hidden, in}), add("weight_hh" + end, {gates * hidden, hidden}),
                        add("bias_ih" + end, {gates * hidden}), add("bias_hh" + end, {gates * hidden})});
    if (shape.cell == Cell::gru) continue;
    const at::NoGradGuard no_grad;
    weights_.back()[2].narrow(0, hidden, hidden).add_(shape.forget_bias);  // gates are stacked i, f, g, o
  }
  if (!shape.learned_state) return;
  h0_ = register_parameter("h0", at::zeros({directions() * shape.layers, hidden}));
  if (shape.cell == Cell::lstm) c0_ = register_parameter("c0", at::zeros({directions() * shape.layers, hidden}));
}

void RecurrentStack::flatten(int64_t row) const {
  const std::array<at::Tensor, 4>& weights = weights_[static_cast<size_t>(row)];
  if (!weights[0].is_cuda() || weights[0].is_alias_of(weights[1]) || !at::_use_cudnn_rnn_flatten_weight()) return;
  constexpr int64_t kLstm = 2, kGru = 3;  // cuDNN's numbers
  const at::NoGradGuard no_grad;
  at::_cudnn_rnn_flatten_weight(weights, /*weight_stride0=*/4, weights[0].size(1),
                                shape_.cell == Cell::gru ? kGru : kLstm, shape_.hidden, /*proj_size=*/0,
                                /*num_layers=*/1, /*batch_first=*/false, /*bidirectional=*/false);
}

at::Tensor RecurrentStack::run(const at::Tensor& words, int64_t row) const {
  flatten(row);
  // cuDNN keeps what backward() needs in training mode only; without dropout the modes are the same.
  const bool train = is_training() || (words.is_cuda() && at::GradMode::is_enabled());
  std::optional<Fp32Scope> fp32;  // without bf16 instructions oneDNN has no bf16 LSTM at all
  if (words.is_cpu() && !cpu_has_bf16()) fp32.emplace(at::kCPU);
  const at::Tensor input = fp32 ? words.to(weights_[row][0].scalar_type()) : words;
  const std::array<int64_t, 3> sizes{1, words.size(1), shape_.hidden};
  const auto initial = [&](const at::Tensor& learned) {
    return learned.defined() ? learned[row].expand(sizes).contiguous() : at::zeros(sizes, weights_[row][0].options());
  };
  const at::Tensor h = initial(h0_);
  if (shape_.cell == Cell::gru)
    return std::get<0>(at::gru(input, h, weights_[row], /*has_biases=*/true, /*num_layers=*/1, /*dropout=*/0, train,
                               /*bidirectional=*/false, /*batch_first=*/false));
  return std::get<0>(at::lstm(input, {h, initial(c0_)}, weights_[row], /*has_biases=*/true, /*num_layers=*/1,
                              /*dropout=*/0, train, /*bidirectional=*/false, /*batch_first=*/false));
}

RecurrentStack::States RecurrentStack::forward(const at::Tensor& words, const at::Tensor& mirror,
                                               double dropout) const {
  const auto dropped = [&](const at::Tensor& states) { return at::dropout(states, dropout, is_training()); };
  at::Tensor input = words;
  for (int64_t layer = 0;; ++layer) {
    States states{dropped(run(input, directions() * layer)), {}};
    if (shape_.both) states.backward = dropped(run(mirrored(input, mirror), directions() * layer + 1));
    if (layer + 1 == shape_.layers) return states;
    input = shape_.both ? at::cat({states.forward, mirrored(states.backward, mirror)}, 2) : states.forward;
  }
}

}  // namespace diptych

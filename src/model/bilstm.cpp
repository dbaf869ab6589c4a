#include "model/bilstm.h"

#include <torch/torch.h>

#include <limits>
#include <optional>

#include "diptych/core/tensor/bf16.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr int64_t kPadding = 0, kUnknown = 1;

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

void check_text(const at::Tensor& tokens, const at::Tensor& length) {
  if (tokens.dim() != 2 || length.dim() != 1 || tokens.size(0) != length.size(0) || tokens.numel() == 0)
    throw ShapeError(concat("bilstm: tokens ", tokens.sizes(), " and length ", length.sizes(),
                            ", needed are [B, L] and [B] with B and L at least 1"));
  if (tokens.scalar_type() != at::kLong || length.scalar_type() != at::kLong)
    throw ShapeError(
        concat("bilstm: tokens are ", tokens.scalar_type(), ", lengths ", length.scalar_type(), ", needed is int64"));
  if (!length.is_cpu()) return;  // a look at the values would wait for the device
  const int64_t least = length.min().item<int64_t>(), most = length.max().item<int64_t>();
  if (least < 1 || most > tokens.size(1))
    throw ShapeError(concat("bilstm: lengths ", least, " to ", most, ", needed are 1 to ", tokens.size(1)));
}

// length [B] -> [L*B]; see LstmStack::forward.
at::Tensor mirror_index(const at::Tensor& length, int64_t steps) {
  const int64_t rows = length.size(0);
  const at::Tensor t = at::arange(steps, length.options()).unsqueeze(1), b = at::arange(rows, length.options());
  const at::Tensor mirrored = at::where(t < length, length - 1 - t, t);  // [L, B]
  return (mirrored * rows + b).reshape(-1);
}

at::Tensor mirrored(const at::Tensor& x, const at::Tensor& mirror) {  // x [L, B, C]
  return exchange_rows(x.reshape({mirror.size(0), -1}), mirror).view(x.sizes());
}

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
        concat("bilstm: word vectors ", vectors.sizes(), " for a vocabulary of ", context.vocabulary_size));
  if (vectors.size(1) > word_dim)
    throw UsageError(
        "", concat("bilstm: word_dim is ", word_dim, ", but the word vectors have ", vectors.size(1), " dimensions"),
        concat("set model.text.word_dim=", vectors.size(1), ", or use other vectors"));
}

}  // namespace

at::Tensor exchange_rows(const at::Tensor& x, const at::Tensor& index) { return ExchangeRows::apply(x, index); }

LstmStack::LstmStack(int64_t input, int64_t hidden, int64_t layers, bool learned_state, double forget_bias)
    : hidden_(hidden) {
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));  // torch.nn.LSTM's
  const auto add = [&](const std::string& name, at::IntArrayRef sizes) {
    return register_parameter(name, at::empty(sizes).uniform_(-bound, bound));
  };
  for (int64_t row = 0; row < 2 * layers; ++row) {
    const std::string end = concat("_l", row / 2, row % 2 ? "_reverse" : "");
    const int64_t in = row < 2 ? input : 2 * hidden;
    weights_.push_back({add("weight_ih" + end, {4 * hidden, in}), add("weight_hh" + end, {4 * hidden, hidden}),
                        add("bias_ih" + end, {4 * hidden}), add("bias_hh" + end, {4 * hidden})});
    const at::NoGradGuard no_grad;
    weights_.back()[2].narrow(0, hidden, hidden).add_(forget_bias);  // gates are stacked i, f, g, o
  }
  if (!learned_state) return;
  h0_ = register_parameter("h0", at::zeros({2 * layers, hidden}));
  c0_ = register_parameter("c0", at::zeros({2 * layers, hidden}));
}

at::Tensor LstmStack::run(const at::Tensor& words, int64_t row) const {
  const int64_t batch = words.size(1);
  const auto initial = [&](const at::Tensor& learned) {
    return learned.defined() ? learned[row].expand({1, batch, hidden_}).contiguous()
                             : at::zeros({1, batch, hidden_}, weights_[row][0].options());
  };
  const at::Tensor h = initial(h0_), c = initial(c0_);
  std::optional<Fp32Scope> fp32;  // oneDNN has no bf16 LSTM for CPUs without bf16 instructions
  if (words.is_cpu() && !cpu_has_bf16()) fp32.emplace(at::kCPU);
  return std::get<0>(at::lstm(fp32 ? words.to(weights_[row][0].scalar_type()) : words, {h, c}, weights_[row],
                              /*has_biases=*/true, /*num_layers=*/1, /*dropout=*/0, is_training(),
                              /*bidirectional=*/false, /*batch_first=*/false));
}

LstmStack::States LstmStack::forward(const at::Tensor& words, const at::Tensor& mirror, double dropout) const {
  at::Tensor input = words;
  const auto layers = static_cast<int64_t>(weights_.size()) / 2;
  for (int64_t layer = 0;; ++layer) {
    const States states{at::dropout(run(input, 2 * layer), dropout, is_training()),
                        at::dropout(run(mirrored(input, mirror), 2 * layer + 1), dropout, is_training())};
    if (layer + 1 == layers) return states;
    input = at::cat({states.forward, mirrored(states.backward, mirror)}, 2);
  }
}

BiLstm::BiLstm(const Options& options, const TextContext& context) : options_(options) {
  check_vectors(context, options.word_dim);
  const auto embedding = register_module("embedding", std::make_shared<torch::nn::Module>());
  words_ = embedding->register_parameter("weight", at::empty({context.vocabulary_size, options.word_dim}));
  initialise_words(words_, options.word_init, context.word_vectors, options.vector_scale);
  lstm_ = register_module("lstm", std::make_shared<LstmStack>(options.word_dim, options.hidden, options.layers,
                                                              options.learned_initial_state, options.forget_bias));
}

at::Tensor BiLstm::drop_words(const at::Tensor& tokens) const {
  if (!is_training() || options_.word_dropout == 0) return tokens;
  const at::Tensor dropped = at::rand(tokens.sizes(), words_.options()) < options_.word_dropout;
  return tokens.masked_fill(dropped & (tokens != kPadding), kUnknown);
}

Encoded BiLstm::forward(const at::Tensor& tokens, const at::Tensor& length) {
  check_text(tokens, length);
  return encode(at::embedding(words_, drop_words(tokens).t().contiguous(), kPadding), length);  // [L, B, E]
}

at::Tensor BiLstm::embed_words(const at::Tensor& tokens) { return at::embedding(words_, tokens, kPadding); }

Encoded BiLstm::encode_words(const at::Tensor& words, const at::Tensor& length) {
  return encode(words.transpose(0, 1).contiguous(), length);
}

Encoded BiLstm::encode(const at::Tensor& words, const at::Tensor& length) {
  const int64_t steps = words.size(0);
  const at::Tensor mirror = mirror_index(length, steps);
  const at::Tensor input = at::dropout(words, options_.input_dropout, is_training());
  const LstmStack::States states = lstm_->forward(input, mirror, options_.output_dropout);
  const at::Tensor mask = at::arange(steps, length.options()).unsqueeze(1) < length;  // [L, B]
  Encoded out;
  out.global = pooled(states, mask, length);
  if (local_) {
    const at::Tensor both = at::cat({states.forward, mirrored(states.backward, mirror)}, 2);
    out.local = both.masked_fill(~mask.unsqueeze(2), 0).transpose(0, 1);
    out.mask = mask.t();
  }
  return out;
}

PythonPiece BiLstm::python() const {
  const std::string definition = R"py(class BiLstm(nn.Module):
    """tokens [B, L] (0 = padding), length [B] -> sentences [B, F], pooled over the real words."""

    def __init__(self, words, word_dim, hidden, layers, pool, learned_state):
        super().__init__()
        self.embedding = nn.Embedding(words, word_dim, padding_idx=0)
        self.lstm = nn.LSTM(word_dim, hidden, layers, batch_first=True, bidirectional=True)
        if learned_state:
            self.lstm.register_parameter("h0", nn.Parameter(torch.zeros(2 * layers, hidden)))
            self.lstm.register_parameter("c0", nn.Parameter(torch.zeros(2 * layers, hidden)))
        self.pool, self.learned_state = pool, learned_state

    def forward(self, tokens, length):
        state = None
        if self.learned_state:
            state = tuple(s[:, None].repeat(1, len(tokens), 1) for s in (self.lstm.h0, self.lstm.c0))
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embedding(tokens), length.cpu(), batch_first=True, enforce_sorted=False
        )
        packed, (last, _) = self.lstm(packed, state)
        if self.pool == "last":
            return torch.cat([last[-2], last[-1]], 1)
        states, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)  # [B, L, 2H]
        padded = (torch.arange(states.size(1), device=states.device) >= length.to(states.device)[:, None])[:, :, None]
        mean = states.masked_fill(padded, 0).sum(1) / length.to(states.device)[:, None]
        maximum = states.masked_fill(padded, -torch.inf).amax(1)
        return {"mean": mean, "max": maximum, "mean_max": torch.cat([mean, maximum], 1)}[self.pool]
)py";
  return PythonPiece{{definition},
                     concat("BiLstm(words=", words_.size(0), ", word_dim=", options_.word_dim, ", hidden=",
                            options_.hidden, ", layers=", options_.layers, ", pool=\"", enum_text(options_.pool),
                            "\", learned_state=", options_.learned_initial_state ? "True" : "False", ")")};
}

// A maximum or a mean over the real words does not mind their order, and each direction ends at step length-1 of its
// own order: pooling needs no reversal back.
at::Tensor BiLstm::pooled(const LstmStack::States& states, const at::Tensor& mask, const at::Tensor& length) const {
  const at::Tensor padded = ~mask.unsqueeze(2);  // [L, B, 1]
  const auto full = [](const at::Tensor& x) { return x.to(at::promote_types(x.scalar_type(), at::kFloat)); };
  const auto max = [&](const at::Tensor& x) {
    const bool zeros = options_.pad_in_max && is_training();
    return std::get<0>(x.masked_fill(padded, zeros ? 0. : -std::numeric_limits<double>::infinity()).max(0));
  };
  const auto mean = [&](const at::Tensor& x) {
    return full(x).masked_fill(padded, 0).sum(0) / length.to(full(x).scalar_type()).unsqueeze(1);
  };
  const auto last = [&](const at::Tensor& x) {
    const at::Tensor row = (length - 1) * x.size(1) + at::arange(x.size(1), length.options());
    return x.flatten(0, 1).index_select(0, row);
  };
  const auto both = [&](const auto& pool) { return full(at::cat({pool(states.forward), pool(states.backward)}, 1)); };
  switch (options_.pool) {
    case TextPooling::max:
      return both(max);
    case TextPooling::mean:
      return both(mean);
    case TextPooling::last:
      return both(last);
    case TextPooling::mean_max:
      break;
  }
  return at::cat({both(mean), both(max)}, 1);
}

}  // namespace diptych

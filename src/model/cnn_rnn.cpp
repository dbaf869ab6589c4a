#include "model/cnn_rnn.h"

#include <torch/torch.h>

#include <algorithm>

#include "diptych/core/tensor/rows.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr double kInit = 0.08, kThreshold = 1e-6;
constexpr int64_t kFirstCharacter = 4;  // after padding, <unk>, <start>, <end>

std::vector<CnnRnnLayer> word_layers(int64_t filters) { return {{filters, 3}, {filters, 2, 3, 3}, {filters, 2}}; }
std::vector<CnnRnnLayer> character_layers(const std::vector<int64_t>& filters) {
  return {{filters.at(0), 4, 3, 3}, {filters.at(1), 4, 3, 3}, {filters.at(2), 4, 3, 2}};
}

}  // namespace

CnnRnn::CnnRnn(int64_t channels, int64_t places, std::vector<CnnRnnLayer> layers, int64_t hidden, int64_t features)
    : places_(places), layers_(std::move(layers)) {
  const auto convs = register_module("convs", std::make_shared<torch::nn::Module>());
  for (const CnnRnnLayer& layer : layers_) {
    convs_.push_back(convs->register_module(std::to_string(convs_.size()),
                                            torch::nn::Conv1d(channels, layer.filters, layer.kernel)));
    channels = layer.filters;
  }
  const auto rnn = register_module("rnn", std::make_shared<torch::nn::Module>());
  input_weight_ = rnn->register_parameter("weight_ih_l0", at::empty({hidden, channels}));
  state_weight_ = rnn->register_parameter("weight_hh_l0", at::empty({hidden, hidden}));
  input_bias_ = rnn->register_parameter("bias_ih_l0", at::empty({hidden}));
  state_bias_ = rnn->register_parameter("bias_hh_l0", at::empty({hidden}));
  linear_ = register_module("linear", torch::nn::Linear(hidden, features));
  const at::NoGradGuard no_grad;
  for (at::Tensor& each : parameters()) each.uniform_(-kInit, kInit);
}

at::Tensor CnnRnn::placed(const at::Tensor& words, const at::Tensor& length) const {
  const int64_t read = std::min(words.size(1), places_);
  const at::Tensor real = real_words(length, read).unsqueeze(2);
  const at::Tensor kept = words.slice(1, 0, read).masked_fill(~real, 0);
  return at::constant_pad_nd(kept.transpose(1, 2), {0, places_ - read});
}

at::Tensor CnnRnn::states(const at::Tensor& input) const {
  const at::Tensor driven = at::linear(input, input_weight_, input_bias_);  // [B, S, H]
  std::vector<at::Tensor> out;
  at::Tensor state = at::zeros_like(driven.select(1, 0));
  for (int64_t step = 0; step < driven.size(1); ++step) {
    state = (driven.select(1, step) + at::linear(state, state_weight_, state_bias_)).relu();
    out.push_back(state);
  }
  return at::stack(out, 1);
}

Encoded CnnRnn::forward(const at::Tensor& words, const at::Tensor& length, bool local) {
  at::Tensor x = placed(words, length);
  int64_t stride = 1;  // places from step to step
  for (size_t i = 0; i < layers_.size(); ++i) {
    x = at::threshold(convs_[i]->forward(x), kThreshold, 0);
    if (layers_[i].pool > 1) x = at::max_pool1d(x, layers_[i].pool, layers_[i].stride);
    stride *= layers_[i].stride;
  }
  const at::Tensor steps = states(x.transpose(1, 2));
  Encoded out;
  out.global = at_least_float(linear_->forward(steps.mean(1)));
  if (!local) return out;
  out.mask = at::arange(steps.size(1), length.options()) * stride < length.unsqueeze(1);
  out.local = steps.masked_fill(~out.mask.unsqueeze(2), 0);
  return out;
}

PythonPiece CnnRnn::python() const {
  PythonPiece piece;
  piece.definitions.push_back(R"py(class CnnRnn(nn.Module):
    """words [B, L, C], length [B] -> sentences [B, F]: convolutions over a fixed number of places, a recurrent network
    over those that are left, the mean of its states, a linear map."""

    def __init__(self, channels, places, layers, hidden, features):
        super().__init__()
        self.places, self.layers = places, layers
        self.convs = nn.ModuleList()
        for filters, kernel, _, _ in layers:
            self.convs.append(nn.Conv1d(channels, filters, kernel))
            channels = filters
        self.rnn = nn.RNN(channels, hidden, nonlinearity="relu", batch_first=True)
        self.linear = nn.Linear(hidden, features)

    def forward(self, words, length):
        words = words[:, : self.places]
        real = torch.arange(words.size(1), device=words.device) < length.to(words.device)[:, None]
        x = words.masked_fill(~real[:, :, None], 0).transpose(1, 2)
        x = F.pad(x, (0, self.places - x.size(2)))
        for conv, (_, _, pool, stride) in zip(self.convs, self.layers):
            x = F.max_pool1d(F.threshold(conv(x), 1e-6, 0), pool, stride)
        states, _ = self.rnn(x.transpose(1, 2))
        return self.linear(states.mean(1))
)py");
  std::string layers;
  for (const auto& [filters, kernel, pool, stride] : layers_)
    layers += concat("(", filters, ", ", kernel, ", ", pool, ", ", stride, "), ");
  piece.expression = concat("CnnRnn(channels=", convs_.front()->weight.size(1), ", places=", places_, ", layers=(",
                            layers, "), hidden=", state_bias_.size(0), ", features=", linear_->weight.size(0), ")");
  return piece;
}

WordCnnRnn::WordCnnRnn(const Options& options, const TextContext& context)
    : WordEncoder(options, context), options_(options) {
  net_ = register_module("net", std::make_shared<CnnRnn>(options.word_dim, options.length, word_layers(options.filters),
                                                         options.hidden, options.features));
}

Encoded WordCnnRnn::encode(const at::Tensor& words, const at::Tensor& length) {
  return net_->forward(drop_input(words), length, local_);
}

PythonPiece WordCnnRnn::python() const {
  PythonPiece piece = net_->python();
  piece.definitions.push_back(R"py(class WordCnnRnn(nn.Module):
    """tokens [B, L] (0 = padding), length [B] -> sentences [B, F]."""

    def __init__(self, words, word_dim, net):
        super().__init__()
        self.embedding = nn.Embedding(words, word_dim, padding_idx=0)
        self.net = net

    def forward(self, tokens, length):
        return self.net(self.embedding(tokens), length)
)py");
  piece.expression =
      concat("WordCnnRnn(words=", vocabulary(), ", word_dim=", word_dim(), ", net=", piece.expression, ")");
  return piece;
}

CharCnnRnn::CharCnnRnn(const Options& options, const TextContext& context)
    : options_(options), characters_(context.vocabulary_size - kFirstCharacter) {
  if (characters_ < 1)
    throw ShapeError(concat("char_cnn_rnn: a vocabulary of ", context.vocabulary_size, " has no character"));
  net_ = register_module("net", std::make_shared<CnnRnn>(characters_, options.length, character_layers(options.filters),
                                                         options.hidden, options.features));
}

Encoded CharCnnRnn::forward(const at::Tensor& tokens, const at::Tensor& length) {
  WordEncoder::check_text(tokens, length);
  return encode_words(embed_words(tokens), length);
}

at::Tensor CharCnnRnn::embed_words(const at::Tensor& tokens) {
  const at::Tensor each = at::arange(kFirstCharacter, kFirstCharacter + characters_, tokens.options());
  return (tokens.unsqueeze(2) == each).to(parameters().front().scalar_type());
}

Encoded CharCnnRnn::encode_words(const at::Tensor& words, const at::Tensor& length) {
  return net_->forward(words, length, local_);
}

PythonPiece CharCnnRnn::python() const {
  PythonPiece piece = net_->python();
  piece.definitions.push_back(R"py(class CharCnnRnn(nn.Module):
    """tokens [B, L] (ids below 4 are no characters), length [B] -> sentences [B, F]."""

    def __init__(self, characters, net):
        super().__init__()
        self.characters, self.net = characters, net

    def forward(self, tokens, length):
        each = torch.arange(4, 4 + self.characters, device=tokens.device)
        return self.net((tokens[:, :, None] == each).to(self.net.linear.weight.dtype), length)
)py");
  piece.expression = concat("CharCnnRnn(characters=", characters_, ", net=", piece.expression, ")");
  return piece;
}

}  // namespace diptych

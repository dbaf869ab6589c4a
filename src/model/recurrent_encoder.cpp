#include "model/recurrent_encoder.h"

#include <torch/torch.h>

#include "diptych/core/text.h"

namespace diptych {

RecurrentEncoder::RecurrentEncoder(const RecurrentOptions& options, Cell cell, bool both, const TextContext& context)
    : WordEncoder(options, context), options_(options), cell_(cell), both_(both) {
  stack_ = register_module(
      enum_text(cell), std::make_shared<RecurrentStack>(RecurrentShape{.cell = cell,
                                                                       .input = options.word_dim,
                                                                       .hidden = options.hidden,
                                                                       .layers = options.layers,
                                                                       .both = both,
                                                                       .learned_state = options.learned_initial_state,
                                                                       .forget_bias = options.forget_bias}));
  pool_ = register_module("pool", std::make_shared<Pool>(options.pool, options.pooling, channels()));
}

Encoded RecurrentEncoder::encode(const at::Tensor& words, const at::Tensor& length) {
  const at::Tensor input = drop_input(words.transpose(0, 1).contiguous());  // [L, B, E]
  const at::Tensor mirror = both_ ? mirror_index(length, input.size(0)) : at::Tensor();
  const auto states = stack_->forward(input, mirror, options_.output_dropout);
  const at::Tensor mask = real_words(length, input.size(0));
  Encoded out;
  out.global = pooled(states, mirror, mask);
  if (local_) {
    out.local = by_word(states, mirror).masked_fill(~mask.unsqueeze(2), 0);
    out.mask = mask;
  }
  return out;
}

at::Tensor RecurrentEncoder::joined(const at::Tensor& forward, const at::Tensor& backward) const {
  if (!backward.defined()) return forward;
  return options_.directions == Directions::mean ? (forward + backward) / 2 : at::cat({forward, backward}, 2);
}

at::Tensor RecurrentEncoder::by_word(const RecurrentStack::States& states, const at::Tensor& mirror) const {
  return joined(states.forward, both_ ? mirrored(states.backward, mirror) : at::Tensor()).transpose(0, 1);
}

// A pooling of single channels does not mind the order of the words, and each direction ends at step length-1 of its
// own order: no reversal back is needed, and `last` must not have one.
at::Tensor RecurrentEncoder::pooled(const RecurrentStack::States& states, const at::Tensor& mirror,
                                    const at::Tensor& mask) const {
  const bool zeros = options_.pad_in_max && is_training();
  const auto pool = [&](const at::Tensor& items) {
    return zeros ? pool_->forward(items, mask, 0) : pool_->forward(items, mask);
  };
  const bool whole_items = options_.pool == Pooling::attention || options_.pool == Pooling::gpo;
  const bool mean_states = options_.directions == Directions::mean && options_.pool != Pooling::last;
  if (!both_ || whole_items || mean_states) return pool(by_word(states, mirror));
  const auto parts = [&](const at::Tensor& each) {  // [B, parts, H]
    return pool(each.transpose(0, 1)).unflatten(1, {pool_->parts(), options_.hidden});
  };
  return joined(parts(states.forward), parts(states.backward)).flatten(1);
}

PythonPiece RecurrentEncoder::python() const {
  PythonPiece piece = pool_->python();
  piece.definitions.push_back(R"py(class Recurrent(nn.Module):
    """tokens [B, L] (0 = padding), length [B] -> sentences [B, F], pooled over the real words."""

    def __init__(self, words, word_dim, cell, hidden, layers, both, directions, learned_state, pool):
        super().__init__()
        self.embedding = nn.Embedding(words, word_dim, padding_idx=0)
        net = {"lstm": nn.LSTM, "gru": nn.GRU}[cell](word_dim, hidden, layers, batch_first=True, bidirectional=both)
        if learned_state:
            for name in ("h0", "c0") if cell == "lstm" else ("h0",):
                net.register_parameter(name, nn.Parameter(torch.zeros((2 if both else 1) * layers, hidden)))
        setattr(self, cell, net)
        self.cell, self.both, self.directions, self.learned_state = cell, both, directions, learned_state
        self.pool = pool

    def join(self, forward, backward):
        return (forward + backward) / 2 if self.directions == "mean" else torch.cat([forward, backward], -1)

    def forward(self, tokens, length):
        net, state = getattr(self, self.cell), None
        if self.learned_state:
            state = net.h0[:, None].repeat(1, len(tokens), 1)
            if self.cell == "lstm":
                state = (state, net.c0[:, None].repeat(1, len(tokens), 1))
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embedding(tokens), length.cpu(), batch_first=True, enforce_sorted=False
        )
        packed, last = net(packed, state)
        last = last[0] if self.cell == "lstm" else last
        if self.pool.kind == "last":
            return self.join(last[-2], last[-1]) if self.both else last[-1]
        states, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
        if self.both:
            states = self.join(*states.chunk(2, 2))
        return self.pool(states, torch.arange(states.size(1), device=states.device) < length.to(states.device)[:, None])
)py");
  const auto flag = [](bool on) { return on ? "True" : "False"; };
  piece.expression =
      concat("Recurrent(words=", vocabulary(), ", word_dim=", word_dim(), ", cell=\"", enum_text(cell_),
             "\", hidden=", options_.hidden, ", layers=", options_.layers, ", both=", flag(both_), ", directions=\"",
             enum_text(options_.directions), "\", learned_state=", flag(options_.learned_initial_state),
             ", pool=", piece.expression, ")");
  return piece;
}

}  // namespace diptych

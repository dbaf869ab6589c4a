#pragma once
#include <array>
#include <memory>

#include "model/pooling.h"
#include "model/recurrent_stack.h"
#include "model/word_encoder.h"

namespace diptych {

enum class Directions { concat, mean };
constexpr auto enum_names(Directions) {
  return std::array{std::pair{Directions::concat, "concat"}, std::pair{Directions::mean, "mean"}};
}

struct RecurrentOptions : WordOptions {
  int64_t hidden = 512, layers = 1;
  Pooling pool = Pooling::max;
  PoolingOptions pooling;
  Directions directions = Directions::concat;
  bool pad_in_max = false, learned_initial_state = false;
  double output_dropout = 0, forget_bias = 0;

  /// The fields that such a network has.
  template <Cell cell, bool both>
  static void visit_of(auto& self, auto& field) {
    WordOptions::visit(self, field);
    field("hidden", self.hidden, "units of a direction", {.lo = 1, .hi = 65536});
    field("layers", self.layers, "stacked layers", {.lo = 1, .hi = 16});
    if constexpr (both)
      field("directions", self.directions,
            "states of both directions side by side (twice the features), or their mean, word by word");
    field("pool", self.pool,
          "states -> sentence, over the real words: maximum, mean, last state of each direction, mean and maximum, "
          "learned attention, generalised mean (gem), k largest and smallest (weldon), log-sum-exp (lse), or learned "
          "weights of the sorted values (gpo)");
    field("pooling", self.pooling, "constants of the poolings that have some");
    if constexpr (both && cell == Cell::lstm)
      field("pad_in_max", self.pad_in_max,
            "in training, padded steps take part in the maximum as zeros, as in the published CMPM code");
    field("output_dropout", self.output_dropout, "share of every layer's states dropped in training",
          {.lo = 0, .hi = 0.99});
    field("learned_initial_state", self.learned_initial_state, "the states before the first word are parameters");
    if constexpr (cell == Cell::lstm)
      field("forget_bias", self.forget_bias, "added to the initial bias of the forget gates (CMPM: 1)",
            {.lo = -10, .hi = 10});
  }
};

/// Word table, recurrent network, pooling over the real words. Parameters: embedding.weight, lstm.* or gru.*, and
/// pool.* where pooling has some. Local features are the states, a word's own, also of the backward direction.
class RecurrentEncoder : public WordEncoder {
 public:
  RecurrentEncoder(const RecurrentOptions& options, Cell cell, bool both, const TextContext& context);
  int64_t features() const override { return pool_->features(channels()); }
  int64_t local_features() const override { return channels(); }
  PythonPiece python() const override;

 protected:
  Encoded encode(const at::Tensor& words, const at::Tensor& length) override;

 private:
  int64_t channels() const {
    return both_ && options_.directions == Directions::concat ? 2 * options_.hidden : options_.hidden;
  }
  at::Tensor joined(const at::Tensor& forward, const at::Tensor& backward) const;  // [B, n, H] each
  at::Tensor pooled(const RecurrentStack::States& states, const at::Tensor& mirror, const at::Tensor& mask) const;
  at::Tensor by_word(const RecurrentStack::States& states, const at::Tensor& mirror) const;  // [B, L, channels]

  RecurrentOptions options_;
  Cell cell_;
  bool both_;
  std::shared_ptr<RecurrentStack> stack_;
  std::shared_ptr<Pool> pool_;
};

/// One registered type a network; GRUs start from the settings of VSE++ (one direction) and SCAN (both).
template <Cell cell, bool both>
struct RecurrentOf : RecurrentEncoder {
  struct Options : RecurrentOptions {
    Options() {
      word_dim = cell == Cell::lstm ? 512 : 300;
      hidden = cell == Cell::lstm ? 512 : 1024;
      pool = !both ? Pooling::last : cell == Cell::lstm ? Pooling::max : Pooling::mean;
      directions = cell == Cell::lstm ? Directions::concat : Directions::mean;
    }
    static void visit(auto& self, auto& field) { RecurrentOptions::visit_of<cell, both>(self, field); }
  };
  RecurrentOf(const Options& options, const TextContext& context) : RecurrentEncoder(options, cell, both, context) {}
};
using Lstm = RecurrentOf<Cell::lstm, false>;
using BiLstm = RecurrentOf<Cell::lstm, true>;
using Gru = RecurrentOf<Cell::gru, false>;
using BiGru = RecurrentOf<Cell::gru, true>;

}  // namespace diptych

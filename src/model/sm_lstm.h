#pragma once
#include <torch/nn/modules/linear.h>

#include <array>
#include <utility>

#include "diptych/model/pair_scorer.h"

namespace diptych {

enum class SmVariant { full, att, ctx, mean };
constexpr auto enum_names(SmVariant) {
  return std::array{std::pair{SmVariant::full, "full"}, std::pair{SmVariant::att, "att"},
                    std::pair{SmVariant::ctx, "ctx"}, std::pair{SmVariant::mean, "mean"}};
}
enum class Modulation { product, joint, sum };
constexpr auto enum_names(Modulation) {
  return std::array{std::pair{Modulation::product, "product"}, std::pair{Modulation::joint, "joint"},
                    std::pair{Modulation::sum, "sum"}};
}

/// One of the two sides of sm-LSTM: where it looks and what it sees. n items of R places (regions or words), K
/// attention units, H units. Parameters: key, context, state, query; value.
class SmSide : public torch::nn::Module {
 public:
  struct Sizes {
    int64_t local, context, attention, hidden;
  };
  SmSide(const Sizes& sizes, SmVariant variant, Modulation modulation);

  /// What does not change from step to step; undefined where the variant has no use for it.
  struct Prepared {
    at::Tensor key;      // [n, R, K]
    at::Tensor context;  // [n, K]
    at::Tensor value;    // [n, R, H], or [n, 1, H] of the context (ctx)
    at::Tensor mask;     // [n, R] bool
  };
  Prepared prepare(const Encoded& side) const;
  /// What every step needs: weight [K, H] and bias of the state, query [1, K]; undefined where nothing is attended to.
  std::vector<at::Tensor> step_parameters() const;

 private:
  SmVariant variant_;
  Modulation modulation_;
  torch::nn::Linear key_{nullptr}, context_{nullptr}, state_{nullptr}, query_{nullptr}, value_;
};

/// Selective multimodal LSTM (Huang, Wang and Wang, CVPR 2017): in each of T steps an image region and a word are
/// attended to, their local similarity is measured, and an LSTM gathers the similarities to one score.
///
///   p_t = softmax_i phat_ti,   q_t = softmax_j qhat_tj        (places that the mask leaves out get 0)
///   a_t = sum_i p_ti a_i,      w_t = sum_j q_tj w_j
///   s_t = sig(W_s (sig(U_a a_t) + sig(U_w w_t)) + b_s),   h_t = LSTM(s_t, h_t-1),   h_0 = 0
///   score = w_o . sig(W_h h_T + b_h) + b_o
///   penalty = sum_i (1 - sum_t p_ti)^2 + sum_j (1 - sum_t q_tj)^2     (the squared form of Xu et al., ICML 2015)
///
/// Attention of the image side, of the text side with weights of its own (m context = global feature, a_i region):
///
///   product  phat_ti = w . (sig(W_m m) * sig(W_a a_i) * sig(W_h h_t-1))
///   joint    phat_ti = w . sig(W_m m + W_a a_i + W_h h_t-1)
///   sum      phat_ti = w . (sig(W_m m) + sig(W_a a_i) + sig(W_h h_t-1)): as the published equation is remembered. Its
///            first and last term are the same for all places, so the softmax cancels them: neither context nor memory
///            moves the attention, and all steps look at the same place.
///
/// Variants: att leaves W_m m out; ctx has a_t = m, w_t = n; mean has uniform attention; penalty only for full and att.
class SmLstm : public PairScorer {
 public:
  struct Options {
    int64_t steps = 3, hidden = 1024, attention = 1024;
    SmVariant variant = SmVariant::full;
    Modulation modulation = Modulation::product;
    int64_t tile_pairs = 4096;
    static void visit(auto& self, auto& field) {
      field("steps", self.steps, "T, pairs of places looked at (Huang et al. 2017: 3)", {.lo = 1, .hi = 64});
      field("hidden", self.hidden, "units of the local similarity and of the LSTM (Huang et al. 2017: about 1024)",
            {.lo = 1, .hi = 16384});
      field("attention", self.attention, "units that weigh the places", {.lo = 1, .hi = 16384});
      field("variant", self.variant,
            "full; att: attention without context; ctx: context instead of attention; mean: uniform attention");
      field("modulation", self.modulation,
            "how context and memory meet a place: as factors; as terms inside one sigmoid (K times the memory and "
            "arithmetic); or as sum of sigmoids, as published, which cancels in the softmax");
      field("tile_pairs", self.tile_pairs,
            "pairs computed at once; more of them are computed tile by tile, and once more for the gradient",
            {.lo = 1, .hi = 1 << 24});
    }
  };
  SmLstm(const Options& options, const ScorerContext& context);
  PairScores pairs(const Encoded& x, const Encoded& y) override;
  std::vector<PairAttention> attention(const Encoded& x, const Encoded& y) override;
  std::string describe() const override;

 private:
  std::vector<at::Tensor> tile_input(const SmSide::Prepared& images, const SmSide::Prepared& texts) const;

  Options options_;
  std::shared_ptr<SmSide> image_, text_;
  torch::nn::Linear similarity_, output_, score_;
  at::Tensor weight_ih_, weight_hh_, bias_ih_, bias_hh_;
};

}  // namespace diptych

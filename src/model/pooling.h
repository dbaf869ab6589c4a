#pragma once
#include <torch/nn/modules/linear.h>

#include <array>
#include <limits>
#include <memory>
#include <string>

#include "diptych/model/python_piece.h"
#include "model/recurrent_stack.h"

namespace diptych {

enum class Pooling { max, mean, last, mean_max, attention, gem, weldon, lse, gpo };
constexpr auto enum_names(Pooling) {
  return std::array{std::pair{Pooling::max, "max"},
                    std::pair{Pooling::mean, "mean"},
                    std::pair{Pooling::last, "last"},
                    std::pair{Pooling::mean_max, "mean_max"},
                    std::pair{Pooling::attention, "attention"},
                    std::pair{Pooling::gem, "gem"},
                    std::pair{Pooling::weldon, "weldon"},
                    std::pair{Pooling::lse, "lse"},
                    std::pair{Pooling::gpo, "gpo"}};
}

/// The constants of the poolings that have some.
struct PoolingOptions {
  int64_t weldon_k = 15, attention_units = 128;
  double lse_sharpness = 6, gpo_temperature = 0.1, gpo_drop = 0.2;
  static void visit(auto& self, auto& field) {
    field("attention_units", self.attention_units, "attention: hidden units of the score", {.lo = 1, .hi = 65536});
    field("weldon_k", self.weldon_k, "weldon: how many of the largest and of the smallest values are averaged",
          {.lo = 1, .hi = 65536});
    field("lse_sharpness", self.lse_sharpness, "lse: lambda; the larger, the nearer to the maximum",
          {.lo = 1e-3, .hi = 1e3});
    field("gpo_temperature", self.gpo_temperature, "gpo: temperature of the softmax over positions",
          {.lo = 1e-3, .hi = 1e3});
    field("gpo_drop", self.gpo_drop, "gpo: size augmentation, share of the items left out in training",
          {.lo = 0, .hi = 0.99});
  }
};

/// A set of items (words of a text, places of a feature map) as one vector. Over the n real items x_1 ... x_n of a row,
/// each channel by itself unless said otherwise:
///
///   last       x_n
///   mean, max; mean_max is both side by side
///   gem        ((1/n) sum max(x_i, 1e-6)^p)^(1/p), p learned, initially 3                 (Radenovic et al., TPAMI
///   2018) weldon     mean of the k largest + mean of the k smallest, k at most n                 (Durand et al., CVPR
///   2016) lse        (1/lambda) log sum exp(lambda x_i)                               (Pinheiro and Collobert, CVPR
///   2015) attention  sum a_i x_i over whole items, a = softmax_i(w . tanh(W x_i + b))          (Lin et al., ICLR 2017)
///   gpo        sum_r t_r x_(r) with x_(1) >= x_(2) >= ..., t = softmax_r(s . g_r / temperature), g = a bidirectional
///              GRU (32 units, directions averaged) over sine and cosine codes (32) of the positions 0 ... n-1
///                                                                                        (Chen et al., CVPR 2021)
/// Computed in float32 at least, whatever autocast says. Parameters: p; project, score; gru, score.
class Pool : public torch::nn::Module {
 public:
  Pool(Pooling pooling, const PoolingOptions& options);
  Pool(Pooling pooling, const PoolingOptions& options, int64_t channels) : Pool(pooling, options) { expect(channels); }
  /// Makes the parameters that depend on the number of channels. Call once, before forward.
  void expect(int64_t channels);

  /// items [B, R, C], mask [B, R] bool with at least one true a row; the true ones come first for `last`. Undefined:
  /// all items are real. What padding counts as in a maximum: by default not at all. -> [B, features(C)].
  at::Tensor forward(const at::Tensor& items, const at::Tensor& mask = {},
                     double padding_in_max = -std::numeric_limits<double>::infinity()) const;
  Pooling pooling() const { return pooling_; }
  /// Vectors side by side: 2 for mean_max.
  int64_t parts() const { return pooling_ == Pooling::mean_max ? 2 : 1; }
  int64_t features(int64_t channels) const { return parts() * channels; }
  /// The Python class and the expression that makes this one.
  PythonPiece python() const;

 protected:
  /// "\"weldon\", k=15": arguments of the Python class.
  std::string python_arguments() const;

 private:
  at::Tensor attended(const at::Tensor& items, const at::Tensor& mask) const;
  at::Tensor generalised(const at::Tensor& items, const at::Tensor& mask) const;
  at::Tensor position_weights(const at::Tensor& count, int64_t positions) const;  // [B] -> [B, positions]

  Pooling pooling_;
  PoolingOptions options_;
  at::Tensor p_;  // []
  torch::nn::Linear project_{nullptr}, score_{nullptr};
  std::shared_ptr<RecurrentStack> gru_;
};

/// sum_r weights[b, r] x_(r), x_(r) the r-th largest real item, each channel by itself. items [B, R, C], mask [B, R]
/// bool, weights [B or 1, R] -> [B, C]. Equal weights give the mean, all weight on r = 0 the maximum.
at::Tensor weighted_by_rank(const at::Tensor& items, const at::Tensor& mask, const at::Tensor& weights);

}  // namespace diptych

#pragma once
#include <torch/nn/module.h>

#include <functional>
#include <vector>

#include "diptych/core/registry.h"

namespace diptych {

/// gamma and beta of one block of the image encoder, [B, C] each: x -> gamma x + beta, channel by channel.
struct BlockModulation {
  at::Tensor scale, shift;
};
/// map [B, C, h, w] -> the same shape and type. throws ShapeError unless scale and shift are [B, C].
at::Tensor modulate(const at::Tensor& map, const BlockModulation& by);

/// What a composer may read of an image and a text; B of both. Undefined unless Composer::needs() asks for it.
struct ComposerInput {
  at::Tensor image;     // [B, D] embedding: image_head of the features. Always there
  at::Tensor text;      // [B, D] embedding: text_head of the features. Always there
  at::Tensor features;  // [B, F] pooled features, before image_head
  at::Tensor map;       // [B, C, h, w] the image encoder's last feature map
  at::Tensor words;     // [B, L, E] word vectors, zeros at padding
  at::Tensor length;    // [B] int64, words of each text
  /// The image encoder's map [B, C, h, w] again, with a BlockModulation behind each of its blocks.
  std::function<at::Tensor(const std::vector<BlockModulation>&)> modulated_map;
};
struct ComposerNeeds {
  bool features = false, map = false, words = false, modulated_map = false;
};

/// One of the two is defined.
struct Composed {
  at::Tensor embedding;  // [B, Composer::query_dimension(D)], D but for artemis
  at::Tensor map;        // [B, C, h, w]: the image encoder's pooling and image_head make the embedding of it
};

/// What a composer has to know of the rest of the model.
struct ComposerContext {
  int64_t dimension;                    // D
  int64_t features;                     // F
  int64_t channels;                     // C of the map; 0: the image encoder has none
  int64_t word_dim;                     // E; 0: the text encoder has no word vectors
  std::vector<int64_t> block_channels;  // channels behind each block that can be modulated; empty: none can
};

/// Image and text -> the query of composed retrieval. Registry "composer": none (matching, without a composer), the ten
/// methods that Vo et al. (CVPR 2019) compare, and later ones. Its output is not normalised; scorer norm_scale does
/// that on both sides. phi image, t text, [;] side by side:
///
///   image_only, text_only   phi, t
///   concat                  a network of two layers over [phi; t]
///   show_tell               the state of an LSTM that reads the image, then the words
///   attr_operator           T(t) phi, T = identity at first
///   param_hash              T(t) pooled: a few numbers made of t fill T by a fixed hash
///   relationship            f(sum over pairs of places a, b of g(a, b, t))
///   mrn                     t + fc(tanh t) * fc(tanh(fc(tanh phi))), block by block
///   film                    x -> gamma(t) x + beta(t) in every block of the image encoder
///   tirg_fc, tirg_conv      w_g sigmoid(G[phi; t]) * phi + w_r R[phi; t], on embeddings or on the last map
///   compose_ae, rtic, combiner
///   artemis                 what scorer artemis needs of a query: its score depends on the target, too
class Composer : public torch::nn::Module {
 public:
  /// Float32 or float64, whatever autocast says. throws ShapeError for parts that do not fit.
  virtual Composed forward(const ComposerInput& input) = 0;
  virtual ComposerNeeds needs() const { return {}; }
  /// Numbers of a query. More than the D of an embedding: only the scorer that reads as many can compare it.
  virtual int64_t query_dimension(int64_t dimension) const { return dimension; }
  /// The other way, for training: image embeddings [B, D] of targets, from which the change that text [B, D] asks for
  /// is taken back -> [B, D], which should resemble the sources. Undefined from a composer that has no such way: all
  /// but compose_ae.
  virtual at::Tensor undo(const at::Tensor& /*image*/, const at::Tensor& /*text*/) { return {}; }
};
using ComposerRegistry = Registry<Composer, const ComposerContext&>;
void register_composers(ComposerRegistry& composers);

}  // namespace diptych

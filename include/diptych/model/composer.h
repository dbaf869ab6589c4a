#pragma once
#include <torch/nn/module.h>

#include <functional>
#include <vector>

#include "diptych/core/registry.h"

namespace diptych {

/// gamma and beta of one block of the image encoder, [B, C] each: x -> gamma x + beta, channel by channel.
struct Modulation {
  at::Tensor scale, shift;
};

/// What a composer may read of an image and a text; B of both. Undefined unless Composer::needs() asks for it.
struct ComposerInput {
  at::Tensor image;     // [B, D] embedding: image_head of the features. Always there
  at::Tensor text;      // [B, D] embedding: text_head of the features. Always there
  at::Tensor features;  // [B, F] pooled features, before image_head
  at::Tensor map;       // [B, C, h, w] the image encoder's last feature map
  at::Tensor words;     // [B, L, E] word vectors, zeros at padding
  at::Tensor length;    // [B] int64, words of each text
  /// The image encoder's map [B, C, h, w] again, with a Modulation behind each of its blocks.
  std::function<at::Tensor(const std::vector<Modulation>&)> modulated_map;
};
struct ComposerNeeds {
  bool features = false, map = false, words = false, modulated_map = false;
};

/// One of the two is defined.
struct Composed {
  at::Tensor embedding;  // [B, D]
  at::Tensor map;        // [B, C, h, w]: the image encoder's pooling and image_head make the embedding of it
};

/// What a composer has to know of the rest of the model.
struct ComposerContext {
  int64_t dimension;                    // D
  int64_t features;                     // F
  int64_t channels;                     // C of the map
  int64_t word_dim;                     // E; 0: the text encoder has no word vectors
  std::vector<int64_t> block_channels;  // channels behind each block that can be modulated; empty: none can
};

/// Image and text -> the query of composed retrieval. Registry "composer": none (matching, without a composer), and the
/// methods of Vo et al. (CVPR 2019) and later ones. Its output is not normalised; scorer norm_scale does that on both
/// sides.
class Composer : public torch::nn::Module {
 public:
  /// Float32 or float64, whatever autocast says. throws ShapeError for parts that do not fit.
  virtual Composed forward(const ComposerInput& input) = 0;
  virtual ComposerNeeds needs() const { return {}; }
};
using ComposerRegistry = Registry<Composer, const ComposerContext&>;
void register_composers(ComposerRegistry& composers);

}  // namespace diptych

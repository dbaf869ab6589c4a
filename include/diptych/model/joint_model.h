#pragma once
#include <torch/nn/module.h>

#include "diptych/model/composer.h"
#include "diptych/model/encoded.h"
#include "diptych/model/head.h"
#include "diptych/model/image_encoder.h"
#include "diptych/model/pair_scorer.h"
#include "diptych/model/scorer.h"
#include "diptych/model/text_encoder.h"

namespace diptych {

/// Images that queries of composed retrieval start from, and all that a composer may read of them.
struct ComposerSources {
  at::Tensor image;      // [U, 3, H, W], or undefined where features were given
  at::Tensor map;        // [U, C, h, w] if the composer reads it
  at::Tensor features;   // [U, F]
  at::Tensor embedding;  // [U, D], once embed_sources has been called
};

/// The two paths of a matching system and its scorer. Submodules: image, text, image_head, text_head, scorer; composer
/// where an image and a text make one query. The same encode functions serve training, evaluation, encode and search.
class JointModel : public torch::nn::Module {
 public:
  /// composer: null for matching. throws UsageError if the heads differ in dimension, for a composer beside a
  /// PairScorer, and for queries of another width than the scorer reads.
  JointModel(std::shared_ptr<ImageEncoder> image, std::shared_ptr<TextEncoder> text, std::shared_ptr<Head> image_head,
             std::shared_ptr<Head> text_head, std::shared_ptr<Scorer> scorer,
             std::shared_ptr<Composer> composer = nullptr);

  /// image [U, 3, H, W] -> features, the part that a frozen-encoder cache stores: [U, F], or when the scorer compares
  /// places [U, h, w*C], the lines of the map, which keep how the places lie; of R regions without a map [U, R, C].
  at::Tensor image_features(const at::Tensor& image);
  /// The same from the encoder's map [U, C, h, w].
  at::Tensor features_of_map(const at::Tensor& map);
  /// features [U, F] or [U, h, w*C] -> [U, D].
  at::Tensor image_embedding(const at::Tensor& features);
  /// tokens [B, L], length [B] -> [B, D].
  at::Tensor text_embedding(const at::Tensor& tokens, const at::Tensor& length);

  /// What the scorer compares: global = the embedding; local [U, h*w, C] and mask only if it compares places.
  Encoded image_view(const at::Tensor& features);
  Encoded text_view(const at::Tensor& tokens, const at::Tensor& length);
  /// Words as vectors -> the same; see TextEncoder::encode_words.
  Encoded words_view(const at::Tensor& words, const at::Tensor& length);
  /// [N, M] of any scorer.
  at::Tensor scores(const Encoded& x, const Encoded& y);
  /// The scorer if it compares pairs in detail; null if it compares embeddings.
  PairScorer* pair_scorer() const { return pair_scorer_; }
  /// Whether that scorer looks at regions and words.
  bool compares_places() const { return pair_scorer_ && pair_scorer_->compares_places(); }

  /// Composed retrieval only. True if queries are made of pictures or their maps, so that features are not enough.
  bool composes_pictures() const;
  /// image [U, 3, H, W], or features [U, F] unless composes_pictures().
  ComposerSources sources(const at::Tensor& image);
  void embed_sources(ComposerSources& sources) { sources.embedding = image_embedding(sources.features); }
  /// The source index[b] (int64 [B]) changed by the text b -> [B, query_dimension()]. The sources are embedded.
  at::Tensor query_embedding(const ComposerSources& sources, const at::Tensor& index, const at::Tensor& tokens,
                             const at::Tensor& length) {
    return compose(composer_input(sources, index, tokens, length));
  }
  /// Its two steps: what the composer reads, float32, and the query that it makes of that.
  ComposerInput composer_input(const ComposerSources& sources, const at::Tensor& index, const at::Tensor& tokens,
                               const at::Tensor& length);
  at::Tensor compose(const ComposerInput& input);
  /// Null: matching.
  Composer* composer() const { return composer_.get(); }

  ImageEncoder& image() { return *image_; }
  TextEncoder& text() { return *text_; }
  Scorer& scorer() { return *scorer_; }
  const Head& image_head() const { return *image_head_; }
  int64_t dimension() const;
  /// Numbers of a query: dimension() unless composer and scorer agree on more.
  int64_t query_dimension() const;

 private:
  std::shared_ptr<ImageEncoder> image_;
  std::shared_ptr<TextEncoder> text_;
  std::shared_ptr<Head> image_head_, text_head_;
  std::shared_ptr<Scorer> scorer_;
  std::shared_ptr<Composer> composer_;
  PairScorer* pair_scorer_;
};

/// Name patterns select parameters and buffers by full name: "model.image" selects the component and all below it, that
/// is, a plain pattern matches at component boundaries ("model.im" matches nothing). In a pattern with *, the star
/// stands for any run of characters, dots included: "model.image.*.bn1", "model.image.features.1*", "*.bias". There is
/// no ?.
bool name_matches(const std::string& pattern, const std::string& name);

/// Freezes what any pattern matches: requires_grad off, and modules whose parameters are all frozen (modules without
/// parameters: whose buffers are) stay in eval mode, so that BatchNorm statistics do not move. Everything else becomes
/// trainable. BatchNorms that `statistics` matches train their scale and shift but keep their statistics.
/// Keep the object while training: call apply_modes() after every train().
class Freezer {
 public:
  /// `root` is named `prefix` ("model") in patterns. throws UsageError for a pattern that matches nothing.
  Freezer(torch::nn::Module& root, const std::string& prefix, const std::vector<std::string>& patterns,
          const std::vector<std::string>& statistics = {});
  /// root.train(), then eval() on the frozen modules.
  void apply_modes();

 private:
  torch::nn::Module& root_;
  std::vector<torch::nn::Module*> frozen_;
};

/// Converts all 4-D parameters to channels-last in place. Call before the optimiser is built.
void to_channels_last(torch::nn::Module& module);

}  // namespace diptych

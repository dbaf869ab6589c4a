#pragma once
#include <torch/nn/module.h>

#include <functional>
#include <utility>

#include "diptych/core/registry.h"
#include "diptych/model/encoded.h"

namespace diptych {

/// What only the run knows of its texts.
struct TextContext {
  int64_t vocabulary_size;  // ids are 0..size-1, 0 = padding, 1 = unknown word
  at::Tensor word_vectors;  // [V, E] float32 or undefined: initial values; rows of zeros = no vector
};

/// Token ids -> features. Registry "text_encoder": bilstm, lstm, gru, bigru, word_mean, word_attention, text_cnn,
/// text_resnet, word_cnn_rnn, char_cnn_rnn; tfidf, hglmm, and word_mean with pca (FittedText below).
class TextEncoder : public torch::nn::Module {
 public:
  /// tokens [B, L] int64 (0 = padding), length [B] int64 in 1..L, on the module's device. Encoded.global [B,
  /// features()], at least float32 also under autocast. Padding never changes the result. With want_local(true):
  /// Encoded.local [B, L, C] = a vector a word, Encoded.mask [B, L] true at real words; text_resnet, word_cnn_rnn and
  /// char_cnn_rnn, which merge words, have fewer places. throws ShapeError if the shapes disagree or, on the CPU, a
  /// length lies outside 1..L.
  virtual Encoded forward(const at::Tensor& tokens, const at::Tensor& length) = 0;
  /// The first half of forward: tokens [B, L] -> a vector a word [B, L, E], in evaluation; and the second. Explanations
  /// differentiate between the two. An encoder without such a middle leaves the first undefined.
  virtual at::Tensor embed_words(const at::Tensor&) { return {}; }
  /// words [B, L, E], length [B]. throws ShapeError unless the encoder has word vectors.
  virtual Encoded encode_words(const at::Tensor&, const at::Tensor&) {
    throw ShapeError("this text encoder has no word vectors");
  }
  virtual int64_t features() const = 0;
  /// C of Encoded.local.
  virtual int64_t local_features() const { return features(); }

  void want_local(bool on) { local_ = on; }
  /// For a while (choosing among many captions): evaluation sees a text once where it otherwise takes the mean over
  /// several views of it, as text_resnet may. Returns what was wanted before.
  bool want_one_view(bool on) { return std::exchange(one_view_, on); }

 protected:
  bool local_ = false, one_view_ = false;
};

/// What a text encoder derives from in addition if part of it is fitted to the training captions in closed form or by
/// expectation maximisation, before and without gradient steps: document frequencies, mixtures, principal axes. What is
/// found are buffers, saved and restored like any other. A stage `fit: {type: text}` (train/fit.h) asks for it.
class FittedText {
 public:
  /// Calls `visit` for every batch of training captions, tokens [B, L] and length [B] on the module's device; the same
  /// batches at every call.
  using Captions =
      std::function<void(const std::function<void(const at::Tensor& tokens, const at::Tensor& length)>& visit)>;

  virtual ~FittedText() = default;
  /// False for an encoder whose options leave nothing to fit.
  virtual bool needs_fit() const = 0;
  /// Whether fit() has been called, or its outcome restored. Before, features are zeros or meaningless, but finite.
  virtual bool fitted() const = 0;
  /// throws UsageError for what cannot be fitted whatever the captions are (no word vectors).
  virtual void check_fit() const {}
  /// Deterministic in captions and seed. throws DataError when the captions are too few.
  virtual void fit(const Captions& captions, uint64_t seed) = 0;
};

using TextEncoderRegistry = Registry<TextEncoder, const TextContext&>;
void register_text_encoders(TextEncoderRegistry& encoders);

}  // namespace diptych

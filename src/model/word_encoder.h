#pragma once
#include <array>

#include "diptych/model/python_piece.h"
#include "diptych/model/text_encoder.h"

namespace diptych {

enum class WordInit { uniform, xavier, normal };
constexpr auto enum_names(WordInit) {
  return std::array{std::pair{WordInit::uniform, "uniform"}, std::pair{WordInit::xavier, "xavier"},
                    std::pair{WordInit::normal, "normal"}};
}

/// What every encoder that starts from word vectors lets one choose.
struct WordOptions {
  int64_t word_dim = 300;
  WordInit word_init = WordInit::uniform;
  double vector_scale = 1, input_dropout = 0, word_dropout = 0;
  static void visit(auto& self, auto& field) {
    field("word_dim", self.word_dim, "dimension of the word vectors", {.lo = 1, .hi = 65536});
    field("word_init", self.word_init,
          "what pretrained vectors do not fill: U(-0.1, 0.1), Xavier uniform, or N(0, 0.1)");
    field("vector_scale", self.vector_scale,
          "factor on pretrained word vectors; narrower ones fill the first of word_dim columns", {.lo = 0, .hi = 100});
    field("input_dropout", self.input_dropout, "share of the word vectors' elements dropped in training",
          {.lo = 0, .hi = 0.99});
    field("word_dropout", self.word_dropout, "probability that a word becomes <unk> in training", {.lo = 0, .hi = 1});
  }
};

/// Base of the text encoders that look words up in a table. Parameter: embedding.weight [V, E], row 0 = padding = 0;
/// "model.text.embedding" selects it in a parameter group.
class WordEncoder : public TextEncoder, public PythonForm {
 public:
  Encoded forward(const at::Tensor& tokens, const at::Tensor& length) override;
  at::Tensor embed_words(const at::Tensor& tokens) override;
  Encoded encode_words(const at::Tensor& words, const at::Tensor& length) override { return encode(words, length); }

  /// throws ShapeError as TextEncoder::forward says.
  static void check_text(const at::Tensor& tokens, const at::Tensor& length);

 protected:
  /// throws UsageError if the word vectors are wider than word_dim, ShapeError if their rows are not the vocabulary's.
  WordEncoder(const WordOptions& options, const TextContext& context);
  /// words [B, L, E] without input_dropout, in any layout: looked up time first; length [B].
  virtual Encoded encode(const at::Tensor& words, const at::Tensor& length) = 0;

  /// In training, words become <unk> with probability word_dropout.
  at::Tensor drop_words(const at::Tensor& tokens) const;
  at::Tensor drop_input(const at::Tensor& words) const;
  int64_t vocabulary() const { return words_.size(0); }
  int64_t word_dim() const { return words_.size(1); }
  at::TensorOptions number() const { return words_.options(); }

 private:
  double input_dropout_, word_dropout_;
  at::Tensor words_;  // [V, E]
};

/// length [B] -> [B, steps] bool, true at words.
at::Tensor real_words(const at::Tensor& length, int64_t steps);

}  // namespace diptych

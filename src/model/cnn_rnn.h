#pragma once
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <vector>

#include "model/word_encoder.h"

namespace diptych {

/// A convolution without padding, a threshold, and where pool > 1 a maximum over `pool` places, every `stride`-th.
struct CnnRnnLayer {
  int64_t filters, kernel, pool = 1, stride = 1;
};

/// The tail of both text encoders of Reed et al. (CVPR 2016): convolutions over a fixed number of places, a recurrent
/// network over the few that are left, the mean of its states, a linear map.
///
///   x <- max-pool(t(conv(x))) per layer, t(v) = v above 1e-6, otherwise 0
///   h_s = max(0, W x_s + b + U h_(s-1) + c), h_0 = 0;  sentence = A (mean of all h_s) + a
///
/// Places beyond the text hold zeros and count as the published networks count them: the biases see them, and the mean
/// is over all steps. So the sentence depends on the text and the number of places, not on the batch's padding; of a
/// longer text the first places are read.
///
/// One deviation: torch.nn.RNN's recurrence, kept so that weights travel, adds c at the first step too;
/// reedscot/cvpr2016 (modules/FixedRNN.lua) does from the second on.
///
/// Every parameter starts from U(-0.08, 0.08), as published. Parameters: convs.i.{weight, bias}, rnn.{weight_ih_l0,
/// weight_hh_l0, bias_ih_l0, bias_hh_l0} as torch.nn.RNN names them, linear.{weight, bias}.
class CnnRnn : public torch::nn::Module {
 public:
  CnnRnn(int64_t channels, int64_t places, std::vector<CnnRnnLayer> layers, int64_t hidden, int64_t features);
  /// words [B, L, C] in any layout, length [B] -> global [B, F]; if `local`, the states [B, S, H], real (and otherwise
  /// zero) where the first place that a step sees holds a word.
  Encoded forward(const at::Tensor& words, const at::Tensor& length, bool local);
  /// The class and the expression that makes this one.
  PythonPiece python() const;

 private:
  at::Tensor placed(const at::Tensor& words, const at::Tensor& length) const;  // [B, C, places]
  at::Tensor states(const at::Tensor& input) const;                            // [B, S, C] -> [B, S, H]

  int64_t places_;
  std::vector<CnnRnnLayer> layers_;
  std::vector<torch::nn::Conv1d> convs_;
  at::Tensor input_weight_, state_weight_, input_bias_, state_bias_;
  torch::nn::Linear linear_{nullptr};
};

/// Word-CNN-RNN of Reed et al.: kernels of 3, 2 and 2 words with a pooling of 3 after the second, 30 words -> 8 steps.
/// The released code lets the first kernel see one-hot words, a weight for each word of the vocabulary; here it sees
/// the vectors of a learned table, as in our other encoders, which pretrained ones can fill. Thresholds, recurrent
/// network and linear map as for characters. Parameters: embedding.weight and net.* of CnnRnn.
class WordCnnRnn : public WordEncoder {
 public:
  struct Options : WordOptions {
    int64_t length = 30, filters = 512, hidden = 512, features = 1024;
    static void visit(auto& self, auto& field) {
      WordOptions::visit(self, field);
      field("length", self.length, "words that are read; shorter texts are filled up with zeros",
            {.lo = 9, .hi = 4096});
      field("filters", self.filters, "filters of each of the three convolutions", {.lo = 1, .hi = 65536});
      field("hidden", self.hidden, "units of the recurrent network", {.lo = 1, .hi = 65536});
      field("features", self.features, "numbers of a sentence, after the linear map", {.lo = 1, .hi = 65536});
    }
  };
  WordCnnRnn(const Options& options, const TextContext& context);
  int64_t features() const override { return options_.features; }
  int64_t local_features() const override { return options_.hidden; }
  PythonPiece python() const override;

 protected:
  Encoded encode(const at::Tensor& words, const at::Tensor& length) override;

 private:
  Options options_;
  std::shared_ptr<CnnRnn> net_;
};

/// Char-CNN-RNN of Reed et al.: every entry of the vocabulary after the four special ones is a channel, 1 where it
/// stands (Vocabulary::alphabet: 70), so that unknown characters are columns of zeros; three kernels of 4 characters,
/// each with a pooling of 3, 201 characters -> 8 steps. Parameters: net.* of CnnRnn. The "word vectors" of embed_words
/// are these columns.
class CharCnnRnn : public TextEncoder, public PythonForm {
 public:
  struct Options {
    int64_t length = 201, hidden = 256, features = 1024;
    std::vector<int64_t> filters{384, 512, 256};
    static void visit(auto& self, auto& field) {
      field("length", self.length,
            "characters that are read; shorter texts are filled up with zeros (data.text.max_length cuts before)",
            {.lo = 66, .hi = 4096});
      field("filters", self.filters, "filters of the three convolutions", {.lo = 1, .hi = 65536});
      field("hidden", self.hidden, "units of the recurrent network", {.lo = 1, .hi = 65536});
      field("features", self.features, "numbers of a sentence, after the linear map", {.lo = 1, .hi = 65536});
    }
    void validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
      if (filters.size() != 3)
        complaints.add(origin, concat(path, ".filters has ", filters.size(), " numbers, needed are three"));
    }
  };
  CharCnnRnn(const Options& options, const TextContext& context);
  Encoded forward(const at::Tensor& tokens, const at::Tensor& length) override;
  at::Tensor embed_words(const at::Tensor& tokens) override;
  Encoded encode_words(const at::Tensor& words, const at::Tensor& length) override;
  int64_t features() const override { return options_.features; }
  int64_t local_features() const override { return options_.hidden; }
  PythonPiece python() const override;

 private:
  Options options_;
  int64_t characters_;
  std::shared_ptr<CnnRnn> net_;
};

}  // namespace diptych

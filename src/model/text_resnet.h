#pragma once
#include <torch/nn/modules/batchnorm.h>

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "model/pooling.h"
#include "model/word_encoder.h"

namespace diptych {

enum class TestShifts { first, all };
constexpr auto enum_names(TestShifts) {
  return std::array{std::pair{TestShifts::first, "first"}, std::pair{TestShifts::all, "all"}};
}

/// The deep residual text CNN of dual path (Zheng et al., TOMM 2020): `length` places hold the words' vectors and zeros
/// elsewhere; BN without activation; then bottleneck blocks of kernels of one and two places,
///
///   channels    128-128-256, 2 x 64-64-256 | 512-512-512, 3 x 128-128-512 | 1024-1024-1024, 5 x 256-256-1024 |
///   places              L                  |             L/2              |               L/4                |
///               2048-2048-2048                                                  pooled over the L/4 places
///
/// each conv-BN-ReLU, conv-BN-ReLU, conv-BN, plus its input (projected where channels change), ReLU. The kernel of two
/// sees a place and the one before it; the stride of a block is its and the projection's. No convolution has a bias
/// (nor has the word layer: the BN after it would take it away again). BN eps 1e-3, weights N(0, 2 / fan-in).
///
/// Where the words stand counts. In training they start at a random place, so that the network cannot learn a place by
/// heart; in evaluation at the first, or everywhere in turn: the mean over all starts. Behind an affine head and a
/// cosine that mean is the published sum of the embeddings over all shifts.
///
/// Parameters: embedding.weight, bn, blocks.i.{conv1, bn1, conv2, bn2, conv3, bn3, downsample.0, downsample.1}. Local
/// features are the L/4 places, real where one of their four places holds a word; with `all`, of the first start.
class TextResNet : public WordEncoder {
 public:
  struct Options : WordOptions {
    int64_t length = 32;
    double width = 1;
    bool zero_init = false;
    bool shift = true;
    TestShifts test_shifts = TestShifts::first;
    Pooling pool = Pooling::max;
    PoolingOptions pooling;
    Options() { word_init = WordInit::normal; }
    static void visit(auto& self, auto& field) {
      WordOptions::visit(self, field);
      field("length", self.length,
            "places, a multiple of 4; of a longer text the first words are read (Flickr30k, COCO: 32; CUHK-PEDES: 56)",
            {.lo = 4, .hi = 4096});
      field("width", self.width, "multiplies every block's channels; 1: 2048 features", {.lo = 0.01, .hi = 4});
      field("zero_init", self.zero_init,
            "before training every block passes its input on, its last BN has a scale of 0 (Goyal et al. 2017). "
            "With 1, as published, a few hundred steps teach the network nothing");
      field("shift", self.shift, "position shift: in training the words start at a random place");
      field("test_shifts", self.test_shifts,
            "in evaluation the words start at the first place, or features are the mean over all places where they can "
            "start (20 times the work)");
      field("pool", self.pool, "last places -> sentence: see bilstm; places without words take part");
      field("pooling", self.pooling, "constants of the poolings that have some");
    }
    void validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
      if (length % 4) complaints.add(origin, concat(path, ".length = ", length, ": expected a multiple of 4"));
    }
  };
  TextResNet(const Options& options, const TextContext& context);
  Encoded forward(const at::Tensor& tokens, const at::Tensor& length) override;
  int64_t features() const override { return pool_->features(channels_); }
  int64_t local_features() const override { return channels_; }
  PythonPiece python() const override;

 protected:
  Encoded encode(const at::Tensor& words, const at::Tensor& length) override;

 private:
  class Block;
  /// Which word stands at each place: index [b, length] into the text, real [b, length].
  struct Places {
    at::Tensor index, real;
  };
  /// rows [b], or undefined for all -> word vectors at the places [b, length, E], zeros where there is none.
  using Fill = std::function<at::Tensor(const Places&, const at::Tensor& rows)>;
  Places places(const at::Tensor& length, const at::Tensor& start, int64_t steps) const;
  Encoded encode_places(const at::Tensor& words, const at::Tensor& real);
  Encoded encode_started(const at::Tensor& length, int64_t steps, const Fill& fill);
  Encoded encode_everywhere(const at::Tensor& length, int64_t steps, const Fill& fill);

  Options options_;
  int64_t channels_ = 0;
  torch::nn::BatchNorm1d bn_{nullptr};
  std::vector<std::shared_ptr<Block>> blocks_;
  std::shared_ptr<Pool> pool_;
};

}  // namespace diptych

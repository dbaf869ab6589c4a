#pragma once
#include <torch/nn/modules/conv.h>

#include <memory>
#include <vector>

#include "model/pooling.h"
#include "model/word_encoder.h"

namespace diptych {

/// Convolutions of several widths side by side over the words, ReLU, pooling over the words, all side by side. A kernel
/// of k words has its output at word t from words t-(k-1)/2 ... t+k/2, zeros beyond both ends of the sentence.
/// Parameters: embedding.weight, convs.i.{weight, bias}, and pool.* where pooling has some. Local features are the
/// outputs at each word.
class TextCnn : public WordEncoder {
 public:
  struct Options : WordOptions {
    int64_t filters = 256;
    std::vector<int64_t> kernels{2, 3, 4, 5};
    Pooling pool = Pooling::max;
    PoolingOptions pooling;
    static void visit(auto& self, auto& field) {
      WordOptions::visit(self, field);
      field("filters", self.filters, "filters of each kernel width; features are as many times the widths",
            {.lo = 1, .hi = 65536});
      field("kernels", self.kernels, "widths of the kernels, in words", {.lo = 1, .hi = 64});
      field("pool", self.pool, "outputs at the words -> sentence, over the real words: see bilstm");
      field("pooling", self.pooling, "constants of the poolings that have some");
    }
    void validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
      if (kernels.empty()) complaints.add(origin, path + ".kernels is empty: at least one width is needed");
    }
  };
  TextCnn(const Options& options, const TextContext& context);
  int64_t features() const override { return pool_->features(channels()); }
  int64_t local_features() const override { return channels(); }
  PythonPiece python() const override;

 protected:
  Encoded encode(const at::Tensor& words, const at::Tensor& length) override;

 private:
  int64_t channels() const { return options_.filters * static_cast<int64_t>(options_.kernels.size()); }
  Options options_;
  std::vector<torch::nn::Conv1d> convs_;
  std::shared_ptr<Pool> pool_;
};

}  // namespace diptych

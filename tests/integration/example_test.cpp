// The README's worked example: a loss and two encoders of one's own, registered beside the built-in ones and used from
// a configuration.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "diptych/train/experiment.h"
#include "diptych/train/objective.h"
#include "support/gradcheck.h"

namespace diptych {
namespace {

struct MarginOptions {
  double margin = 0.2;
  static void visit(auto& self, auto& field) {  // name, default, meaning and range, said once
    field("margin", self.margin, "how far a pair must beat the mean of its rivals", Field{.lo = 0, .hi = 2});
  }
};

class MeanMarginLoss final : public Loss {
 public:
  using Options = MarginOptions;
  MeanMarginLoss(const Options& options, const LossContext&) : options_(options) {}
  bool needs_embeddings() const override { return false; }
  bool needs_scores() const override { return true; }
  LossValue forward(const LossInput& input) override {
    const at::Tensor pairs = input.scores.diag();  // [B]
    const at::Tensor x_to_y = (options_.margin + input.scores.mean(1) - pairs).clamp_min(0).mean();
    const at::Tensor y_to_x = (options_.margin + input.scores.mean(0) - pairs).clamp_min(0).mean();
    return {x_to_y + y_to_x, x_to_y, y_to_x};
  }

 private:
  Options options_;
};

/// Mean colour of each of four quadrants.
class ColourEncoder final : public ImageEncoder {
 public:
  struct Options {
    static void visit(auto&, auto&) {}
  };
  explicit ColourEncoder(const Options&) {}
  Encoded forward(const at::Tensor& image) override {
    return {at::adaptive_avg_pool2d(image, {2, 2}).flatten(1), {}, {}};
  }
  at::Tensor feature_map(const at::Tensor& image) override { return image; }
  int64_t features() const override { return 12; }
  const std::string& weights() const override { return none_; }

 private:
  std::string none_;
};

/// Sum of word vectors.
class WordSumEncoder final : public TextEncoder {
 public:
  struct Options {
    int64_t dim = 8;
    static void visit(auto& self, auto& field) {
      field("dim", self.dim, "dimension of a word", Field{.lo = 1, .hi = 4096});
    }
  };
  WordSumEncoder(const Options& options, const TextContext& context)
      : dim_(options.dim),
        words_(register_module(
            "words", torch::nn::Embedding(torch::nn::EmbeddingOptions(context.vocabulary_size, dim_).padding_idx(0)))) {
  }
  Encoded forward(const at::Tensor& tokens, const at::Tensor&) override { return {words_(tokens).sum(1), {}, {}}; }
  int64_t features() const override { return dim_; }

 private:
  int64_t dim_;
  torch::nn::Embedding words_;
};

class Example : public ::testing::Test {
 protected:
  Example() {
    catalog.losses.add<MeanMarginLoss>("mean_margin", "hinge against the mean of the batch");
    catalog.image_encoders.add<ColourEncoder>("colours", "mean colour of four quadrants");
    catalog.text_encoders.add<WordSumEncoder>("word_sum", "sum of word vectors");
  }
  Catalog catalog;
};

TEST_F(Example, IsChosenFromAConfiguration) {
  const Experiment experiment =
      read_experiment(catalog, parse_config("model: {image: {type: colours}, text: {type: word_sum, dim: "
                                            "4}}\nobjective: [{type: mean_margin, margin: 0.3}]\n",
                                            "example"));
  EXPECT_EQ(experiment.model.image.make()->features(), 12);
  EXPECT_EQ(experiment.model.text.make(TextContext{10, {}})->features(), 4);
  Objective objective(experiment.objective, LossContext{8, 2});
  LossInput input;
  input.scores = torch::tensor({{0.9, 0.1}, {0.3, 0.5}}, at::kDouble);
  // rows: 0.3 + 0.5 - 0.9 < 0; 0.3 + 0.4 - 0.5 = 0.2; columns: 0.3 + 0.6 - 0.9 = 0; 0.3 + 0.3 - 0.5 = 0.1; means 0.1 +
  // 0.05
  EXPECT_NEAR(objective.forward(input, {1.0}).total.item<double>(), 0.15, 1e-12);
}

TEST_F(Example, ItsRangeIsChecked) {
  EXPECT_THROW(read_experiment(catalog, parse_config("objective: [{type: mean_margin, margin: 3}]\n", "example")),
               UsageError);
}

TEST_F(Example, ItsGradientIsRight) {
  MeanMarginLoss loss(MarginOptions{}, LossContext{2, 2});
  const auto value = [&](const at::Tensor& scores) {
    LossInput input;
    input.scores = scores;
    return loss.forward(input).total;
  };
  testing::expect_gradients(value, torch::tensor({{0.4, 0.35, 0.1}, {0.2, 0.1, 0.3}, {0.2, 0.5, 0.6}}, at::kDouble));
}

}  // namespace
}  // namespace diptych

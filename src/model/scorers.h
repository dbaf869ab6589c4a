#pragma once
#include <array>
#include <memory>

#include "diptych/model/python_piece.h"
#include "diptych/model/scorer.h"

namespace diptych {

class CosineScorer : public Scorer, public PythonForm {
 public:
  struct Options {
    static void visit(auto&, auto&) {}
  };
  CosineScorer(const Options&, const ScorerContext&) {}
  at::Tensor forward(const at::Tensor& x, const at::Tensor& y) override;
  at::Tensor evidence(const at::Tensor& x, const at::Tensor& y) override;
  at::Tensor prepare(const at::Tensor& embeddings, bool is_query) const override;
  PythonPiece python() const override;
  std::string describe() const override { return "cosine"; }
};

class DotScorer : public Scorer, public PythonForm {
 public:
  using Options = CosineScorer::Options;
  DotScorer(const Options&, const ScorerContext&) {}
  at::Tensor forward(const at::Tensor& x, const at::Tensor& y) override;
  at::Tensor prepare(const at::Tensor& embeddings, bool is_query) const override;
  PythonPiece python() const override;
  std::string describe() const override { return "dot"; }
};

class NegL2Scorer : public Scorer, public PythonForm {
 public:
  struct Options {
    bool squared = true;
    static void visit(auto& self, auto& field) {
      field("squared", self.squared, "-|x - y|^2; false: -|x - y|, which ranks alike but trains differently");
    }
  };
  NegL2Scorer(const Options& options, const ScorerContext&) : options_(options) {}
  at::Tensor forward(const at::Tensor& x, const at::Tensor& y) override;
  at::Tensor prepare(const at::Tensor& embeddings, bool is_query) const override;
  at::Tensor from_products(const at::Tensor& products) const override;
  PythonPiece python() const override;
  std::string describe() const override { return options_.squared ? "neg_l2 squared" : "neg_l2"; }

 private:
  Options options_;
};

enum class ScaledKernel { dot, neg_l2 };
constexpr auto enum_names(ScaledKernel) {
  return std::array{std::pair{ScaledKernel::dot, "dot"}, std::pair{ScaledKernel::neg_l2, "neg_l2"}};
}

/// dot or neg_l2 of s x / |x| and s y / |y|, with one learned number s for both sides (Vo et al., CVPR 2019): s^2
/// cosines, -s^2 times the squared distance of unit rows, or -|s| times their distance. A row without length (below
/// 1e-8) stays 0. Parameters: scale.
class NormScaleScorer : public Scorer, public PythonForm {
 public:
  struct Options {
    double scale = 4;
    ScaledKernel kernel = ScaledKernel::dot;
    bool squared = true;
    static void visit(auto& self, auto& field) {
      field("scale", self.scale, "s before training (Vo et al. 2019, code: 4)", {.lo = 1e-3, .hi = 1e3});
      field("kernel", self.kernel, "inner product, or negative Euclidean distance, of the scaled unit rows");
      field("squared", self.squared, "with kernel: neg_l2, -|x - y|^2 (the code's); false: -|x - y|");
    }
  };
  NormScaleScorer(const Options& options, const ScorerContext& context);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& y) override;
  at::Tensor evidence(const at::Tensor& x, const at::Tensor& y) override;
  at::Tensor prepare(const at::Tensor& embeddings, bool is_query) const override;
  at::Tensor from_products(const at::Tensor& products) const override { return kernel_->from_products(products); }
  PythonPiece python() const override;
  std::string describe() const override { return "norm_scale " + kernel_->describe(); }

 private:
  Options options_;
  at::Tensor scale_;                // []
  std::shared_ptr<Scorer> kernel_;  // has no parameters
};

}  // namespace diptych

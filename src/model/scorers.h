#pragma once
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
  PythonPiece python() const override;
  std::string describe() const override { return options_.squared ? "neg_l2 squared" : "neg_l2"; }

 private:
  Options options_;
};

}  // namespace diptych

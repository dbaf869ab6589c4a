#pragma once
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>

#include "diptych/model/composer.h"
#include "diptych/model/scorer.h"

namespace diptych {

/// ARTEMIS (Delmas et al., ICLR 2022). Text m, reference image r and target y, each an embedding of D numbers; the text
/// weighs the dimensions in which the target is compared with the text (explicit matching) and with the reference
/// (implicit similarity):
///
///   score = s (<Tr(m), u(A_EM(m) * y)> + <u(A_IS(m) * r), u(A_IS(m) * y)>),   u(v) = v / |v|
///
/// A = FC - ReLU - FC - softmax over the D dimensions, Tr = FC, to unit length as in the published code, s one learned
/// number. The lengths depend on query and target together, so that no vector of D numbers stands for a query; four of
/// them do:
///
///   q = [Tr(m) * a; a^2; u(b * r) * b; b^2],   a = D A_EM(m), b = D A_IS(m)
///   score = s (<y, q_1> / sqrt(<y^2, q_2>) + <y, q_3> / sqrt(<y^2, q_4>))
///
/// The factor D brings the weights to a mean of 1; u does not see it. The composer makes q and the scorer reads it:
/// JointModel refuses one without the other.
///
/// Parameters: transform; explicit_matching and implicit_similarity by position.
class ArtemisComposer : public Composer {
 public:
  struct Options {
    bool unit_text = true;
    static void visit(auto& self, auto& field) {
      field("unit_text", self.unit_text,
            "scale the transformed text to length 1 (Delmas et al. 2022, code); false: a linear transformation alone. "
            "Goes with model.scorer: {type: artemis}");
    }
  };
  ArtemisComposer(const Options& options, const ComposerContext& context);
  /// [B, 4D]: q.
  Composed forward(const ComposerInput& input) override;
  int64_t query_dimension(int64_t dimension) const override { return 4 * dimension; }

 private:
  int64_t dimension_;
  bool unit_text_;
  torch::nn::Linear transform_{nullptr};
  torch::nn::Sequential explicit_matching_{nullptr}, implicit_similarity_{nullptr};
};

/// The score above, of images y and queries q. A quotient whose root is below 1e-8 counts as 0 and has no gradient.
/// Parameters: log_scale [], log s.
class ArtemisScorer : public Scorer {
 public:
  struct Options {
    double temperature = 0.07;
    static void visit(auto& self, auto& field) {
      field("temperature", self.temperature,
            "divides the scores before training, which then learns the logarithm of its inverse (Delmas et al. 2022, "
            "code: 0.07). Goes with model.composer: {type: artemis}",
            {.lo = 1e-4, .hi = 1e4});
    }
  };
  ArtemisScorer(const Options& options, const ScorerContext& context);
  /// Images [N, D] and queries [M, 4D] -> [N, M], or queries [N, 4D] and images [M, D] -> [N, M]: which is which shows
  /// in the width. throws ShapeError for any other two.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& y) override;
  bool indexable() const override { return false; }
  /// throws ShapeError: no dot product gives these scores.
  at::Tensor prepare(const at::Tensor& embeddings, bool is_query) const override;
  int64_t query_dimension(int64_t dimension) const override { return 4 * dimension; }
  /// q_1 + q_3: what the score would be a dot product with if every target had the same weighted lengths.
  at::Tensor places(const at::Tensor& queries) const override;
  std::string describe() const override { return "artemis"; }

 private:
  at::Tensor of_images(const at::Tensor& images, const at::Tensor& queries) const;

  int64_t dimension_;
  at::Tensor log_scale_;
};

}  // namespace diptych

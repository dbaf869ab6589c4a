#pragma once
#include "diptych/loss/loss_value.h"

namespace diptych {

enum class CmpmDirection { p_from_q, q_from_p };
constexpr auto enum_names(CmpmDirection) {
  return std::array{std::pair{CmpmDirection::p_from_q, "p||q"}, std::pair{CmpmDirection::q_from_p, "q||p"}};
}
enum class TargetNorm { l1, l2 };
constexpr auto enum_names(TargetNorm) {
  return std::array{std::pair{TargetNorm::l1, "l1"}, std::pair{TargetNorm::l2, "l2"}};
}

struct CmpmOptions {
  CmpmDirection direction = CmpmDirection::p_from_q;
  TargetNorm target_norm = TargetNorm::l1;
  double eps = 1e-8;
  double tau = 1;
  bool normalize_both = false;
  Positives positives = Positives::labels;
  static void visit(auto& self, auto& field) {
    field("direction", self.direction, "KL(p||q), the paper's (Zhang and Lu 2018), or KL(q||p) of its ablation");
    field("target_norm", self.target_norm,
          "row norm of the match matrix: l1 is the paper's distribution, l2 that of a widely copied port");
    field("eps", self.eps, "added to both denominators of the logarithm (Zhang and Lu 2018: 1e-8)",
          {.lo = 1e-12, .hi = 1e-2});
    field("tau", self.tau, "temperature of the softmax; 1 in CMPM, 0.02 in SDM (Jiang and Ye 2023)",
          {.lo = 1e-4, .hi = 1e4});
    field("normalize_both", self.normalize_both,
          "cosines instead of projections; true together with tau 0.02 is SDM (Jiang and Ye 2023)");
    field("positives", self.positives, "who matches: rows with the same label, or only the own pair (ablation)");
  }
};

/// Cross-modal projection matching: the distribution of projections against the distribution of matches.
///
///   p_ij = softmax_j(x_i . ybar_j / tau),  r_ij = softmax_j(y_i . xbar_j / tau),  bar = unit rows
///   q_ij = [l_i = l_j] / sum_k [l_i = l_k]          (target_norm l2: divided by the root of the count)
///   p||q:  L = 1/B sum_ij p_ij log(eps + p_ij / (q_ij + eps)) + the same of r     (Zhang and Lu, ECCV 2018)
///   q||p:  L = 1/B sum_ij q_ij log(eps + q_ij / (p_ij + eps)) + the same of r
///   normalize_both: x_i, y_i are unit rows too; with tau = 0.02 this is SDM (Jiang and Ye, CVPR 2023)
///
/// x, y     [B, D], not normalised: the length of x_i is the inverse temperature of its row
/// returns  x_to_y = mean over B of KL of p, y_to_x = of r, total = their sum; may be -1e-7 when all labels are equal
///
/// An image that stands in several rows is a match of all its captions, and all its rows are matches of each caption:
/// the target gives each 1/count. With positives: diagonal they are each other's negatives. source: the paper;
/// YingZhangDUT/Cross-Modal-Projection-Learning for eps, but labels are compared as integers.
LossValue cmpm_loss(const at::Tensor& x, const at::Tensor& y, const at::Tensor& label, const CmpmOptions& options = {});

struct SdmOptions {
  CmpmDirection direction = CmpmDirection::p_from_q;
  double tau = 0.02;
  double eps = 1e-8;
  Positives positives = Positives::labels;
  static void visit(auto& self, auto& field) {
    field("direction", self.direction, "KL(p||q) (Jiang and Ye 2023), or KL(q||p)");
    field("tau", self.tau, "temperature of the softmax (Jiang and Ye 2023: 0.02)", {.lo = 1e-4, .hi = 1e4});
    field("eps", self.eps, "added to both denominators of the logarithm (Jiang and Ye 2023: 1e-8)",
          {.lo = 1e-12, .hi = 1e-2});
    field("positives", self.positives, "who matches: rows with the same label, or only the own pair");
  }
};

/// Similarity distribution matching: CMPM of cosines with a temperature and targets that sum to 1, i.e. cmpm_loss with
/// normalize_both, target_norm l1 and tau = 0.02 (Jiang and Ye, CVPR 2023). Independent of the embeddings' lengths.
///
/// x, y     [B, D], not normalised
/// returns  as cmpm_loss
LossValue sdm_loss(const at::Tensor& x, const at::Tensor& y, const at::Tensor& label, const SdmOptions& options = {});

}  // namespace diptych

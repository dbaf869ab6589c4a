#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <optional>
#include <string>
#include <utility>

// Losses as free functions on tensors. x are images, y texts; row i of x and row i of y are a pair unless said
// otherwise.
//
// Common to all:
//  - x, y [B, D] float32 or float64 embeddings, NOT normalised unless the function says that it does not matter;
//    scores [B, B], s_ij = similarity of x_i and y_j, higher is better. float16 and bfloat16 are computed in float32.
//    Call outside of an autocast scope.
//  - label [B] int64, compared as integers: equal labels = a match. A batch may hold several captions of one image: its
//    image then stands in several rows with one label, and each function says what it does with such rows.
//  - the result is [] per direction and in total, differentiable in every floating tensor that goes in.
//  - a row of x or y without length (norm < 1e-8) has no direction: its unit row is zero and gets no gradient, so that
//    gradients stay bounded.
//  - throws ShapeError for shapes that do not fit or an empty batch. A batch of one is legal.

namespace diptych {

struct Origin;
class Complaints;

/// Each direction separately and the total (what is differentiated). x_to_y and y_to_x may be undefined for losses
/// without directions, or for a direction that is switched off.
struct LossValue {
  at::Tensor total, x_to_y, y_to_x;  // [] float32, or float64 of float64 inputs
};

/// Who matches whom in a batch: only the pair itself, or every row with the same label.
enum class Positives { diagonal, labels };
constexpr auto enum_names(Positives) {
  return std::array{std::pair{Positives::diagonal, "diagonal"}, std::pair{Positives::labels, "labels"}};
}

// --- CMPM ------------------------------------------------------------------------------------------------------------

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

// --- classification --------------------------------------------------------------------------------------------------

enum class CmpcVariant { cmpc, norm_ce, ce };
constexpr auto enum_names(CmpcVariant) {
  return std::array{std::pair{CmpcVariant::cmpc, "cmpc"}, std::pair{CmpcVariant::norm_ce, "norm_ce"},
                    std::pair{CmpcVariant::ce, "ce"}};
}

struct CmpcOptions {
  CmpcVariant variant = CmpcVariant::cmpc;
  bool normalize = false;
  double scale = 1;
  double margin = 0;
  double label_smoothing = 0;
  static void visit(auto& self, auto& field) {
    field("variant", self.variant,
          "cmpc: projections on the partner, unit classifier columns (Zhang and Lu 2018); norm_ce: raw features, "
          "unit columns; ce: plain softmax");
    field("normalize", self.normalize,
          "unit features before anything else (NormFace, Wang et al. 2017); false in CMPC");
    field("scale", self.scale, "multiplies the logits; 1 in CMPC, 28 or so with normalize (NormFace, Wang et al. 2017)",
          {.lo = 1e-3, .hi = 1e3});
    field("margin", self.margin, "taken off the true class's logit before scaling (CosFace, Wang et al. 2018: 0.35)",
          {.lo = 0, .hi = 100});
    field("label_smoothing", self.label_smoothing, "share of the target spread over all classes (Szegedy et al. 2016)",
          {.lo = 0, .hi = 0.99});
  }
};

/// Cross-modal projection classification: each view, projected on its partner, is classified by unit columns.
///
///   xhat_i = (x_i . ybar_i) ybar_i,   yhat_i = (y_i . xbar_i) xbar_i        (own pair only)
///   L = CE(s (xhat Wbar - m onehot), l) + CE(s (yhat Wbar - m onehot), l)   (Zhang and Lu, ECCV 2018)
///   variant norm_ce: x, y in place of xhat, yhat; variant ce: W in place of Wbar, too
///
/// x, y     [B, D], not normalised
/// label    [B] int64 in [0, C)
/// weight   [D, C], no bias; columns are normalised on the fly, a zero column scores 0
/// returns  x_to_y = mean CE of the image side, y_to_x = of the text side, total = their sum
/// throws   ShapeError also for labels outside [0, C) (checked on CPU tensors)
///
/// Rows are independent: an image in several rows counts once per caption. One product serves both views, so the
/// weight's gradient is written once (it is what costs when C = 100,000).
/// source: the paper; W without bias and Xavier as in YingZhangDUT/Cross-Modal-Projection-Learning.
LossValue cmpc_loss(const at::Tensor& x, const at::Tensor& y, const at::Tensor& label, const at::Tensor& weight,
                    const CmpcOptions& options = {});

/// A linear classifier: weight [D, C], bias [C] or undefined.
struct Classifier {
  at::Tensor weight, bias;
};

/// Instance loss: every image with its captions is a class of its own, and both views are classified.
///
///   L = CE(x W_x + b_x, l) + text_weight CE(y W_y + b_y, l)            (Zheng et al., TOMM 2020)
///
/// x, y             [B, D] features after dropout
/// label            [B] int64 in [0, C)
/// image, text      classifiers; the paper shares one (pass it twice: it is then multiplied once)
/// label_smoothing  in [0, 1)
/// returns          x_to_y = mean CE of the images, y_to_x = of the texts (before text_weight), total
/// throws           ShapeError also for labels outside [0, C) (checked on CPU tensors)
///
/// Rows are independent: an image in several rows counts once per caption.
LossValue instance_loss(const at::Tensor& x, const at::Tensor& y, const at::Tensor& label, const Classifier& image,
                        const Classifier& text, double text_weight = 1, double label_smoothing = 0);

// --- hinges ----------------------------------------------------------------------------------------------------------

enum class Mining { sum, hardest, semi_hard, topk_mean, random };
constexpr auto enum_names(Mining) {
  return std::array{std::pair{Mining::sum, "sum"}, std::pair{Mining::hardest, "hardest"},
                    std::pair{Mining::semi_hard, "semi_hard"}, std::pair{Mining::topk_mean, "topk_mean"},
                    std::pair{Mining::random, "random"}};
}
enum class BatchReduction { sum, mean };
constexpr auto enum_names(BatchReduction) {
  return std::array{std::pair{BatchReduction::sum, "sum"}, std::pair{BatchReduction::mean, "mean"}};
}
enum class RankDirection { both, i2t, t2i };
constexpr auto enum_names(RankDirection) {
  return std::array{std::pair{RankDirection::both, "both"}, std::pair{RankDirection::i2t, "i2t"},
                    std::pair{RankDirection::t2i, "t2i"}};
}

struct TripletOptions {
  double margin = 0.2;
  Mining mining = Mining::hardest;
  std::optional<int64_t> k = std::nullopt;
  bool mask_same_label = true;
  BatchReduction reduction = BatchReduction::sum;
  RankDirection direction = RankDirection::both;
  static void visit(auto& self, auto& field) {
    field("margin", self.margin, "hinge margin in units of the scores (Faghri et al. 2018: 0.2 with cosines)",
          {.lo = 0, .hi = 1e3});
    field("mining", self.mining,
          "which negatives of a row count: all (Kiros et al. 2014), the hardest (Faghri et al. 2018), the hardest "
          "below the "
          "positive (Schroff et al. 2015), the mean of the k largest hinges (Wang et al. 2018), one drawn at random");
    field("k", self.k, "how many hinges topk_mean averages, zeros included (Wang et al. 2018: 10); null otherwise",
          {.lo = 1, .hi = 1e6});
    field("mask_same_label", self.mask_same_label,
          "rows with the anchor's label are never negatives; false as in VSE++'s code (Faghri et al. 2018)");
    field("reduction", self.reduction, "over the anchors of the batch: sum (Faghri et al. 2018) or mean");
    field("direction", self.direction, "both, images as anchors only (i2t), or texts as anchors only (t2i; ablation)");
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const;
};

/// Bi-directional hinge over the negatives of a batch.
///
///   image anchor i: agg_j [m + s_ij - s_ii]+,   text anchor j: agg_i [m + s_ij - s_jj]+,   i != j, unmasked
///   agg = sum (Kiros et al. 2014; Faghri et al., BMVC 2018, eq. 5) | max (hardest, eq. 6)
///       | max over s_neg < s_pos, 0 if there is none (semi_hard; Schroff et al., CVPR 2015)
///       | mean of the k largest hinges, zeros included, k at most the anchor's negatives (topk_mean; Wang et al. 2018)
///       | one negative, uniformly, from torch's generator (random)
///
/// scores   [B, B], pairs on the diagonal; cosines if the default margin is to mean what it means in the papers
/// returns  x_to_y = image anchors, y_to_x = text anchors, each summed (reduction mean: divided by B); total = their
/// sum throws   ShapeError also for topk_mean without k
///
/// An anchor without negatives (batch of one, all labels equal) gives 0. With mask_same_label the other captions of an
/// image, and the other rows in which it stands, are not negatives; without it they are, as in fartashf/vsepp, and a
/// repeated image costs the whole margin for ever. Positives are the diagonal in either case.
/// Equal hinges share the gradient of `hardest` equally.
LossValue triplet_loss(const at::Tensor& scores, const at::Tensor& label, const TripletOptions& options = {});

struct StructurePreservingOptions {
  double margin = 0.05;
  int64_t top_k = 10;
  double image_to_text = 1;
  double text_to_image = 1.5;
  double text_text = 0.05;
  double image_image = 0;
  bool normalize = true;
  static void visit(auto& self, auto& field) {
    field("margin", self.margin, "hinge margin in units of distance (Wang et al. 2018: 0.05; 2016: 0.1)",
          {.lo = 0, .hi = 1e3});
    field("top_k", self.top_k, "violations that count per anchor, zeros included (Wang et al. 2018: 10)",
          {.lo = 1, .hi = 1e6});
    field("image_to_text", self.image_to_text, "weight of image anchors against texts (Wang et al. 2018: 1)",
          {.lo = 0, .hi = 1e3});
    field("text_to_image", self.text_to_image, "weight of text anchors against images (Wang et al. 2018: 1.5)",
          {.lo = 0, .hi = 1e3});
    field("text_text", self.text_text, "weight of the structure among texts (Wang et al. 2018: 0.05)",
          {.lo = 0, .hi = 1e3});
    field("image_image", self.image_image,
          "weight of the structure among images; only class labels give it positives (Wang et al. 2016: 0.1-0.2)",
          {.lo = 0, .hi = 1e3});
    field("normalize", self.normalize, "unit rows first, as the two-branch network's last layer (Wang et al. 2018)");
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const;
};

/// Two-branch loss: ranking across the views and preservation of neighbourhoods within them.
///
///   d(a, b) = sqrt(|a - b|^2 + 1e-4);   h(pos, negs) = mean of the top_k largest [m + pos - d_neg]+, zeros included,
///   top_k at most the anchor's negatives. Negatives of an anchor have another label.
///   image_to_text: mean over sentences j, image i of j:  h(d(x_i, y_j), d(x_i, y_k))
///   text_to_image: mean over sentences j, image i of j:  h(d(x_i, y_j), d(x_k, y_j)), k runs over images
///   text_text:     mean over sentences j: h(max over sentences k of j's label, j included, d(y_j, y_k), d(y_j, y_l))
///   image_image:   mean over images i:    h(max over images k of i's label, d(x_i, x_k), d(x_i, x_l));
///                  0 for an image that is alone with its label
///   L = weighted sum                    (Wang et al., CVPR 2016; weights and top-K of Wang et al., TPAMI 2018)
///
/// x                  [n, D] images
/// y                  [m, D] sentences
/// image_of_sentence  [m] int64: the row of x that sentence j belongs to
/// label              [n] int64, labels of the rows of x: class or identity
/// image_row          [n] int64: rows of x with equal numbers are one image, counted once as negative and as image
/// anchor
///                    (its first row stands for it). So a batch of (image, caption) pairs is x [B], y [B],
///                    image_of_sentence 0..B-1, and the batch's image rows.
/// returns            x_to_y = the image_to_text term, y_to_x = text_to_image, both before their weights; total
/// source             lwwang/Two_branch_network for the code form; its mask takes a repeated image as a negative
LossValue structure_preserving_loss(const at::Tensor& x, const at::Tensor& y, const at::Tensor& image_of_sentence,
                                    const at::Tensor& label, const at::Tensor& image_row,
                                    const StructurePreservingOptions& options = {});

// --- softmax ---------------------------------------------------------------------------------------------------------

enum class MultiPositive { soft_targets, log_sum, drop_false_negatives };
constexpr auto enum_names(MultiPositive) {
  return std::array{std::pair{MultiPositive::soft_targets, "soft_targets"},
                    std::pair{MultiPositive::log_sum, "log_sum"},
                    std::pair{MultiPositive::drop_false_negatives, "drop_false_negatives"}};
}

struct InfoNceTargets {
  Positives positives = Positives::labels;
  MultiPositive multi_positive = MultiPositive::soft_targets;
  double label_smoothing = 0;
  static void visit(auto& self, auto& field) {
    field("positives", self.positives,
          "who matches: rows with the same label, or only the own pair (Radford et al. 2021)");
    field("multi_positive", self.multi_positive,
          "with positives: labels, several in a row: equal soft targets (SupCon L_out, Khosla et al. 2020), log of the "
          "summed probability (SupCon L_in; MIL-NCE, Miech et al. 2020), or only the own pair, the others left out of "
          "the "
          "denominator");
    field("label_smoothing", self.label_smoothing, "share of the target spread over the row (Szegedy et al. 2016)",
          {.lo = 0, .hi = 0.99});
  }
};

/// InfoNCE, the symmetric batch softmax.
///
///   p_ij = softmax_j(logits_ij) (drop_false_negatives: over j = i and j of another label)
///   L_i = -log p_ii                             positives: diagonal, or drop_false_negatives
///       | -sum_j q_ij log p_ij, q = 1/count     soft_targets (Khosla et al., NeurIPS 2020, eq. 2)
///       | -log sum_{j: l_j = l_i} p_ij          log_sum (eq. 3; Miech et al., CVPR 2020)
///   with smoothing e: (1 - e) L_i - e mean_j log p_ij
///   total = (mean_i L_i(logits) + mean_i L_i(logits^T)) / 2        (van den Oord et al. 2018; Radford et al. 2021)
///
/// logits   [B, B], scores already divided by the temperature
/// returns  x_to_y = mean over images, y_to_x = mean over texts, total = their mean
///
/// With labels all different the four forms are equal. An image in several rows is a match of all its captions except
/// under positives: diagonal, where its other captions are negatives.
LossValue infonce_loss(const at::Tensor& logits, const at::Tensor& label, const InfoNceTargets& options = {});

// --- correlation -----------------------------------------------------------------------------------------------------

struct DccaOptions {
  double regularisation = 1e-4;
  std::optional<int64_t> top_k = std::nullopt;
  double floor = 1e-12;
  static void visit(auto& self, auto& field) {
    field("regularisation", self.regularisation,
          "r of S_ii + r I, in units of the embeddings' variance (Andrew et al. 2013; public code: 1e-4 to 1e-3)",
          {.lo = 0, .hi = 1e6});
    field("top_k", self.top_k, "only the k largest correlations count (Andrew et al. 2013); null = all",
          {.lo = 1, .hi = 65536});
    field("floor", self.floor, "eigenvalues of a covariance below this are dropped", {.lo = 1e-300, .hi = 1});
  }
};

/// Deep CCA: minus the sum of the canonical correlations of a batch.
///
///   S11 = X'X / (B-1) + r I,  S22 = Y'Y / (B-1) + r I,  S12 = X'Y / (B-1)       X, Y centred over the batch
///   L = - sum of the (top_k largest) singular values of S11^-1/2 S12 S22^-1/2   (Andrew et al., ICML 2013)
///
/// x, y     [B, D], [B, E], not normalised; an affine map of either changes nothing but what r does
/// returns  total in [-min(D, E), 0]; no directions. Computed in float64 whatever comes in; differentiable once
/// throws   ShapeError also unless B > D and B > E: with fewer pairs than dimensions every correlation is 1.
///          NumericError for embeddings that are not finite
///
/// The loss is one number of the whole batch, and noisy unless B is several times D: rows are not independent.
/// source: the paper; where public ports take the Frobenius norm, the smallest values, or an element-wise root, this
/// is the sum of the singular values.
LossValue dcca_loss(const at::Tensor& x, const at::Tensor& y, const DccaOptions& options = {});

}  // namespace diptych

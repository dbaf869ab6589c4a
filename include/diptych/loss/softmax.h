#pragma once
#include "diptych/loss/loss_value.h"

namespace diptych {

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
          "the denominator");
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

/// N-pair loss: the pair against every negative of its row, InfoNCE without a temperature.
///
///   L_i = log(1 + sum_{j != i} e^{s_ij - s_ii}),   total = (mean_i L_i(scores) + mean_i L_i(scores^T)) / 2
///                                                                             (Sohn, NeurIPS 2016, both directions)
///
/// scores           [B, B]; dot products of embeddings in the paper, whose penalty on their length is not included
/// mask_same_label  rows with the anchor's label are left out; otherwise they are negatives
/// returns          x_to_y = mean over images, y_to_x = mean over texts, total = their mean
LossValue n_pair_loss(const at::Tensor& scores, const at::Tensor& label, bool mask_same_label = true);

/// Sigmoid loss: every cell of the score matrix is a yes-no question of its own.
///
///   L = 1/B sum_ij log(1 + e^{-z_ij logits_ij}),   z_ij = 1 for a match, else -1       (Zhai et al., ICCV 2023)
///
/// logits     [B, B], t s_ij + b
/// positives  who matches; the paper's is the diagonal
/// returns    total, summed over columns and averaged over rows (so it grows with B); x_to_y and y_to_x are undefined
///
/// With positives: labels an image in several rows is a match of all its captions.
LossValue sigmoid_loss(const at::Tensor& logits, const at::Tensor& label, Positives positives = Positives::labels);

/// Logistic loss of "is this a match?", whose logit is the score as it is: for networks over pairs that end in one.
///
///   L = 1/2 mean_{matches} log(1 + e^{-s_ij}) + 1/2 mean_{others} log(1 + e^{s_ij})
///                  (the similarity network of Wang et al., TPAMI 2018, over all pairs of a batch in place of sampled
///                  ones)
///
/// scores     [B, B]
/// balanced   as above; false: the mean over all cells. A batch of matches alone leaves the second term 0
/// returns    total; x_to_y and y_to_x are undefined
LossValue match_logistic_loss(const at::Tensor& scores, const at::Tensor& label, bool balanced = true,
                              Positives positives = Positives::labels);

}  // namespace diptych

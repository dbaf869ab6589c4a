#pragma once
#include "diptych/loss/loss_value.h"

namespace diptych {

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

struct TripletOptions {
  double margin = 0.2;
  Mining mining = Mining::hardest;
  std::optional<int64_t> k = std::nullopt;
  bool mask_same_label = true;
  BatchReduction reduction = BatchReduction::sum;
  RankDirection direction = RankDirection::both;
  Positives positives = Positives::diagonal;
  bool soft = false;
  static void visit(auto& self, auto& field) {
    field("margin", self.margin, "hinge margin in units of the scores (Faghri et al. 2018: 0.2 with cosines)",
          {.lo = 0, .hi = 1e3});
    field(
        "mining", self.mining,
        "which negatives of a row count: all (Kiros et al. 2014), the hardest (Faghri et al. 2018), the hardest below "
        "the positive (Schroff et al. 2015), the mean of the k largest hinges (Wang et al. 2018), one drawn at "
        "random");
    field("k", self.k, "how many hinges topk_mean averages, zeros included (Wang et al. 2018: 10); null otherwise",
          {.lo = 1, .hi = 1e6});
    field("mask_same_label", self.mask_same_label,
          "rows with the anchor's label are never negatives; false as in VSE++'s code (Faghri et al. 2018)");
    field("reduction", self.reduction, "over the anchors of the batch: sum (Faghri et al. 2018) or mean");
    field("direction", self.direction, "both, images as anchors only (i2t), or texts as anchors only (t2i; ablation)");
    field("positives", self.positives,
          "what an anchor's negatives are compared with: its own pair, or every row with its label, averaged");
    field("soft", self.soft, "log(1 + exp(.)) in place of the hinge (Hermans et al. 2017; Vo et al. 2019, margin 0)");
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
///   positives labels: the mean over every p with the anchor's label of the same with s_ip in place of s_ii
///   soft: log(1 + e^z) in place of [z]+ (Hermans et al. 2017); with margin 0, topk_mean and k = B - 1 this is the soft
///   triplet loss of Vo et al., CVPR 2019 (K = 2, M = B - 1, dot product), per direction
///
/// scores   [B, B], pairs on the diagonal; cosines if the default margin is to mean what it means in the papers
/// returns  x_to_y = image anchors, y_to_x = text anchors, each summed (reduction mean: divided by B); total = their
/// sum throws   ShapeError also for topk_mean without k
///
/// An anchor without negatives (batch of one, all labels equal) gives 0. With mask_same_label, which positives: labels
/// implies, the other captions of an image, and the other rows in which it stands, are not negatives; without it they
/// are, as in fartashf/vsepp, and a repeated image costs the whole margin for ever. Equal hinges share the gradient of
/// `hardest` equally. Memory: B^2, with positives: labels B per matching pair.
LossValue triplet_loss(const at::Tensor& scores, const at::Tensor& label, const TripletOptions& options = {});

/// Structured joint embedding: every negative of the batch, with the 0/1 loss as margin.
///
///   L = 1/B^2 sum_{i, j != i} [m + s_ij - s_ii]+  +  1/B^2 sum_{j, i != j} [m + s_ij - s_jj]+
///                                                                             (Reed, Akata, Lee and Schiele, CVPR
///                                                                             2016)
///
/// scores           [B, B]; dot products in the paper
/// margin           the 0/1 loss of a wrong class: 1 in the paper
/// mask_same_label  rows with the anchor's label cost nothing, as the 0/1 loss has it; their batches have distinct
///                  classes
/// returns          x_to_y = image anchors, y_to_x = text anchors, each divided by B^2 (not by the B (B - 1) terms);
///                  total = their sum
LossValue sje_loss(const at::Tensor& scores, const at::Tensor& label, double margin = 1, bool mask_same_label = true);

/// Lifted structure: a smooth maximum over all negatives of a pair, images' and texts' together.
///
///   J_i = log(sum_{k != i} e^{m - d_ik} + sum_{l != i} e^{m - d_li}) + d_ii;   L = 1/(2B) sum_i [J_i]+^2
///                                          (after Oh Song et al., CVPR 2016, with the pairs of a batch as positives)
///
/// distance  [B, B], d_ij between x_i and y_j, lower is closer; pairs on the diagonal
/// margin    in units of distance, 1 in the paper
/// returns   total; the terms of both directions stand in one logarithm, so x_to_y and y_to_x are undefined
///
/// With mask_same_label, rows with the label of i are no negatives of i. A pair without negatives gives 0.
LossValue lifted_loss(const at::Tensor& distance, const at::Tensor& label, double margin = 1,
                      bool mask_same_label = true);

enum class DualpathAnchors { first_half, all };
constexpr auto enum_names(DualpathAnchors) {
  return std::array{std::pair{DualpathAnchors::first_half, "first_half"}, std::pair{DualpathAnchors::all, "all"}};
}
enum class TextNegative { hardest, random, mined };
constexpr auto enum_names(TextNegative) {
  return std::array{std::pair{TextNegative::hardest, "hardest"}, std::pair{TextNegative::random, "random"},
                    std::pair{TextNegative::mined, "mined"}};
}

struct DualpathRankOptions {
  double margin = 1;
  DualpathAnchors anchors = DualpathAnchors::first_half;
  TextNegative text_negative = TextNegative::hardest;
  std::optional<int64_t> pool = std::nullopt;
  BatchReduction reduction = BatchReduction::mean;
  std::optional<int64_t> candidates = std::nullopt;
  static void visit(auto& self, auto& field) {
    field("margin", self.margin, "hinge margin in units of the scores (Zheng et al. 2020: 1 with cosines)",
          {.lo = 0, .hi = 1e3});
    field("anchors", self.anchors,
          "first_half: only the batch's first half is ranked, its second half gives the negative images (Zheng et al. "
          "2020); all: every row is ranked");
    field("text_negative", self.text_negative,
          "the caption of another label that scores best with the image, among those of the batch (hardest) or among "
          "candidates of the training set (mined; Zheng et al. 2020: Flickr30k, COCO), or one of the batch drawn at "
          "random (CUHK-PEDES)");
    field("pool", self.pool,
          "how many captions of other labels, drawn anew for every image, the hardest is sought among; null: all of "
          "the batch",
          {.lo = 1, .hi = 1e6});
    field("reduction", self.reduction,
          "sum over the anchors, or mean: divided by the batch's rows (Zheng et al. 2020)");
    field("candidates", self.candidates,
          "how many captions of the training set, drawn anew for every step, mined chooses from (Zheng et al. 2020: "
          "256); null otherwise",
          {.lo = 1, .hi = 1e6});
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const;
};

/// Captions from beside the batch, one for each anchor of dualpath_rank_loss.
struct MinedCaptions {
  at::Tensor scores;  // [A], of the anchor's image and its caption; differentiable
  at::Tensor label;   // [A] int64
};

/// Which captions those are: t(i) = argmax_k s_ik over the candidates k of another label than i's.
///
/// scores           [A, K] of the anchors' images and the candidates; those of the network in test mode
/// label            [A] int64;  candidate_label  [K] int64, K > 0
/// returns          [A] int64, columns of scores. An anchor without a candidate of another label gets some candidate
///                  of its own, which dualpath_rank_loss leaves out
at::Tensor mine_captions(const at::Tensor& scores, const at::Tensor& label, const at::Tensor& candidate_label);

/// Ranking loss of the dual-path network: one negative caption and one negative image per pair.
///
///   L = sum_i [m - (s_ii - s_{i,t(i)})]+ + [m - (s_ii - s_{n(i),i})]+          (Zheng et al., TOMM 2020)
///   t(i): caption of another label than i's, the best scoring of the batch or of a pool of it, a random one, or the
///   one that mine_captions chose
///   n(i): image of another label; the one half a batch away, or the next after it that has another label
///
/// scores   [B, B]; in the paper cosines of the features after their ReLU and before dropout
/// mined    of the anchors, for text_negative: mined, otherwise not read
/// returns  x_to_y = the terms of t (images among captions), y_to_x = those of n, each summed (reduction mean: divided
///          by B whatever the number of anchors, so that anchors: first_half with mean has the paper's proportion to
///          its instance loss); total = their sum
///
/// An anchor without a caption or image of another label gives 0 for it. Draws come from torch's generator.
///
/// With mined this is the loss of layumi/Image-Text-Embedding, where the mined captions take the place of the second
/// half's own; here these stay, in the batch and in the instance loss. hardest is cheaper: it chooses among the
/// captions of the batch, by the scores that are differentiated, that is in training mode.
LossValue dualpath_rank_loss(const at::Tensor& scores, const at::Tensor& label, const DualpathRankOptions& options = {},
                             const MinedCaptions& mined = {});

}  // namespace diptych

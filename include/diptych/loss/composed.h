#pragma once
#include "diptych/loss/loss_value.h"

// Losses of composed retrieval: x are composed queries, y their target images; row i of both belong together.
namespace diptych {

struct TirgSoftmaxOptions {
  std::optional<int64_t> k = std::nullopt, m = std::nullopt;
  bool mask_same_label = false;
  static void visit(auto& self, auto& field) {
    field("k", self.k,
          "how many targets a query chooses among, its own included; null: all of the batch (Vo et al. 2019: K = B for "
          "Fashion200k, 2 for CSS and MIT-States)",
          {.lo = 2, .hi = 1e6});
    field("m", self.m,
          "how many such choices each query makes; null: as many as it takes to meet every negative once on average, "
          "which is B - 1 with k: 2 (Vo et al. 2019) and 1 with k: null",
          {.lo = 1, .hi = 1e6});
    field("mask_same_label", self.mask_same_label,
          "targets with the label of the query's own target are no negatives; false as in Vo et al. 2019");
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const;
};

/// Softmax over K of the batch's targets, M times per query.
///
///   L = -1/(M B) sum_i sum_m log( e^{s_ii} / sum_{j in N_i^m} e^{s_ij} ),   N_i^m = {i and K - 1 others}
///                                                                               (Vo et al., CVPR 2019)
///
///   K = B, M = 1      cross-entropy of the rows with their diagonal; nothing is drawn
///   K = 2, M >= B - 1 soft triplet, 1/(M B) sum_i sum_{j != i} log(1 + e^{s_ij - s_ii}), every negative once; nothing
///                     is drawn
///   otherwise         each N_i^m holds K - 1 different negatives of i, drawn from torch's generator independently of
///                     the other sets
///
/// scores   [B, B], rows queries; in the paper of scorer norm_scale, kernel dot or neg_l2
/// k        K; null or more than B: B.   m  M; null: (B - 1) / (K - 1), rounded up
/// returns  x_to_y, which is total; a target as anchor does not occur, y_to_x is undefined
///
/// With mask_same_label a query has fewer negatives, and where there are not K - 1 of them it meets those there are
/// (K = 2: their mean). A query without negatives (batch of one, all labels equal) gives 0. Without it, two queries
/// with one target repel each other's, as in the published code.
LossValue tirg_softmax_loss(const at::Tensor& scores, const at::Tensor& label, const TirgSoftmaxOptions& options = {});

/// How far a decoder's output is from what it should give back: the mean of (decoded - original)^2 over rows and
/// dimensions (ComposeAE: Anwaar et al., WACV 2021). Both are differentiated.
///
/// decoded, original  [B, D], B > 0
/// returns            total; no directions
LossValue reconstruction_loss(const at::Tensor& decoded, const at::Tensor& original);

enum class Triples { random, all };
constexpr auto enum_names(Triples) {
  return std::array{std::pair{Triples::random, "random"}, std::pair{Triples::all, "all"}};
}

struct SoftTripletCodeOptions {
  Triples triples = Triples::random;
  int64_t count = 3;
  bool mask_same_label = false;
  static void visit(auto& self, auto& field) {
    field("triples", self.triples, "random: `count` negatives per row, drawn anew each step; all: each negative once");
    field("count", self.count, "triples: random: negatives drawn per row (Vo et al. 2019, code: 3)",
          {.lo = 1, .hi = 1e4});
    field("mask_same_label", self.mask_same_label,
          "rows of pairs with the own pair's label are no negatives; false as in Vo et al. 2019's code");
  }
};

/// The soft triplet loss as the published code of Vo et al. (CVPR 2019) has it: queries and targets are one set.
///
///   r = [x; y], 2B rows, each an anchor i with its partner j and a row k of another pair, of either side
///   L = mean over anchors and triples of log(1 + e^{|r_i - r_j|^2 - |r_i - r_k|^2})
///
/// x, y     [B, D], to be scaled unit rows (the registered loss makes them so)
/// returns  total; no directions
///
/// An anchor without negatives (batch of one, all labels equal and masked) gives 0. Negatives are drawn with
/// replacement from torch's generator.
LossValue soft_triplet_code_loss(const at::Tensor& x, const at::Tensor& y, const at::Tensor& label,
                                 const SoftTripletCodeOptions& options = {});

}  // namespace diptych

#include "loss/bidirectional_triplet.h"

#include <torch/torch.h>

#include "diptych/core/options.h"
#include "loss/support.h"

namespace diptych {
namespace {

// One hinge per row, [P]; hinges [P, B] hold 0 wherever negative [P, B] is false.
at::Tensor aggregated(const at::Tensor& hinges, const at::Tensor& negative, const TripletOptions& options) {
  switch (options.mining) {
    case Mining::sum:
      return hinges.sum(1);
    case Mining::hardest:
    case Mining::semi_hard:
      return hinges.amax(1);
    case Mining::topk_mean: {
      const int64_t k = std::min(*options.k, hinges.size(1));
      const at::Tensor count = negative.sum(1).clamp(1, k);
      return std::get<0>(hinges.topk(k, 1)).sum(1) / count;
    }
    case Mining::random: {
      const at::Tensor lot = at::rand(hinges.sizes(), hinges.options()).masked_fill(~negative, -1);
      return hinges.gather(1, lot.argmax(1, /*keepdim=*/true)).squeeze(1);
    }
  }
  throw std::logic_error("mining");
}

// One row per comparison of an anchor with one of its positives; P = B, or the number of matching pairs.
struct Comparisons {
  at::Tensor scores, negative;  // [P, B]
  at::Tensor positive, weight;  // [P, 1], [P]; weights of an anchor sum to 1. Undefined: all are 1.
};

Comparisons with_own_pair(const at::Tensor& scores, const at::Tensor& negative) {
  return {scores, negative, scores.diagonal().unsqueeze(1), {}};
}

Comparisons with_every_match(const at::Tensor& scores, const at::Tensor& match) {
  const at::Tensor cells = match.nonzero();  // [P, 2]
  const at::Tensor anchor = cells.select(1, 0), partner = cells.select(1, 1).unsqueeze(1);
  const at::Tensor rows = scores.index_select(0, anchor);
  const at::Tensor share = match.sum(1).to(scores.scalar_type()).reciprocal();
  return {rows, ~match.index_select(0, anchor), rows.gather(1, partner), share.index_select(0, anchor)};
}

// Rows of scores are anchors; match [B, B] marks what is no negative.
at::Tensor anchored_hinge(const at::Tensor& scores, const at::Tensor& match, const TripletOptions& options) {
  const bool own = options.positives == Positives::diagonal;
  const Comparisons rows = own ? with_own_pair(scores, ~match) : with_every_match(scores, match);
  const bool semi_hard = options.mining == Mining::semi_hard;
  const at::Tensor counted = semi_hard ? rows.negative & (rows.scores < rows.positive) : rows.negative;
  const at::Tensor violation = options.margin + rows.scores - rows.positive;
  const at::Tensor hinges = (options.soft ? at::softplus(violation) : violation.relu()).masked_fill(~counted, 0);
  at::Tensor each = aggregated(hinges, rows.negative, options);  // [P]
  if (rows.weight.defined()) each = each * rows.weight;
  return options.reduction == BatchReduction::sum ? each.sum() : each.sum() / scores.size(0);
}

}  // namespace

void TripletOptions::validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
  if (mining == Mining::topk_mean && !k)
    complaints.add(origin, concat(path, ".k: has no value, and mining: topk_mean needs one"), "for example k: 10");
  if (mining != Mining::topk_mean && k)
    complaints.add(origin,
                   concat(path, ".k = ", *k, ": only mining: topk_mean reads it, mining is ", enum_text(mining)),
                   "set mining: topk_mean, or take k out");
  if (positives == Positives::labels && !mask_same_label)
    complaints.add(origin,
                   concat(path,
                          ".mask_same_label = false: with positives: labels no row of the anchor's label "
                          "can be a negative"),
                   "take mask_same_label out, or set positives: diagonal");
}

LossValue triplet_loss(const at::Tensor& scores_in, const at::Tensor& label, const TripletOptions& options) {
  loss_support::check_scores("triplet_loss", scores_in, label);
  if (options.mining == Mining::topk_mean && options.k.value_or(0) < 1)
    throw ShapeError("triplet_loss: mining topk_mean needs k >= 1");
  const at::Tensor scores = at_least_float(scores_in);
  const bool masked = options.mask_same_label || options.positives == Positives::labels;
  const at::Tensor match = loss_support::matches(label, masked ? Positives::labels : Positives::diagonal);  // symmetric
  at::Tensor x_to_y, y_to_x;
  if (options.direction != RankDirection::t2i) x_to_y = anchored_hinge(scores, match, options);
  if (options.direction != RankDirection::i2t) y_to_x = anchored_hinge(scores.t(), match, options);
  return loss_support::sum_of_directions(x_to_y, y_to_x);
}

LossValue BidirectionalTripletLoss::forward(const LossInput& input) {
  TripletOptions now = options_;
  if (input.epoch < options_.warmup_epochs) now.mining = Mining::sum;
  return triplet_loss(input.scores, input.label, now);
}

}  // namespace diptych

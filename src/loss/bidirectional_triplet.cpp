#include "loss/bidirectional_triplet.h"

#include <torch/torch.h>

#include "diptych/core/options.h"
#include "loss/support.h"

namespace diptych {
namespace {

// One hinge per anchor, [B]; hinges [B, B] hold 0 wherever negative [B, B] is false.
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

// Rows are anchors. scores, negative [B, B].
at::Tensor anchored_hinge(const at::Tensor& scores, const at::Tensor& negative, const TripletOptions& options) {
  const at::Tensor positive = scores.diagonal().unsqueeze(1);  // [B, 1]
  const bool semi_hard = options.mining == Mining::semi_hard;
  const at::Tensor counted = semi_hard ? negative & (scores < positive) : negative;
  const at::Tensor hinges = (options.margin + scores - positive).relu().masked_fill(~counted, 0);
  const at::Tensor per_anchor = aggregated(hinges, negative, options);
  return options.reduction == BatchReduction::sum ? per_anchor.sum() : per_anchor.mean();
}

}  // namespace

void TripletOptions::validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
  if (mining == Mining::topk_mean && !k)
    complaints.add(origin, concat(path, ".k: has no value, and mining: topk_mean needs one"), "for example k: 10");
  if (mining != Mining::topk_mean && k)
    complaints.add(origin,
                   concat(path, ".k = ", *k, ": only mining: topk_mean reads it, mining is ", enum_text(mining)),
                   "set mining: topk_mean, or take k out");
}

LossValue triplet_loss(const at::Tensor& scores_in, const at::Tensor& label, const TripletOptions& options) {
  loss_support::check_scores("triplet_loss", scores_in, label);
  if (options.mining == Mining::topk_mean && options.k.value_or(0) < 1)
    throw ShapeError("triplet_loss: mining topk_mean needs k >= 1");
  const at::Tensor scores = at_least_float(scores_in);
  const auto kept_out = options.mask_same_label ? Positives::labels : Positives::diagonal;
  const at::Tensor negative = ~loss_support::matches(label, kept_out);  // symmetric
  at::Tensor x_to_y, y_to_x;
  if (options.direction != RankDirection::t2i) x_to_y = anchored_hinge(scores, negative, options);
  if (options.direction != RankDirection::i2t) y_to_x = anchored_hinge(scores.t(), negative, options);
  return loss_support::sum_of_directions(x_to_y, y_to_x);
}

LossValue BidirectionalTripletLoss::forward(const LossInput& input) {
  TripletOptions now = options_;
  if (input.epoch < options_.warmup_epochs) now.mining = Mining::sum;
  return triplet_loss(input.scores, input.label, now);
}

}  // namespace diptych

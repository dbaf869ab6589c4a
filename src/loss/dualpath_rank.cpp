#include "loss/dualpath_rank.h"

#include <torch/torch.h>

#include <limits>

#include "diptych/core/error.h"
#include "diptych/core/options.h"
#include "diptych/core/text.h"
#include "loss/support.h"

namespace diptych {
namespace {

int64_t anchors_of(int64_t batch, const DualpathRankOptions& options) {
  return options.anchors == DualpathAnchors::first_half ? batch / 2 : batch;
}

void check_mined(const MinedCaptions& mined, int64_t anchors) {
  loss_support::check_defined("dualpath_rank_loss", "scores of mined captions", mined.scores);
  if (mined.scores.dim() != 1 || mined.scores.size(0) != anchors)
    throw ShapeError(
        concat("dualpath_rank_loss: scores of mined captions ", mined.scores.sizes(), " must be [", anchors, "]"));
  loss_support::check_integers("dualpath_rank_loss", "label of mined captions", mined.label, anchors);
}

// At most `pool` of the cells that `candidate` [A, B] marks in each row, drawn at random.
at::Tensor drawn(const at::Tensor& candidate, int64_t pool) {
  const at::Tensor lot = at::rand(candidate.sizes(), candidate.options().dtype(at::kFloat)).masked_fill(~candidate, -1);
  const int64_t kept = std::min(pool, candidate.size(1));
  const at::Tensor lowest = std::get<0>(lot.topk(kept, 1)).narrow(1, kept - 1, 1);  // [A, 1]
  return candidate & (lot >= lowest);
}

// Column of the negative caption of each anchor, [A, 1]; scores, candidate [A, B].
at::Tensor text_negative(const at::Tensor& scores, const at::Tensor& candidate, const DualpathRankOptions& options) {
  if (options.text_negative == TextNegative::random)
    return at::rand_like(scores).masked_fill(~candidate, -1).argmax(1, /*keepdim=*/true);
  const at::Tensor pool = options.pool ? drawn(candidate, *options.pool) : candidate;
  return scores.detach().masked_fill(~pool, -std::numeric_limits<double>::infinity()).argmax(1, /*keepdim=*/true);
}

// Row of the negative image of each anchor, [A, 1]: the first candidate from half a batch away onwards, in a circle.
at::Tensor image_negative(const at::Tensor& candidate) {
  const int64_t anchors = candidate.size(0), batch = candidate.size(1);
  const at::Tensor row = at::arange(batch, candidate.options().dtype(at::kLong));
  const at::Tensor from = (row.narrow(0, 0, anchors) + batch / 2).unsqueeze(1);
  const at::Tensor distance = (row.unsqueeze(0) - from).remainder(batch);  // [A, B]
  return distance.masked_fill(~candidate, batch).argmin(1, /*keepdim=*/true);
}

// Sum of the hinges of the anchors that have a candidate. positive, negative [A, 1]; candidate [A, B].
at::Tensor summed_hinge(const at::Tensor& positive, const at::Tensor& negative, const at::Tensor& candidate,
                        double margin) {
  return (margin - (positive - negative)).relu().masked_fill(~candidate.any(1, /*keepdim=*/true), 0).sum();
}

}  // namespace

void DualpathRankOptions::validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
  if (pool && text_negative != TextNegative::hardest)
    complaints.add(origin, concat(path, ".pool = ", *pool, ": only text_negative: hardest reads it"),
                   "take pool out, or set text_negative: hardest");
  const bool mines = text_negative == TextNegative::mined;
  if (mines && !candidates)
    complaints.add(origin, path + ".candidates: has no value, and text_negative: mined needs one", "candidates: 256");
  if (candidates && !mines)
    complaints.add(origin, concat(path, ".candidates = ", *candidates, ": only text_negative: mined reads it"),
                   "take candidates out, or set text_negative: mined");
}

at::Tensor mine_captions(const at::Tensor& scores, const at::Tensor& label, const at::Tensor& candidate_label) {
  loss_support::check_defined("mine_captions", "scores", scores);
  if (scores.dim() != 2 || scores.size(1) == 0)
    throw ShapeError(concat("mine_captions: scores ", scores.sizes(), " must be [A, K] of K > 0 candidates"));
  loss_support::check_integers("mine_captions", "label", label, scores.size(0));
  loss_support::check_integers("mine_captions", "candidate_label", candidate_label, scores.size(1));
  const at::Tensor own = loss_support::equal_pairs(label, candidate_label);
  return scores.detach().masked_fill(own, -std::numeric_limits<double>::infinity()).argmax(1);
}

LossValue dualpath_rank_loss(const at::Tensor& scores_in, const at::Tensor& label, const DualpathRankOptions& options,
                             const MinedCaptions& mined) {
  loss_support::check_scores("dualpath_rank_loss", scores_in, label);
  const int64_t batch = label.size(0), anchors = anchors_of(batch, options);
  const bool half = options.anchors == DualpathAnchors::first_half;
  const at::Tensor scores = at_least_float(scores_in);
  const at::Tensor of_image = scores.narrow(0, 0, anchors);      // [A, B]: anchors' images, all captions
  const at::Tensor of_text = scores.t().narrow(0, 0, anchors);   // [A, B]: anchors' captions, all images
  const at::Tensor positive = of_image.diagonal().unsqueeze(1);  // [A, 1]
  const at::Tensor other = ~loss_support::matches(label, Positives::labels).narrow(0, 0, anchors);
  at::Tensor image = other;
  if (half) image = image & (at::arange(batch, label.options()) >= anchors);

  at::Tensor x_to_y;
  if (options.text_negative == TextNegative::mined) {
    check_mined(mined, anchors);
    const at::Tensor caption = (mined.label != label.narrow(0, 0, anchors)).unsqueeze(1);  // [A, 1]
    x_to_y = summed_hinge(positive, at_least_float(mined.scores).unsqueeze(1), caption, options.margin);
  } else {
    const at::Tensor texts = text_negative(of_image, other, options);
    x_to_y = summed_hinge(positive, of_image.gather(1, texts), other, options.margin);
  }
  const at::Tensor images = image_negative(image);
  at::Tensor y_to_x = summed_hinge(positive, of_text.gather(1, images), image, options.margin);
  if (options.reduction == BatchReduction::mean) x_to_y = x_to_y / batch, y_to_x = y_to_x / batch;
  return loss_support::sum_of_directions(x_to_y, y_to_x);
}

LossValue DualpathRankLoss::forward(const LossInput& input) {
  MinedCaptions mined;
  if (input.chosen_scores.defined()) mined = {input.chosen_scores.diagonal(), input.chosen_label};
  return dualpath_rank_loss(input.scores, input.label, options_, mined);
}

at::Tensor DualpathRankLoss::choose(const Candidates& from) const {
  const int64_t anchors = anchors_of(from.label.size(0), options_);
  return mine_captions(from.scores.narrow(0, 0, anchors), from.label.narrow(0, 0, anchors), from.candidate_label);
}

}  // namespace diptych

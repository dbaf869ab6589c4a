#include "loss/dualpath_rank.h"

#include <torch/torch.h>

#include <limits>

#include "diptych/core/options.h"
#include "loss/support.h"

namespace diptych {
namespace {

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
}

LossValue dualpath_rank_loss(const at::Tensor& scores_in, const at::Tensor& label, const DualpathRankOptions& options) {
  loss_support::check_scores("dualpath_rank_loss", scores_in, label);
  const int64_t batch = label.size(0);
  const bool half = options.anchors == DualpathAnchors::first_half;
  const int64_t anchors = half ? batch / 2 : batch;
  const at::Tensor scores = at_least_float(scores_in);
  const at::Tensor of_image = scores.narrow(0, 0, anchors);      // [A, B]: anchors' images, all captions
  const at::Tensor of_text = scores.t().narrow(0, 0, anchors);   // [A, B]: anchors' captions, all images
  const at::Tensor positive = of_image.diagonal().unsqueeze(1);  // [A, 1]
  const at::Tensor caption = ~loss_support::matches(label, Positives::labels).narrow(0, 0, anchors);
  at::Tensor image = caption;
  if (half) image = image & (at::arange(batch, label.options()) >= anchors);

  const at::Tensor texts = text_negative(of_image, caption, options), images = image_negative(image);
  at::Tensor x_to_y = summed_hinge(positive, of_image.gather(1, texts), caption, options.margin);
  at::Tensor y_to_x = summed_hinge(positive, of_text.gather(1, images), image, options.margin);
  if (options.reduction == BatchReduction::mean) x_to_y = x_to_y / batch, y_to_x = y_to_x / batch;
  return loss_support::sum_of_directions(x_to_y, y_to_x);
}

}  // namespace diptych

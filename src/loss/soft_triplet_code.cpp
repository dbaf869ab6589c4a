#include "loss/soft_triplet_code.h"

#include <torch/torch.h>

#include "loss/support.h"

namespace diptych {
namespace {

// log(1 + e^(own - distance)): own [N, 1], distance [N, any].
at::Tensor soft_hinge(const at::Tensor& own, const at::Tensor& distance) { return -at::log_sigmoid(distance - own); }

// Mean over the negatives of each anchor, [N]; distance, negative [N, N], own [N, 1].
at::Tensor every_triple(const at::Tensor& own, const at::Tensor& distance, const at::Tensor& negative) {
  const at::Tensor terms = soft_hinge(own, distance).masked_fill(~negative, 0);
  return terms.sum(1) / negative.sum(1).clamp_min(1);
}

at::Tensor random_triples(const at::Tensor& own, const at::Tensor& distance, const at::Tensor& negative,
                          int64_t count) {
  std::vector<at::Tensor> columns;
  for (int64_t i = 0; i < count; ++i)
    columns.push_back(at::rand_like(distance).masked_fill(~negative, -1).argmax(1, /*keepdim=*/true));
  const at::Tensor chosen = distance.gather(1, at::cat(columns, 1));  // [N, count]
  return soft_hinge(own, chosen).masked_fill(~negative.any(1, /*keepdim=*/true), 0).mean(1);
}

}  // namespace

LossValue soft_triplet_code_loss(const at::Tensor& x_in, const at::Tensor& y_in, const at::Tensor& label,
                                 const SoftTripletCodeOptions& options) {
  loss_support::check_views("soft_triplet_code_loss", x_in, y_in, label);
  const at::Tensor x = at_least_float(x_in), y = at_least_float(y_in), rows = at::cat({x, y});  // [2B, D]
  const at::Tensor squares = rows.square().sum(1);
  const at::Tensor distance = squares.unsqueeze(1) + squares.unsqueeze(0) - 2 * rows.mm(rows.t());
  const at::Tensor own = (x - y).square().sum(1).repeat(2).unsqueeze(1);  // [2B, 1]
  const at::Tensor pair = options.mask_same_label ? label : at::arange(x.size(0), label.options());
  const at::Tensor of_row = pair.repeat(2), negative = ~loss_support::equal_pairs(of_row, of_row);
  const at::Tensor each = options.triples == Triples::all ? every_triple(own, distance, negative)
                                                          : random_triples(own, distance, negative, options.count);
  return {each.mean(), {}, {}};
}

SoftTripletCodeLoss::SoftTripletCodeLoss(const Options& options, const LossContext&) : options_(options) {
  if (options.normalize && options.learned)
    scale_ = register_parameter("scale", at::scalar_tensor(options.scale, at::kFloat));
}

at::Tensor SoftTripletCodeLoss::prepared(const at::Tensor& rows) const {
  const at::Tensor full = at_least_float(rows);
  if (!options_.normalize) return full;
  return scale_.defined() ? unit_rows(full) * scale_ : unit_rows(full) * options_.scale;
}

LossValue SoftTripletCodeLoss::forward(const LossInput& input) {
  loss_support::check_views("soft_triplet_code", input.x, input.y, input.label);
  return soft_triplet_code_loss(prepared(input.x), prepared(input.y), input.label, options_);
}

}  // namespace diptych

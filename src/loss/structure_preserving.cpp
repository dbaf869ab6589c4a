#include "loss/structure_preserving.h"

#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/options.h"
#include "loss/support.h"

namespace diptych {
namespace {

// Euclidean, with the reference code's floor.
at::Tensor distances(const at::Tensor& a, const at::Tensor& b) { return loss_support::euclidean(a, b, 1e-4); }

// Per anchor the mean of the largest hinges, [anchors]: positive [anchors, 1], distance and negative [anchors,
// candidates].
at::Tensor violations(const at::Tensor& positive, const at::Tensor& distance, const at::Tensor& negative,
                      const StructurePreservingOptions& options) {
  const at::Tensor hinges = (options.margin + positive - distance).relu().masked_fill(~negative, 0);
  const int64_t k = std::min(options.top_k, hinges.size(1));
  return std::get<0>(hinges.topk(k, 1)).sum(1) / negative.sum(1).clamp(1, k);
}

// Distance to the farthest neighbour, [rows, 1].
at::Tensor farthest(const at::Tensor& distance, const at::Tensor& neighbour) {
  return distance.masked_fill(~neighbour, -1).amax(1, /*keepdim=*/true);
}

// True for the first row of each image, [n].
at::Tensor first_rows(const at::Tensor& image_row) {
  return ~loss_support::equal_pairs(image_row, image_row).tril(-1).any(1);
}

struct StructureBatch {
  at::Tensor x, y, label, sentence_label, own_image, first;
};

struct CrossView {
  at::Tensor image_to_text, text_to_image;
};

CrossView cross_view(const StructureBatch& batch, const StructurePreservingOptions& options) {
  const at::Tensor distance = distances(batch.x, batch.y);                    // [n, m]
  const at::Tensor of_own_image = distance.index_select(0, batch.own_image);  // [m, m]
  const at::Tensor positive = of_own_image.diagonal().unsqueeze(1);           // [m, 1]
  const at::Tensor other_text = ~loss_support::equal_pairs(batch.sentence_label, batch.sentence_label);
  const at::Tensor other_image = ~loss_support::equal_pairs(batch.sentence_label, batch.label) & batch.first;
  return {violations(positive, of_own_image, other_text, options).mean(),
          violations(positive, distance.t(), other_image, options).mean()};
}

at::Tensor text_structure(const StructureBatch& batch, const StructurePreservingOptions& options) {
  const at::Tensor distance = distances(batch.y, batch.y);  // [m, m]
  const at::Tensor alike = loss_support::equal_pairs(batch.sentence_label, batch.sentence_label);
  return violations(farthest(distance, alike), distance, ~alike, options).mean();
}

at::Tensor image_structure(const StructureBatch& batch, const StructurePreservingOptions& options) {
  const at::Tensor distance = distances(batch.x, batch.x);  // [n, n]
  const at::Tensor alike = loss_support::equal_pairs(batch.label, batch.label);
  const at::Tensor neighbour = alike & batch.first;
  const at::Tensor counted = batch.first & (neighbour.sum(1) > 1);
  const at::Tensor per_image = violations(farthest(distance, neighbour), distance, ~alike & batch.first, options);
  return per_image.masked_fill(~counted, 0).sum() / batch.first.sum();
}

}  // namespace

void StructurePreservingOptions::validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
  if (image_to_text + text_to_image + text_text + image_image == 0)
    complaints.add(origin, concat(path, ": all four weights are 0, so the loss is 0"),
                   "give image_to_text or text_to_image a positive weight");
}

LossValue structure_preserving_loss(const at::Tensor& x, const at::Tensor& y, const at::Tensor& image_of_sentence,
                                    const at::Tensor& label, const at::Tensor& image_row,
                                    const StructurePreservingOptions& options) {
  constexpr const char* who = "structure_preserving_loss";
  loss_support::check_defined(who, "x", x);
  loss_support::check_defined(who, "y", y);
  if (x.dim() != 2 || y.dim() != 2 || x.size(1) != y.size(1))
    throw ShapeError(concat(who, ": x ", x.sizes(), " and y ", y.sizes(), " must be [n, D] and [m, D]"));
  if (x.size(0) == 0 || y.size(0) == 0) throw ShapeError(concat(who, ": the batch is empty"));
  loss_support::check_integers(who, "image_of_sentence", image_of_sentence, y.size(0));
  loss_support::check_integers(who, "label", label, x.size(0));
  loss_support::check_integers(who, "image_row", image_row, x.size(0));

  const auto prepared = [&](const at::Tensor& rows) {
    const at::Tensor full = at_least_float(rows);
    return options.normalize ? unit_rows(full) : full;
  };
  const StructureBatch batch{prepared(x),       prepared(y),          label, label.index_select(0, image_of_sentence),
                             image_of_sentence, first_rows(image_row)};
  const CrossView cross = cross_view(batch, options);
  at::Tensor total = options.image_to_text * cross.image_to_text + options.text_to_image * cross.text_to_image;
  if (options.text_text != 0) total = total + options.text_text * text_structure(batch, options);
  if (options.image_image != 0) total = total + options.image_image * image_structure(batch, options);
  return {total, cross.image_to_text, cross.text_to_image};
}

LossValue StructurePreservingLoss::forward(const LossInput& input) {
  loss_support::check_views("structure_preserving", input.x, input.y, input.label);
  return structure_preserving_loss(input.x, input.y, at::arange(input.y.size(0), input.label.options()), input.label,
                                   input.image_row, options_);
}

}  // namespace diptych

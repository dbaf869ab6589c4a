#include "train/fit_cca.h"

#include <torch/torch.h>

#include "diptych/core/log.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/train/encode.h"
#include "diptych/train/system.h"
#include "train/count_progress.h"
#include "train/fit_text.h"
#include "train/training_blocks.h"

namespace diptych {
namespace {

// Features of some images, from the cache where there is one: [U, F] on the system's device.
at::Tensor features_of(const FitContext& context, const std::vector<int64_t>& image_rows) {
  const at::Tensor features =
      context.features && context.features->defined()
          ? context.features->plain.index_select(0, torch::tensor(image_rows, at::kLong))
          : encode_image_features(context.system, context.data, context.experiment, image_rows, false, "encode images");
  return features.to(context.system.device);
}

}  // namespace

AffineMap CcaFit::place(const FitContext& context, const char* side) const {
  const auto head = std::dynamic_pointer_cast<Head>(context.system.model->named_children()[side]);
  const AffineMap map = options_.of == CcaOf::features ? head->whole() : head->last();
  if (map.defined()) return map;
  throw UsageError("",
                   concat("fit: cca of ", enum_text(options_.of), ": model.", side, " has no ",
                          options_.of == CcaOf::features ? "linear map with offset that makes up the whole head"
                                                         : "last step that is a linear map with offset"),
                   options_.of == CcaOf::features
                       ? concat("model.", side, ": {type: linear, dim: D}")
                       : concat("model.", side, ": {type: linear, dim: D} or {type: mlp, ...}"));
}

void CcaFit::check(const FitContext& context) const {
  const AffineMap image = place(context, "image_head"), text = place(context, "text_head");
  if (const FittedText* fitted = fittable_text(context.system)) fitted->check_fit();
  const int64_t dim = image.weight.size(0), most = std::min(image.weight.size(1), text.weight.size(1));
  if (options_.of == CcaOf::features && dim > most)
    throw UsageError("",
                     concat("fit: cca finds at most ", most, " dimensions, the smaller of ", image.weight.size(1),
                            " image and ", text.weight.size(1), " text features; both heads have dim = ", dim),
                     concat("model.image_head.dim and model.text_head.dim: at most ", most));
}

PairMoments CcaFit::moments(const FitContext& context) const {
  JointModel& model = *context.system.model;
  const auto images = static_cast<int64_t>(context.data.training_images(context.experiment.train.limit_images).size());
  const CountProgress progress("cca: images", images);
  PairMoments moments;
  int64_t done = 0;
  for_each_training_block(context, [&](const TrainingBlock& block) {
    const auto& [tokens, length] = block.captions;
    at::Tensor x = features_of(context, block.image_rows), y;
    if (options_.of == CcaOf::embeddings)
      x = model.image_embedding(x), y = model.text_embedding(tokens, length);
    else
      y = model.text().forward(tokens, length).global;
    moments.add(x.cpu(), y.cpu(), block.image_of_text);
    progress.at(done += static_cast<int64_t>(block.image_rows.size()));
  });
  return moments;
}

std::map<std::string, double> CcaFit::run(const FitContext& context) const {
  fit_text(context);
  const EvalScope scope(*context.system.model);
  const AffineMap image = place(context, "image_head"), text = place(context, "text_head");
  const PairMoments gathered = moments(context);
  const Cca cca = fit_cca(gathered, image.weight.size(0), options_);
  const bool follows = options_.of == CcaOf::embeddings;
  copy_map(follows ? compose(cca.x, {image.weight.cpu(), image.offset.cpu()}) : cca.x, image);
  copy_map(follows ? compose(cca.y, {text.weight.cpu(), text.offset.cpu()}) : cca.y, text);
  const double sum = cca.correlation.sum().item<double>(), largest = cca.correlation[0].item<double>();
  log::info(concat("cca: ", gathered.pairs(), " pairs of ", gathered.mean_x().size(0), " and ",
                   gathered.mean_y().size(0), " numbers, ", cca.correlation.size(0), " dimensions; correlations ",
                   largest, " to ", cca.correlation[-1].item<double>(), ", sum ", sum));
  return {{"cca_correlation_sum", sum}, {"cca_correlation_largest", largest}};
}

}  // namespace diptych

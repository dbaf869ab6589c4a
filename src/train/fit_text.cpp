#include "train/fit_text.h"

#include <torch/torch.h>

#include "diptych/core/log.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/train/system.h"
#include "train/training_blocks.h"

namespace diptych {

FittedText* fittable_text(System& system) {
  auto* text = dynamic_cast<FittedText*>(&system.model->text());
  return text && text->needs_fit() ? text : nullptr;
}

void fit_text(const FitContext& context) {
  FittedText* text = fittable_text(context.system);
  if (!text || text->fitted()) return;
  log::info(concat("fitting the text encoder ", context.experiment.model.text.type(), " to ",
                   context.data.training_captions(context.experiment.train.limit_images).size(), " training captions"));
  const EvalScope scope(*context.system.model);
  text->fit(
      [&](const auto& visit) {
        for_each_training_block(
            context, [&](const TrainingBlock& block) { visit(block.captions.tokens, block.captions.length); });
      },
      static_cast<uint64_t>(context.experiment.seed));
}

void TextFit::check(const FitContext& context) const {
  const FittedText* text = fittable_text(context.system);
  if (!text)
    throw UsageError(
        "",
        concat("a stage with fit: text, but model.text = ", context.experiment.model.text.type(),
               " has nothing to fit"),
        "leave the stage out, or choose a text encoder that is fitted, such as tfidf, hglmm or word_mean with pca");
  text->check_fit();
}

std::map<std::string, double> TextFit::run(const FitContext& context) const {
  fit_text(context);
  return {};
}

}  // namespace diptych

#include "train/active_stage.h"

#include <torch/torch.h>

#include "train/fit_text.h"
#include "train/parameter_groups.h"

namespace diptych {
namespace {

std::shared_ptr<Sampler> make_sampler(const Experiment& experiment, const DataBundle& data,
                                      const StageOptions& options) {
  const SamplerContext context{data.corpus, data.training_captions(experiment.train.limit_images),
                               experiment.batch_size(options), static_cast<uint64_t>(experiment.seed)};
  return experiment.data.sampler.make(context);
}

std::vector<std::string> frozen_parts(const StageOptions& options) {
  return options.fits() ? std::vector<std::string>{"model", "objective"} : options.freeze;
}

// Gradient steps on top of features that mean nothing yet would train nothing.
void require_fitted_text(const Experiment& experiment, System& system, int64_t stage) {
  const FittedText* text = fittable_text(system);
  if (!text || text->fitted()) return;
  for (int64_t i = 0; i < stage; ++i)
    if (experiment.train.stages[static_cast<size_t>(i)].fits()) return;
  throw UsageError(
      "",
      concat("train.stages '", experiment.train.stages[static_cast<size_t>(stage)].name,
             "': model.text = ", experiment.model.text.type(), " has to be fitted to the training captions first"),
      "put a stage before it: {name: text, epochs: 1, fit: {type: text}}");
}

}  // namespace

ActiveStage::ActiveStage(const Experiment& experiment, const DataBundle& data, System& system, const TrainState& at)
    : options(experiment.train.stages[static_cast<size_t>(at.stage)]),
      fit(options.fit.make()),
      freezer(system, "", frozen_parts(options), options.freeze_statistics),
      optimizer(options.optim.make()),
      schedule(options.schedule.make()),
      sampler(fit->active() ? nullptr : make_sampler(experiment, data, options)),
      weights(system.objective->weights(options)),
      image_frozen(!parameters_train(system.model->image())),
      steps_per_epoch(fit->active() ? 1 : sampler->batches_per_epoch() / experiment.train.accumulate) {
  if (fit->active()) return;
  require_fitted_text(experiment, system, at.stage);
  if (options.text_weight && !system.objective->weighs_text(weights))
    throw UsageError("",
                     concat("train.stages '", options.name, "': text_weight = ", *options.text_weight,
                            ", but no term of the objective that trains here weighs its text side"),
                     "leave it out, or add {type: instance} to the objective");
  if (const Loss* chooser = system.objective->chooser(weights))
    candidates.emplace(data, data.training_captions(experiment.train.limit_images), *chooser,
                       static_cast<uint64_t>(experiment.seed));
  optimizer->set_parameters(trainable_parameters(system, options));
  schedule->restore(at.schedule);
  if (steps_per_epoch < 1)
    throw UsageError("", concat("train.accumulate = ", experiment.train.accumulate, " is more than the ",
                                sampler->batches_per_epoch(), " batches of an epoch"));
  if (options.augment == Augment::flip && !image_frozen)
    throw UsageError("", concat("train.stages '", options.name, "': augment = flip needs a frozen image encoder"),
                     "freeze: [model.image], or augment: full");
}

double ActiveStage::lr(int64_t stage_step) const {
  const auto warmup = static_cast<int64_t>(options.warmup_epochs * static_cast<double>(steps_per_epoch));
  return optimizer->base_lr() * schedule->factor(time(stage_step)) * warmup_factor(stage_step, warmup);
}

}  // namespace diptych

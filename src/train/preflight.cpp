#include <torch/torch.h>

#include <chrono>

#include "train/parameter_groups.h"
#include "train/trainer_state.h"

namespace diptych {
namespace {

/// Puts weights, generator and place back as they were, whatever happened in between.
class Restored {
 public:
  explicit Restored(Trainer::State& state)
      : state_(state), before_(state.checkpoint()), at_(state.at), pending_(state.pending_optimizer) {}
  ~Restored() {
    state_.stage.reset();
    state_.restore(before_);
    state_.at = at_;
    state_.pending_optimizer = std::move(pending_);
  }
  const Checkpoint& before() const { return before_; }

 private:
  Trainer::State& state_;
  Checkpoint before_;
  TrainState at_;
  std::map<std::string, at::Tensor> pending_;
};

/// One real batch forward and backward in the current stage; nothing is applied.
double try_step(Trainer::State& s) {
  std::vector<PairBatch> batches = s.stage->sampler->epoch(0);
  batches.resize(1);
  Loader loader(s.data.source(s.experiment), std::move(batches), 0, s.stage->crops());
  Batch batch;
  if (!loader.next(batch)) return 0;
  s.system.train();
  s.stage->freezer.apply_modes();
  check_labels(s.system, s.data, batch);
  const ObjectiveValue value =
      forward_batch(s.system, to_device(batch, s.system.device), *s.stage, s.experiment.precision, 0, 0);
  s.throw_nonfinite(find_nonfinite(value, s.data.corpus, batch));
  value.total.backward();
  const auto& parameters = s.stage->optimizer->parameters();
  s.throw_nonfinite(find_nonfinite(gradient_norm(parameters), parameters, s.data.corpus, batch));
  s.stage->optimizer->zero_grad();
  return value.total.item<double>();
}

/// What a fit can refuse without fitting, and one block of images and captions through the encoders.
void try_fit(Trainer::State& s) {
  const FitContext context = s.fit_context();
  s.stage->fit->check(context);
  std::vector<int64_t> images = s.data.training_images(s.experiment.train.limit_images);
  images.resize(std::min<size_t>(images.size(), 2));
  encode_image_features(s.system, s.data, s.experiment, images, /*mirror=*/false, "try images");
}

}  // namespace

/// The metric that selects must exist on the validation split (K above the gallery). Its size decides, not the
/// embeddings: small made-up ones stand for them.
void Trainer::State::check_selection() const {
  if (metric.empty() || !has_validation(data.corpus)) return;
  const auto made_up = [](size_t rows) {
    return at::arange(static_cast<int64_t>(rows) * 4, at::kFloat).sin().view({-1, 4});
  };
  EncodedSplit encoded = rows_of_split(data.corpus, Split::val);
  encoded.x = made_up(encoded.image_rows.size());
  encoded.y = made_up(encoded.caption_rows.size());
  if (!system.model->scorer().indexable()) encoded.scores = encoded.x.mm(encoded.y.t());
  const ProtocolResult result =
      evaluate_split(system, data, experiment, *protocol, encoded, Split::val, /*bootstrap=*/false);
  if (const Metric* selected = result.find(metric); !selected || !selected->available)
    throw UsageError("",
                     concat("evaluate.select: ", metric, " is not available on val",
                            selected ? concat(" (gallery of ", selected->gallery, ")") : std::string()),
                     kGalleryTooSmall);
}

Preflight Trainer::preflight() {
  State& s = *state_;
  Preflight out;
  s.check_selection();
  s.steps_of_stage.clear();
  const Restored restored(s);
  const TrainState start = s.at;
  for (size_t i = 0; i < s.experiment.train.stages.size(); ++i) {
    s.pending_optimizer.clear();
    s.at = start;
    s.at.schedule = Json::object();
    s.at.stage = static_cast<int64_t>(i);
    s.begin_stage();
    s.steps_of_stage.push_back(s.stage->steps_per_epoch * s.stage->options.epochs);
    out.steps += s.steps_of_stage.back();
    if (s.stage->fit->active()) {
      try_fit(s);
      out.groups += concat("stage '", s.stage->options.name, "': fit ", s.stage->options.fit.type(), "\n");
      continue;
    }
    out.groups += group_table(s.system, *s.stage->optimizer, s.stage->options);
    const auto clock = std::chrono::steady_clock::now();
    out.loss = try_step(s);
    out.step_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - clock).count();
  }
  for (const auto& [name, tensor] : restored.before().model.tensors) out.checkpoint_bytes += 3 * tensor.nbytes();
  return out;
}

}  // namespace diptych

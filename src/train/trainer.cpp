#include "diptych/train/trainer.h"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>

#include "diptych/core/log.h"
#include "diptych/core/random.h"
#include "diptych/core/signals.h"
#include "train/parameter_groups.h"
#include "train/trainer_state.h"

namespace diptych {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

int64_t total_epochs(const Experiment& experiment) {
  int64_t total = 0;
  for (const auto& each : experiment.train.stages) total += each.epochs;
  return total;
}

/// Speed since the start of this epoch, for the progress line and timing.jsonl.
struct EpochClock {
  Clock::time_point start = Clock::now();
  int64_t pairs = 0, steps = 0;
  double seconds() const { return std::max(seconds_since(start), 1e-9); }
  double pairs_per_s() const { return static_cast<double>(pairs) / seconds(); }
  double seconds_for(int64_t more_steps) const {
    return static_cast<double>(more_steps) * seconds() / static_cast<double>(std::max<int64_t>(1, steps));
  }
};

void show_progress(const Trainer::State& state, const EpochClock& clock, double lr, double wait_s, bool epoch_end) {
  const TrainState& at = state.at;
  log::progress(concat("epoch ", at.epochs + 1, "/", total_epochs(state.experiment), " step ", at.step, " ",
                       state.window.text(), " lr ", short_number(lr), " ", static_cast<int64_t>(clock.pairs_per_s()),
                       " pairs/s wait ", static_cast<int64_t>(100 * wait_s / clock.seconds()), "% mem ",
                       bytes_text(resident_bytes()), " ETA ", duration_text(clock.seconds_for(state.steps_left()))),
                epoch_end);
}

/// augment: flip. Whether an image is mirrored in an epoch, cached or not.
bool mirrored(int64_t seed, int64_t epoch, int64_t image_row) {
  return Random(static_cast<uint64_t>(seed), {static_cast<uint64_t>(Stream::augment), static_cast<uint64_t>(epoch),
                                              static_cast<uint64_t>(image_row)})
      .chance(0.5);
}

/// The images of a batch [U, 3, H, W], those of mirrored() flipped.
at::Tensor mirror_some(const Batch& batch, int64_t seed, int64_t epoch) {
  at::Tensor mirror = at::zeros({batch.image.size(0), 1, 1, 1}, at::kBool);
  for (int64_t i = 0; i < mirror.size(0); ++i)
    mirror[i][0][0][0] = mirrored(seed, epoch, batch.unique_image_row[i].item<int64_t>());
  return at::where(mirror, batch.image.flip({3}), batch.image).contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace

Trainer::Trainer(const Experiment& experiment, const DataBundle& data, System& system)
    : state_(std::make_unique<State>(experiment, data, system)) {}
Trainer::~Trainer() = default;
const TrainState& Trainer::state() const { return state_->at; }
void Trainer::restore(const Checkpoint& checkpoint) { state_->restore(checkpoint); }

void Trainer::State::throw_nonfinite(const std::optional<NonFinite>& found) const {
  if (!found) return;
  if (run_log) {
    Json report{{"v", 1}, {"step", at.step}, {"epoch", at.epochs}, {"lr", stage->lr(at.stage_step)}};
    report.update(found->report);
    run_log->nonfinite(at.step, report);
  }
  throw NumericError(concat("step ", at.step), found->message, found->hint);
}

/// One batch; at a `boundary` the gradients gathered so far are applied.
void Trainer::State::train_step(const Batch& batch, bool boundary) {
  const ObjectiveValue value =
      forward_batch(system, to_device(batch, system.device), *stage, experiment.precision, at.step, epoch_position());
  throw_nonfinite(find_nonfinite(value, data.corpus, batch));
  const int64_t accumulate = experiment.train.accumulate;
  (accumulate == 1 ? value.total : value.total / accumulate).backward();
  window.add("loss", value.total.item<double>());
  for (const auto& term : value.terms) window.add(term.name, term.value.total.item<double>());
  if (!boundary) return;

  const auto& parameters = stage->optimizer->parameters();
  const double norm = gradient_norm(parameters);
  throw_nonfinite(find_nonfinite(norm, parameters, data.corpus, batch));
  if (const double limit = experiment.train.clip_norm; limit > 0 && norm > limit)
    scale_gradients(parameters, limit / norm);
  stage->optimizer->step(stage->lr(at.stage_step));
  stage->optimizer->zero_grad();
  ema.update();
  window.add("grad_norm", norm);
  ++at.step, ++at.stage_step;
}

/// Features of a frozen image encoder for this epoch, or undefined when images have to go through it.
at::Tensor Trainer::State::cached_features() {
  if (!stage->image_frozen) cache = {};
  if (data.features) return {};                      // the loader reads them
  if (system.model->composes_pictures()) return {};  // features are not enough
  const Augment augment = stage->augment();
  if (!stage->image_frozen || augment == Augment::full || experiment.train.feature_cache_mb == 0) return {};
  if (experiment.data.loader.on_bad_sample == BadSample::skip) return {};  // what is skipped has no features
  std::vector<int64_t> rows = data.training_images(experiment.train.limit_images);
  const auto val = data.corpus.image_rows(Split::val);
  rows.insert(rows.end(), val.begin(), val.end());
  const bool both = augment == Augment::flip || experiment.evaluate.flip_sum;
  if (!fill_feature_cache(cache, system, data, experiment, rows, both)) return {};
  if (augment == Augment::none) return cache.plain;
  at::Tensor mirror = at::zeros({cache.plain.size(0)}, at::kBool);
  for (const int64_t row : rows) mirror[row] = mirrored(experiment.seed, at.epochs, row);
  std::vector<int64_t> sizes(static_cast<size_t>(cache.plain.dim()), 1);
  sizes[0] = -1;
  return at::where(mirror.view(sizes), cache.flipped, cache.plain);
}

/// Trains the rest of the current epoch; false if a signal stopped it (everything is saved then).
bool Trainer::State::train_epoch(RunDirectory& run) {
  const at::Tensor features = cached_features();
  const int64_t accumulate = experiment.train.accumulate;
  std::vector<PairBatch> batches = stage->sampler->epoch(at.epochs);
  batches.resize(static_cast<size_t>(stage->steps_per_epoch * accumulate));
  const auto count = static_cast<int64_t>(batches.size());
  const int64_t done_before = at.batches;
  batches.erase(batches.begin(), batches.begin() + done_before);
  Loader loader(data.source(experiment), std::move(batches), at.epochs, stage->crops(), features);
  system.train();
  stage->freezer.apply_modes();
  EpochClock clock;
  Batch batch;
  while (loader.next(batch)) {
    // A batch that bad images emptied never comes; the place in the epoch counts it.
    const int64_t place = done_before + loader.consumed();
    const bool boundary = place / accumulate > at.batches / accumulate;
    const double lr = stage->lr(at.stage_step);
    if (stage->options.augment == Augment::flip && !features.defined())
      batch.image = mirror_some(batch, experiment.seed, at.epochs);
    train_step(batch, boundary);
    at.batches = place;
    clock.pairs += batch.label.size(0);
    run_log->bad_samples(at.epochs, loader.skipped());
    if (!boundary) continue;  // between two accumulated batches nothing is logged or saved
    ++clock.steps;
    show_progress(*this, clock, lr, loader.wait_seconds(), at.batches == count);
    if (at.step % experiment.log.every_steps == 0) {
      run_log->step({at.step, at.epochs, lr, window.means()},
                    {clock.pairs_per_s(), loader.wait_seconds(), resident_bytes() / 1e6});
      window.clear();
    }
    if (signals::pending()) {
      save(run);
      return false;
    }
    const int64_t every = experiment.train.checkpoint.every_steps;
    if (every > 0 && at.step % every == 0 && at.batches < count) save(run);
  }
  stage->optimizer->zero_grad();
  at.batches = 0;
  ++at.stage_epoch, ++at.epochs;
  return true;
}

FitContext Trainer::State::fit_context() const {
  return {system, data, experiment, cache.defined() ? &cache : nullptr};
}

/// The one step of a stage that fits in closed form. throws Interrupted after saving.
void Trainer::State::fit_epoch(RunDirectory& run) {
  try {
    cached_features();
    for (const auto& [name, value] : stage->fit->run(fit_context())) window.add(name, value);
  } catch (const Interrupted&) {
    save(run);
    throw;
  }
  ema.reset();
  ++at.step, ++at.stage_step;
  run_log->step({at.step, at.epochs, 0, window.means()}, {0, 0, resident_bytes() / 1e6});
  window.clear();
  ++at.stage_epoch, ++at.epochs;
}

void Trainer::State::check_collapse(const ProtocolResult& result) const {
  if (!result.collapsed) return;
  const std::string message = concat("the model has collapsed: the embeddings of ", result.split,
                                     " are all alike (spread ", short_number(result.spread), ")");
  if (experiment.train.on_collapse == OnCollapse::warn) return log::warn(message);
  throw NumericError(
      concat("step ", at.step), message,
      "lower the learning rate, or start hardest-negative losses with warmup_epochs of the sum of hinges; where "
      "BatchNorm and the moving average have seen few steps: train.on_collapse=warn, or evaluate later "
      "(evaluate.every)");
}

/// Evaluates on val; true if the selection metric is the best so far.
bool Trainer::State::evaluate() {
  const auto start = Clock::now();
  ProtocolResult result;
  EncodedSplit encoded;
  {
    const bool cached = cache.defined() && ema.same_as_weights("model.image");
    std::optional<Ema::Scope> averaged;
    if (ema.active()) averaged.emplace(ema);
    encoded = encode_split(system, data, experiment, Split::val, cached ? &cache : nullptr);
    result = evaluate_split(system, data, experiment, *protocol, encoded, Split::val, /*bootstrap=*/false);
  }
  check_collapse(result);
  run_log->evaluation(at.step, at.epochs, result, encoded, seconds_since(start));
  const Metric* selected = metric.empty() ? nullptr : result.find(metric);
  log::info(concat(line_text(result),
                   at.best ? concat(" (best ", short_number(*at.best), " at step ", at.best_step, ")") : ""));
  if (!selected) return metric.empty();
  if (!selected->available)
    throw UsageError("", concat("evaluate.select: ", metric, " is not available on val"), kGalleryTooSmall);
  stage->schedule->observe(selected->value);
  return at.take_metric(selected->value, experiment.evaluate.min_gain);
}

/// What follows an epoch: evaluation, then a checkpoint if one is due.
void Trainer::State::finish_epoch(RunDirectory& run) {
  const bool last = at.stage_epoch == stage->options.epochs;
  const bool due = last || at.stage_epoch % experiment.evaluate.every == 0;
  const bool better = due && has_validation(data.corpus) && evaluate();
  at.evaluation_due = false;
  if (better || last || at.stage_epoch % experiment.train.checkpoint.every_epochs == 0) save(run);
}

bool Trainer::State::stage_is_over(int64_t number) const {
  const int64_t patience = experiment.evaluate.patience;
  return !at.evaluation_due && (at.stage_epoch >= experiment.train.stages[static_cast<size_t>(number)].epochs ||
                                (patience > 0 && at.waited >= patience));
}

int64_t Trainer::State::steps_left() const {
  int64_t left = -at.stage_step;
  for (size_t i = static_cast<size_t>(at.stage); i < steps_of_stage.size(); ++i) left += steps_of_stage[i];
  return left;
}

bool Trainer::complete() const {
  const auto stages = static_cast<int64_t>(state_->experiment.train.stages.size());
  return state_->at.stage + 1 == stages && state_->stage_is_over(state_->at.stage);
}

void Trainer::run(RunDirectory& run, TensorboardLog* tensorboard) {
  State& s = *state_;
  s.run_log = std::make_unique<RunLog>(run.path(), s.at.metrics_bytes, tensorboard);
  const auto stages = static_cast<int64_t>(s.experiment.train.stages.size());
  while (true) {
    s.begin_stage();
    const StageOptions& options = s.stage->options;
    const std::string work = options.fits() ? concat("fit ", options.fit.type())
                                            : concat(options.epochs, " epochs of ", s.stage->steps_per_epoch,
                                                     " steps, ", s.experiment.batch_size(options), " pairs a step",
                                                     s.stage->image_frozen ? ", image encoder frozen" : "");
    log::info(concat("stage ", s.at.stage + 1, "/", stages, " '", options.name, "': ", work));
    while (!s.stage_is_over(s.at.stage)) {
      if (!s.at.evaluation_due && s.stage->fit->active())
        s.fit_epoch(run);
      else if (!s.at.evaluation_due && !s.train_epoch(run))
        throw Interrupted{signals::pending()};
      s.at.evaluation_due = true;
      try {
        s.finish_epoch(run);
      } catch (const Interrupted&) {
        s.save(run);  // the epoch is kept; its evaluation comes first when the run is resumed
        throw;
      }
    }
    if (s.saved_step != s.at.step) s.save(run);  // stopped early, between two saved epochs
    if (s.at.stage + 1 == stages) return;
    s.at.next_stage();
  }
}

}  // namespace diptych

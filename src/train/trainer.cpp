#include "diptych/train/trainer.h"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "diptych/core/io/hash.h"
#include "diptych/core/log.h"
#include "diptych/core/random.h"
#include "diptych/core/signals.h"
#include "diptych/train/ema.h"
#include "train/meter.h"
#include "train/parameter_groups.h"

namespace diptych {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Global L2 norm over all gradients, in float64 order of parameters: a fixed order gives fixed bits.
double gradient_norm(const std::vector<NamedParameter>& parameters) {
  std::vector<at::Tensor> gradients;
  for (const auto& parameter : parameters)
    if (parameter.value.grad().defined()) gradients.push_back(parameter.value.grad());
  if (gradients.empty()) return 0;
  return at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients))).item<double>();
}

void scale_gradients(const std::vector<NamedParameter>& parameters, double factor) {
  for (const auto& parameter : parameters)
    if (at::Tensor gradient = parameter.value.grad(); gradient.defined()) gradient.mul_(factor);
}

at::Generator cpu_generator() { return at::detail::getDefaultCPUGenerator(); }

std::string first_nonfinite(const std::vector<NamedParameter>& parameters) {
  for (const auto& parameter : parameters)
    if (const at::Tensor& gradient = parameter.value.grad();
        gradient.defined() && !gradient.isfinite().all().item<bool>())
      return parameter.name;
  return "";
}

}  // namespace

/// The stage being trained: what is rebuilt when a stage begins or a run resumes.
struct ActiveStage {
  const StageOptions& options;
  std::unique_ptr<Freezer> freezer;
  std::shared_ptr<Optimizer> optimizer;
  std::shared_ptr<Schedule> schedule;
  std::shared_ptr<Sampler> sampler;
  std::vector<double> weights;
  bool image_frozen = false;
  int64_t steps_per_epoch = 0;

  StageTime time(int64_t stage_step) const { return {stage_step, steps_per_epoch * options.epochs, steps_per_epoch}; }
  double lr(int64_t stage_step) const {
    const auto warmup = static_cast<int64_t>(options.warmup_epochs * static_cast<double>(steps_per_epoch));
    return optimizer->base_lr() * schedule->factor(time(stage_step)) * warmup_factor(stage_step, warmup);
  }
};

struct Trainer::State {
  const Experiment& experiment;
  const DataBundle& data;
  System& system;
  std::shared_ptr<Protocol> protocol;
  std::string metric;  // selection metric, "" for last
  Ema ema;
  TrainState at;
  std::unique_ptr<ActiveStage> stage;
  FeatureCache cache;
  Meter window;
  std::unique_ptr<LineWriter> metrics, timing;
  std::map<std::string, at::Tensor> pending_optimizer;  // of a restored checkpoint, until its stage is built

  State(const Experiment& e, const DataBundle& d, System& s)
      : experiment(e),
        data(d),
        system(s),
        protocol(e.evaluate.protocol.make()),
        metric(e.selection_metric()),
        ema(s, e.train.ema) {}

  void begin_stage();
  at::Tensor cached_features();
  bool train_epoch(RunDirectory& run);
  void train_step(const Batch& batch, int64_t place, int64_t batches);
  ObjectiveValue forward(const Batch& batch);
  void check_finite_loss(const ObjectiveValue& value, const Batch& batch) const;
  void check_finite_gradient(double norm, const Batch& batch) const;
  void log_step(double lr, double norm, const Loader& loader, Clock::time_point epoch_start, int64_t pairs,
                bool epoch_end);
  bool evaluate(RunDirectory& run);
  void check_collapse(const ProtocolResult& result) const;
  void save(RunDirectory& run);
  Checkpoint checkpoint() const;
  Json identity() const;
  int64_t total_epochs() const;
  void write_metrics(const Json& row) { metrics->write(dump_line(row)); }
};

Trainer::Trainer(const Experiment& experiment, const DataBundle& data, System& system)
    : state_(std::make_unique<State>(experiment, data, system)) {}
Trainer::~Trainer() = default;
const TrainState& Trainer::state() const { return state_->at; }

void Trainer::State::begin_stage() {
  const StageOptions& options = experiment.train.stages[static_cast<size_t>(at.stage)];
  stage = std::make_unique<ActiveStage>(
      ActiveStage{.options = options, .freezer = {}, .optimizer = {}, .schedule = {}, .sampler = {}, .weights = {}});
  stage->freezer = std::make_unique<Freezer>(system, "", options.freeze, options.freeze_statistics);
  stage->optimizer = options.optim.make();
  stage->optimizer->set_parameters(trainable_parameters(system, options));
  stage->schedule = options.schedule.make();
  stage->schedule->restore(at.schedule);
  stage->weights = system.objective->weights(options);
  const SamplerContext context{data.corpus, data.training_captions(experiment.train.limit_images),
                               experiment.batch_size(options), static_cast<uint64_t>(experiment.seed)};
  stage->sampler = experiment.data.sampler.make(context);
  stage->steps_per_epoch = stage->sampler->batches_per_epoch() / experiment.train.accumulate;
  if (stage->steps_per_epoch < 1)
    throw UsageError("", concat("train.accumulate = ", experiment.train.accumulate, " is more than the ",
                                stage->sampler->batches_per_epoch(), " batches of an epoch"));
  stage->image_frozen = !parameters_train(system.model->image());
  if (options.augment == Augment::flip && !stage->image_frozen)
    throw UsageError("", concat("train.stages '", options.name, "': augment = flip needs a frozen image encoder"),
                     "freeze: [model.image], or augment: full");
  if (!pending_optimizer.empty()) stage->optimizer->restore(std::exchange(pending_optimizer, {}));
}

ObjectiveValue Trainer::State::forward(const Batch& batch) {
  const bool features = batch.image.dim() == 2;
  LossInput input;
  {
    AutocastScope autocast(experiment.precision, system.device.type());
    at::Tensor image_features = batch.image;
    if (!features) {
      at::GradMode::set_enabled(!stage->image_frozen);
      image_features = system.model->image_features(batch.image);
      at::GradMode::set_enabled(true);
    }
    const at::Tensor images = system.model->image_embedding(image_features);
    input.x = images.index_select(0, batch.image_index);
    input.y = system.model->text_embedding(batch.tokens, batch.length);
  }
  input.x = input.x.to(at::kFloat), input.y = input.y.to(at::kFloat);
  if (system.objective->needs_scores()) input.scores = system.model->scorer().forward(input.x, input.y);
  input.label = batch.label;
  input.image_row = batch.image_row;
  input.step = at.step;
  input.epoch =
      static_cast<double>(at.epochs) + stage->time(at.stage_step).epoch() - static_cast<double>(at.stage_epoch);
  return system.objective->forward(input, stage->weights);
}

void Trainer::State::check_finite_loss(const ObjectiveValue& value, const Batch& batch) const {
  if (std::isfinite(value.total.item<double>())) return;
  std::string culprits;
  for (const auto& term : value.terms)
    if (!std::isfinite(term.value.total.item<double>())) culprits += " " + term.name;
  throw NumericError(concat("step ", at.step),
                     concat("the loss is not finite; terms:", culprits.empty() ? " (their sum)" : culprits,
                            "; captions of the batch: ", sample_ids(data.corpus, batch)),
                     "lower the learning rate, or look for damaged inputs with diptych data check");
}

void Trainer::State::check_finite_gradient(double norm, const Batch& batch) const {
  if (std::isfinite(norm)) return;
  throw NumericError(concat("step ", at.step),
                     concat("the gradient is not finite, first in ", first_nonfinite(stage->optimizer->parameters()),
                            "; captions of the batch: ", sample_ids(data.corpus, batch)),
                     "lower the learning rate, or set train.clip_norm");
}

void Trainer::State::train_step(const Batch& batch, int64_t place, int64_t batches) {
  const ObjectiveValue value = forward(to_device(batch, system.device));
  check_finite_loss(value, batch);
  const int64_t accumulate = experiment.train.accumulate;
  (accumulate == 1 ? value.total : value.total / accumulate).backward();
  window.add("loss", value.total.item<double>());
  if (value.terms.size() > 1)
    for (const auto& term : value.terms) window.add(term.name, term.value.total.item<double>());
  if ((place + 1) % accumulate != 0 || place >= batches) return;

  const double norm = gradient_norm(stage->optimizer->parameters());
  check_finite_gradient(norm, batch);
  if (const double limit = experiment.train.clip_norm; limit > 0 && norm > limit)
    scale_gradients(stage->optimizer->parameters(), limit / norm);
  stage->optimizer->step(stage->lr(at.stage_step));
  stage->optimizer->zero_grad();
  ema.update();
  window.add("grad_norm", norm);
  ++at.step, ++at.stage_step;
}

void Trainer::State::log_step(double lr, double norm, const Loader& loader, Clock::time_point epoch_start,
                              int64_t pairs, bool epoch_end) {
  (void)norm;
  const double seconds = seconds_since(epoch_start);
  const double rate = static_cast<double>(pairs) / std::max(seconds, 1e-9);
  const int64_t left = total_steps_left(experiment, *stage->sampler, at.stage, at.stage_step);
  const double eta =
      static_cast<double>(left) * seconds /
      std::max<double>(1, static_cast<double>(pairs) / static_cast<double>(experiment.batch_size(stage->options)));
  log::progress(concat("epoch ", at.epochs + 1, "/", total_epochs(), " step ", at.step, " ", window.text(), " lr ",
                       short_number(lr), " ", static_cast<int64_t>(rate), " pairs/s wait ",
                       static_cast<int64_t>(100 * loader.wait_seconds() / std::max(seconds, 1e-9)), "% mem ",
                       bytes_text(resident_bytes()), " ETA ", duration_text(eta)),
                epoch_end);
}

int64_t Trainer::State::total_epochs() const {
  int64_t total = 0;
  for (const auto& each : experiment.train.stages) total += each.epochs;
  return total;
}

/// Features of a frozen image encoder for this epoch, or undefined. With augment: flip each image is mirrored or not by
/// (seed, epoch, image).
at::Tensor Trainer::State::cached_features() {
  if (!stage->image_frozen) cache = {};
  const Augment augment = stage->options.augment;
  if (!stage->image_frozen || augment == Augment::full || experiment.train.feature_cache_mb == 0) return {};
  std::vector<int64_t> rows = data.corpus.image_rows(Split::train);
  const auto val = data.corpus.image_rows(Split::val);
  rows.insert(rows.end(), val.begin(), val.end());
  const bool both = augment == Augment::flip || experiment.evaluate.flip_sum;
  if (!fill_feature_cache(cache, system, data, experiment, rows, both)) return {};
  if (augment == Augment::none) return cache.plain;
  at::Tensor mirrored = at::zeros({cache.plain.size(0), 1}, at::kBool);
  for (const int64_t row : rows)
    mirrored[row][0] =
        Random(static_cast<uint64_t>(experiment.seed),
               {static_cast<uint64_t>(Stream::augment), static_cast<uint64_t>(at.epochs), static_cast<uint64_t>(row)})
            .chance(0.5);
  return at::where(mirrored, cache.flipped, cache.plain);
}

/// Trains the rest of the current epoch; false if a signal stopped it (everything is saved then).
bool Trainer::State::train_epoch(RunDirectory& run) {
  const at::Tensor features = cached_features();
  std::vector<PairBatch> batches = stage->sampler->epoch(at.epochs);
  batches.resize(static_cast<size_t>(stage->steps_per_epoch * experiment.train.accumulate));
  const auto count = static_cast<int64_t>(batches.size());
  batches.erase(batches.begin(), batches.begin() + at.batches);
  Loader loader(data.source(experiment), std::move(batches), at.epochs, stage->options.augment == Augment::full,
                features);
  system.train();
  stage->freezer->apply_modes();
  const auto start = Clock::now();
  int64_t pairs = 0;
  Batch batch;
  while (loader.next(batch)) {
    const double lr = stage->lr(at.stage_step);
    const int64_t step_before = at.step;
    train_step(batch, at.batches, count);
    ++at.batches;
    pairs += batch.label.size(0);
    if (at.step == step_before) continue;  // between two accumulated batches nothing is logged or saved
    log_step(lr, 0, loader, start, pairs, at.batches == count);
    if (at.step % experiment.log.every_steps == 0) {
      Json row{{"v", 1}, {"kind", "train"}, {"step", at.step}, {"epoch", at.epochs}, {"lr", lr}};
      row.update(window.means());
      write_metrics(row);
      timing->write(dump_line(Json{{"step", at.step},
                                   {"pairs_per_s", static_cast<double>(pairs) / seconds_since(start)},
                                   {"wait_s", loader.wait_seconds()},
                                   {"memory_mb", resident_bytes() / 1e6}}));
      window.clear();
    }
    const bool due =
        experiment.train.checkpoint.every_steps > 0 && at.step % experiment.train.checkpoint.every_steps == 0;
    if (signals::pending()) {
      save(run);
      return false;
    }
    if (due && at.batches < count) save(run);
  }
  at.batches = 0;
  ++at.stage_epoch, ++at.epochs;
  return true;
}

void Trainer::State::check_collapse(const ProtocolResult& result) const {
  if (!result.collapsed) return;
  const std::string message = concat("the model has collapsed: the embeddings of ", result.split,
                                     " are all alike (spread ", short_number(result.spread), ")");
  if (experiment.train.on_collapse == OnCollapse::warn) return log::warn(message);
  throw NumericError(
      concat("step ", at.step), message,
      "lower the learning rate, or start hardest-negative losses with warmup_epochs of the sum of hinges");
}

/// Evaluates on val; true if the selection metric is the best so far.
bool Trainer::State::evaluate(RunDirectory&) {
  const auto start = Clock::now();
  ProtocolResult result;
  {
    std::optional<Ema::Scope> averaged;
    if (ema.active()) averaged.emplace(ema);
    const EncodedSplit encoded = encode_split(system, data, experiment, Split::val, cache.defined() ? &cache : nullptr);
    result = evaluate_split(system, data, experiment, *protocol, encoded, Split::val, /*bootstrap=*/false);
  }
  check_collapse(result);
  Json row{{"v", 1},          {"kind", "eval"},
           {"step", at.step}, {"epoch", at.epochs},
           {"split", "val"},  {"protocol", result.protocol}};
  for (const auto& [name, value] : result.metrics)
    if (value.available) row[name] = value.value;
  write_metrics(row);
  timing->write(dump_line(Json{{"step", at.step}, {"evaluation_s", seconds_since(start)}}));
  const Metric* selected = metric.empty() ? nullptr : result.find(metric);
  const bool better = selected && selected->available && (!at.best || selected->value > *at.best);
  log::info(concat(line_text(result),
                   at.best ? concat(" (best ", short_number(*at.best), " at step ", at.best_step, ")") : ""));
  if (!selected) return metric.empty();
  if (!selected->available)
    throw UsageError("", concat("evaluate.select: ", metric, " is not available on val"),
                     "the gallery is smaller than K: select another metric");
  stage->schedule->observe(selected->value);
  if (better)
    at.best = selected->value, at.best_step = at.step, at.waited = 0;
  else
    ++at.waited;
  return better;
}

Json Trainer::State::identity() const {
  return Json{{"config", config_hash(rows_of(experiment))},
              {"data", data.corpus.fingerprint},
              {"vocabulary", data.vocabulary.hash()},
              {"threads", at::get_num_threads()},
              {"torch", TORCH_VERSION}};
}

Checkpoint Trainer::State::checkpoint() const {
  Checkpoint out;
  out.model.tensors = module_state(system);
  if (stage) out.optimizer.tensors = stage->optimizer->state();
  out.optimizer.metadata["optimizer"] = stage ? stage->optimizer->type() : "";
  out.optimizer.tensors.merge(ema.state());
  out.optimizer.tensors["random/cpu"] = cpu_generator().get_state().clone();
  if (system.device.is_cuda())
    out.optimizer.tensors["random/cuda"] = at::globalContext().defaultGenerator(system.device).get_state().clone();
  out.state = at;
  out.state.window = window.to_json();
  out.state.metrics_bytes = metrics ? metrics->bytes() : 0;
  out.state.schedule = stage ? stage->schedule->state() : Json::object();
  out.identity = identity();
  return out;
}

void Trainer::State::save(RunDirectory& run) {
  metrics->sync();  // the checkpoint counts its bytes
  save_checkpoint(run.checkpoints(), checkpoint());
  if (at.best_step == at.step || (metric.empty() && at.best_step < 0))
    point_to(run.checkpoints(), "best", checkpoint_name(at.step));
  prune_checkpoints(run.checkpoints(), experiment.train.checkpoint.keep);
}

void Trainer::restore(const Checkpoint& checkpoint) {
  State& s = *state_;
  const std::string where = "checkpoint " + checkpoint_name(checkpoint.state.step);
  const auto same = [&](const char* key, const std::string& now, const std::string& what) {
    if (const std::string then = checkpoint.identity.value(key, std::string()); then != now)
      throw CheckpointError(where, concat("the ", what, " has changed since: ", then, " then, ", now, " now"),
                            "restore the former files, or start a new run");
  };
  same("data", s.data.corpus.fingerprint, "data set");
  same("vocabulary", s.data.vocabulary.hash(), "vocabulary");
  if (checkpoint.identity.value("threads", int64_t{0}) != at::get_num_threads() ||
      checkpoint.identity.value("torch", std::string()) != TORCH_VERSION)
    log::warn("bit-exactness not promised: the thread count or the torch version differs from the first session's");
  restore_module(s.system, checkpoint.model.tensors, where);
  s.at = checkpoint.state;
  s.window = Meter::from_json(checkpoint.state.window);
  s.ema.restore(checkpoint.optimizer.tensors);
  std::map<std::string, at::Tensor> slots;
  for (const auto& [name, tensor] : checkpoint.optimizer.tensors)
    if (!name.starts_with("ema") && !name.starts_with("random/")) slots[name] = tensor;
  const bool stage_is_over = s.at.stage >= static_cast<int64_t>(s.experiment.train.stages.size());
  // A finished run whose epochs were raised goes on in its last stage.
  if (stage_is_over) {
    s.at.stage = static_cast<int64_t>(s.experiment.train.stages.size()) - 1;
    s.at.finished = false;
  }
  if (!s.at.finished) s.pending_optimizer = std::move(slots);
  const auto random = checkpoint.optimizer.tensors.find("random/cpu");
  if (random == checkpoint.optimizer.tensors.end()) throw CheckpointError(where, "random/cpu is missing");
  cpu_generator().set_state(random->second);
  if (const auto cuda = checkpoint.optimizer.tensors.find("random/cuda");
      cuda != checkpoint.optimizer.tensors.end() && s.system.device.is_cuda()) {
    at::Generator generator = at::globalContext().defaultGenerator(s.system.device);
    generator.set_state(cuda->second);
  }
}

Preflight Trainer::preflight() {
  State& s = *state_;
  Preflight out;
  const Checkpoint before = s.checkpoint();
  const TrainState state_before = s.at;
  auto pending = s.pending_optimizer;
  for (size_t i = 0; i < s.experiment.train.stages.size();
       ++i) {  // every stage must be buildable before the first starts
    s.pending_optimizer.clear();
    s.at = state_before;
    s.at.schedule = Json::object();
    s.at.stage = static_cast<int64_t>(i);
    s.begin_stage();
    out.steps += s.stage->steps_per_epoch * s.stage->options.epochs;
    out.groups += group_table(s.system, *s.stage->optimizer, s.stage->options);
  }
  const auto start = Clock::now();
  std::vector<PairBatch> batches = s.stage->sampler->epoch(0);
  batches.resize(1);
  Loader loader(s.data.source(s.experiment), std::move(batches), 0, s.stage->options.augment == Augment::full);
  Batch batch;
  if (loader.next(batch)) {
    s.system.train();
    s.stage->freezer->apply_modes();
    check_labels(s.system, s.data, batch);
    const ObjectiveValue value = s.forward(to_device(batch, s.system.device));
    s.check_finite_loss(value, batch);
    value.total.backward();
    s.check_finite_gradient(gradient_norm(s.stage->optimizer->parameters()), batch);
    out.loss = value.total.item<double>();
    s.stage->optimizer->zero_grad();
  }
  out.step_seconds = seconds_since(start);
  for (const auto& [name, tensor] : before.model.tensors) out.checkpoint_bytes += 3 * tensor.nbytes();
  s.stage.reset();
  s.at = state_before;
  s.pending_optimizer = std::move(pending);
  restore_module(s.system, before.model.tensors, "preflight");
  cpu_generator().set_state(before.optimizer.tensors.at("random/cpu"));
  return out;
}

void Trainer::run(RunDirectory& run) {
  State& s = *state_;
  s.metrics = std::make_unique<LineWriter>(run.path() / "metrics.jsonl", s.at.metrics_bytes);
  s.timing = std::make_unique<LineWriter>(run.path() / "timing.jsonl");
  const auto stages = static_cast<int64_t>(s.experiment.train.stages.size());
  while (s.at.stage < stages) {
    s.begin_stage();
    const StageOptions& options = s.stage->options;
    log::info(concat("stage ", s.at.stage + 1, "/", stages, " '", options.name, "': ", options.epochs, " epochs of ",
                     s.stage->steps_per_epoch, " steps, ", s.experiment.batch_size(options), " pairs a step",
                     s.stage->image_frozen ? ", image encoder frozen" : ""));
    const int64_t patience = s.experiment.evaluate.patience;
    while (s.at.stage_epoch < options.epochs && !(patience > 0 && s.at.waited >= patience)) {
      if (!s.train_epoch(run)) throw Interrupted{signals::pending()};
      const bool last = s.at.stage_epoch == options.epochs;
      const bool evaluate = last || s.at.stage_epoch % s.experiment.evaluate.every == 0;
      const bool better = evaluate && has_validation(s.data.corpus) && s.evaluate(run);
      if (better || last || s.at.stage_epoch % s.experiment.train.checkpoint.every_epochs == 0) s.save(run);
    }
    if (s.at.stage + 1 == stages) break;
    ++s.at.stage;
    s.at.stage_epoch = s.at.stage_step = s.at.waited = 0;
    s.at.schedule = Json::object();
  }
  s.at.finished = true;
}

}  // namespace diptych

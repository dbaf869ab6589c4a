#include "diptych/train/session.h"

#include <torch/torch.h>
#include <unistd.h>

#include <algorithm>

#include "diptych/core/log.h"
#include "diptych/core/signals.h"
#include "diptych/core/tensor/gemm.h"
#include "diptych/train/ema.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

void configure(const Experiment& experiment, int64_t threads) {
  const int64_t count = threads > 0 ? threads : experiment.threads;
  configure_torch(static_cast<int>(count), experiment.deterministic);
  log::set_progress_interval(experiment.log.interval_s);
}

void echo(const ExperimentSource& source) {
  for (const std::string& line : source.echoes) log::info("override: " + line);
}

/// Sorts what differs between a run and its resumption into applied, warned and refused keys.
void compare_with_run(const Catalog& catalog, const fs::path& run, const Experiment& now, bool force) {
  const Experiment then = read_experiment(catalog, load_run_source(run, {}).tree);
  std::string refused;
  for (const RowDifference& each : difference(with_absolute_paths(rows_of(then)), with_absolute_paths(rows_of(now)))) {
    const std::string line =
        concat(each.path, ": ", each.a.empty() ? "(absent)" : each.a, " -> ", each.b.empty() ? "(absent)" : each.b);
    if (each.field.resume == Resume::free)
      log::info("changed: " + line);
    else if (each.field.resume == Resume::warn || force)
      log::warn("changed, no longer bit-exact: " + line);
    else
      refused += "\n  " + line;
  }
  if (!refused.empty())
    throw CheckpointError(run.string(),
                          "the configuration differs from the run's in keys that cannot change on resume:" + refused,
                          "undo them, start a new run, or pass --force-resume if the model's shape is the same");
}

void initialise_from(System& system, const fs::path& file) {
  const fs::path weights = fs::is_directory(file) ? file / "model.safetensors" : file;
  const WeightReport report = load_weights(system, weights);
  log::info(concat("weights ", weights.string(), ": ", report.brief()));
}

std::string preflight_text(const Preflight& preflight, const Experiment& experiment) {
  return concat(preflight.groups, "objective on one batch: ", preflight.loss, "\n",
                "first step: ", preflight.step_seconds, " s; steps of the run: ", preflight.steps, "\n",
                "one checkpoint: about ", bytes_text(static_cast<double>(preflight.checkpoint_bytes)),
                "; kept: ", experiment.train.checkpoint.keep, " and the best\n");
}

/// Writes one checkpoint into a temporary folder, reads it back, removes it.
void probe_checkpoint(const System& system) {
  std::string name = (fs::temp_directory_path() / "diptych-dry-run-XXXXXX").string();
  if (!mkdtemp(name.data()))
    throw OutputError(fs::temp_directory_path().string(), "no temporary folder can be made there");
  Checkpoint checkpoint;
  checkpoint.model.tensors = module_state(system);
  std::exception_ptr failure;
  try {
    save_checkpoint(name, checkpoint);
    load_checkpoint(fs::path(name) / checkpoint_name(0));
  } catch (...) {
    failure = std::current_exception();
  }
  std::error_code ignored;
  fs::remove_all(name, ignored);
  if (failure) std::rethrow_exception(failure);
}

/// Runs the trainer and keeps STATUS true whatever happens.
void run_guarded(Trainer& trainer, RunDirectory& run) {
  try {
    trainer.run(run);
    run.set_status("done");
    run.add_session("end", Json{{"step", trainer.state().step}, {"status", "done"}});
  } catch (const Interrupted& interrupted) {
    run.set_status(concat("interrupted:", interrupted.signal));
    run.add_session("end",
                    Json{{"step", trainer.state().step}, {"status", concat("interrupted:", interrupted.signal)}});
    log::info(concat("stopped by signal ", interrupted.signal, " after saving step ", trainer.state().step,
                     "; continue with: diptych train --resume ", run.path().string()));
    throw;
  } catch (...) {
    const int code = verdict_of_current_exception().exit_code;
    try {
      run.set_status(concat("failed:", code));
      run.add_session("end", Json{{"step", trainer.state().step}, {"status", concat("failed:", code)}});
    } catch (const Error& second) {
      log::warn(second.what());
    }
    throw;
  }
}

Split final_split(const Experiment& experiment) {
  return experiment.evaluate.final_split == "val" ? Split::val : Split::test;
}

fs::path evaluation_folder(const fs::path& root, const ProtocolResult& result) {
  return root / (result.split == "test" ? result.protocol : result.protocol + "-" + result.split);
}

std::optional<ProtocolResult> final_evaluation(const Catalog& catalog, const fs::path& run,
                                               const Experiment& experiment, const DataBundle& data, System& system) {
  (void)catalog;
  if (experiment.evaluate.final_split == "none") return {};
  const Split split = final_split(experiment);
  if (data.corpus.image_rows(split).empty()) {
    log::info(concat("the corpus has no ", enum_text(split), " split: no final evaluation"));
    return {};
  }
  const fs::path folder = find_checkpoint(run, "best");
  const Checkpoint checkpoint = load_checkpoint(folder);
  restore_module(system, checkpoint.model.tensors, folder.string());
  Ema ema(system, experiment.train.ema);
  ema.restore(checkpoint.optimizer.tensors);
  std::optional<Ema::Scope> averaged;
  if (ema.active()) averaged.emplace(ema);
  const EncodedSplit encoded = encode_split(system, data, experiment, split);
  ProtocolResult result =
      evaluate_split(system, data, experiment, *experiment.evaluate.protocol.make(), encoded, split, true);
  write_evaluation(evaluation_folder(run / "eval", result), result, data, encoded, system);
  return result;
}

bool epochs_left(const Experiment& experiment, const TrainState& state) {
  const auto last = static_cast<int64_t>(experiment.train.stages.size()) - 1;
  return state.stage < last || state.stage_epoch < experiment.train.stages[static_cast<size_t>(last)].epochs;
}

}  // namespace

TrainOutcome train(const Catalog& catalog, const TrainRequest& request,
                   const std::function<void(const std::string&)>& print) {
  const bool automatic = request.resume == "auto";
  if (automatic && request.run_dir.empty())
    throw UsageError::command_line("--resume auto needs --run-dir DIR",
                                   "diptych train --config F --run-dir DIR --resume auto");
  fs::path run_path = automatic ? request.run_dir : request.resume;
  const bool resuming = !run_path.empty() && (!automatic || is_run_directory(run_path));
  if (!resuming && request.config.empty())
    throw UsageError::command_line("no configuration given", "diptych train --config FILE");
  if (resuming && !request.init_from.empty())
    throw UsageError::command_line("--init-from starts a new run and cannot be combined with --resume");

  const ExperimentSource source = request.config.empty() ? load_run_source(run_path, request.overrides)
                                                         : load_experiment_source(request.config, request.overrides);
  const Experiment experiment = read_experiment(catalog, source.tree);
  echo(source);
  configure(experiment, request.threads);
  if (resuming) compare_with_run(catalog, run_path, experiment, request.force_resume);
  if (!resuming && !request.dry_run && !request.run_dir.empty()) RunDirectory::check_free(request.run_dir);

  std::optional<Vocabulary> stored;
  if (resuming) stored = load_run_vocabulary(run_path);
  const DataBundle data = load_data(experiment, stored ? &*stored : nullptr);
  const auto system = build_system(experiment, data, !resuming);
  if (!request.init_from.empty()) initialise_from(*system, request.init_from);
  Trainer trainer(experiment, data, *system);

  if (resuming) {
    RunDirectory run = RunDirectory::open(run_path);
    if (fs::is_directory(run.checkpoints())) remove_stale_staging(run.checkpoints());
    std::optional<std::pair<fs::path, Checkpoint>> found;
    if (request.checkpoint.empty())
      found = newest_checkpoint(run_path);
    else
      found.emplace(find_checkpoint(run_path, request.checkpoint),
                    load_checkpoint(find_checkpoint(run_path, request.checkpoint)));
    TrainOutcome outcome{run_path, false, {}};
    if (found) {
      trainer.restore(found->second);
      if (run.status() == "done" && !epochs_left(experiment, trainer.state())) {
        outcome.already_complete = true;
        return outcome;
      }
      log::info(concat("resumed ", run_path.string(), " at step ", trainer.state().step, " (epoch ",
                       trainer.state().epochs + 1, ")"));
    } else {
      log::info(concat(run_path.string(), " has no checkpoint yet: starting from step 0"));
    }
    trainer.preflight();
    log::add_file((run_path / "run.log").string());
    run.set_status("running");
    run.add_session("resume", Json{{"step", trainer.state().step}, {"argv", request.command}});
    run_guarded(trainer, run);
    outcome.final_result = final_evaluation(catalog, run_path, experiment, data, *system);
    return outcome;
  }

  const Preflight preflight = trainer.preflight();
  if (request.dry_run) {
    probe_checkpoint(*system);
    print(preflight_text(preflight, experiment));
    return {};
  }
  run_path = request.run_dir.empty() ? default_run_path(experiment) : request.run_dir;
  RunDirectory run = RunDirectory::create(run_path, experiment, source, data, request.command);
  log::add_file((run_path / "run.log").string());
  log::info(concat("run directory: ", run_path.string()));
  run.add_session("start", Json{{"argv", request.command}});
  run_guarded(trainer, run);
  return {run_path, false, final_evaluation(catalog, run_path, experiment, data, *system)};
}

LoadedRun load_run(const Catalog& catalog, const fs::path& run, const std::string& checkpoint,
                   const std::vector<std::string>& overrides, int64_t threads) {
  const fs::path folder = find_checkpoint(run, checkpoint);
  const ExperimentSource source = load_run_source(run, overrides);
  LoadedRun loaded{
      std::make_unique<Experiment>(read_experiment(catalog, source.tree)), {}, {}, folder.filename().string()};
  configure(*loaded.experiment, threads);
  const Checkpoint stored = load_checkpoint(folder);
  use_linear_nt_backend(stored.identity.value("gemm", std::string("auto")));
  const Vocabulary vocabulary = load_run_vocabulary(run);
  loaded.data = load_data(*loaded.experiment, &vocabulary);
  if (const auto then = stored.identity.value("data", std::string()); then != loaded.data.corpus.fingerprint)
    log::warn("the data set differs from the one the run was trained on");
  loaded.system = build_system(*loaded.experiment, loaded.data, false);
  restore_module(*loaded.system, stored.model.tensors, folder.string());
  Ema ema(*loaded.system, loaded.experiment->train.ema);
  ema.restore(stored.optimizer.tensors);
  ema.apply();
  return loaded;
}

EvaluateOutcome evaluate(const Catalog& catalog, const EvaluateRequest& request) {
  fs::path run = request.run;
  std::string checkpoint = request.checkpoint;
  if (!is_run_directory(run) && run.parent_path().filename() == "checkpoints") {
    checkpoint = run.filename().string();
    run = run.parent_path().parent_path();
  }
  if (!is_run_directory(run))
    throw CheckpointError(request.run.string(), fs::exists(request.run)
                                                    ? "is no run directory: it has no config.resolved.yaml"
                                                    : "no such run directory");
  std::vector<std::string> overrides = request.overrides;
  LoadedRun loaded = load_run(catalog, run, checkpoint, overrides, request.threads);
  const Experiment& experiment = *loaded.experiment;
  const EncodedSplit encoded = encode_split(*loaded.system, loaded.data, experiment, request.split);
  EvaluateOutcome outcome{loaded.checkpoint, {}, {}};
  const std::vector<std::string> names =
      request.protocols.empty() ? std::vector<std::string>{experiment.evaluate.protocol.type()} : request.protocols;
  for (const std::string& name : names) {
    const auto protocol = name == experiment.evaluate.protocol.type() ? experiment.evaluate.protocol.make()
                                                                      : catalog.protocols.make_default(name);
    outcome.results.push_back(
        evaluate_split(*loaded.system, loaded.data, experiment, *protocol, encoded, request.split, true));
    outcome.directory = evaluation_folder(request.out.empty() ? run / "eval" : request.out, outcome.results.back());
    write_evaluation(outcome.directory, outcome.results.back(), loaded.data, encoded, *loaded.system);
  }
  for (const ProtocolResult& result : outcome.results)
    if (result.collapsed)
      throw NumericError(run.string(),
                         "the model has collapsed: its embeddings are all alike; the results are marked so");
  return outcome;
}

void check_expectations(const std::vector<Expectation>& expectations, const std::vector<ProtocolResult>& results,
                        const std::function<void(const std::string&)>& print) {
  std::vector<Issue> failed;
  for (const Expectation& expectation : expectations) {
    const Metric* metric = nullptr;
    std::vector<std::string> known;
    for (const ProtocolResult& result : results) {
      if (!expectation.protocol.empty() && expectation.protocol != result.protocol) continue;
      for (const auto& [name, value] : result.metrics) known.push_back(name);
      if (const Metric* found = result.find(expectation.metric)) metric = found;
    }
    if (!metric)
      throw UsageError::command_line(
          concat("--expect: no metric '", escape_for_log(expectation.metric), "' was evaluated"),
          did_you_mean(expectation.metric, known));
    const double value = metric->available ? metric->value : std::nan("");
    print(describe(expectation, value));
    if (!expectation.holds(value)) failed.push_back({ErrorClass::chk, "--expect", describe(expectation, value), ""});
  }
  if (!failed.empty()) throw CheckFailed(failed);
}

}  // namespace diptych

#include "diptych/train/session.h"

#include <torch/torch.h>
#include <unistd.h>

#include "diptych/core/log.h"
#include "diptych/core/signals.h"
#include "diptych/train/ema.h"
#include "train/session_parts.h"
#include "train/tensorboard_log.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

void echo(const ExperimentSource& source) {
  for (const std::string& line : source.echoes) log::info("override: " + line);
}

/// Says how many training texts are cut: a warning where it is more than a tenth of them.
void note_cut_texts(const Corpus& corpus, const TextOptions& options) {
  const CutTexts counted = count_cut_texts(corpus, options);
  if (counted.many())
    log::warn(cut_text(counted, options));
  else if (counted.cut > 0)
    log::info(cut_text(counted, options));
}

/// Sorts what differs between a run and its resumption into applied, warned and refused keys.
void compare_with_run(const Catalog& catalog, const fs::path& run, const Experiment& now, bool force) {
  const Experiment then = read_experiment(catalog, load_run_source(run, {}).tree);
  std::string refused;
  for (const RowDifference& each : difference(with_absolute_paths(rows_of(then)), with_absolute_paths(rows_of(now)))) {
    const std::string line =
        concat(each.path, ": ", each.a.empty() ? "(absent)" : each.a, " -> ", each.b.empty() ? "(absent)" : each.b);
    const bool moved =
        each.field.path && !each.a.empty() && !each.b.empty();  // what is there is judged by fingerprints
    if (each.field.resume == Resume::free || moved)
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

/// Weights of a checkpoint folder (its moving average where it keeps one) or of a safetensors file, for a new run.
void initialise_from(System& system, const DataBundle& data, const Experiment& experiment, const fs::path& source) {
  if (!fs::is_directory(source)) {
    log::info(concat("weights ", source.string(), ": ", load_weights(system, source).brief()));
    return;
  }
  const Checkpoint checkpoint = load_checkpoint(source);
  if (const auto then = checkpoint.identity.value("vocabulary", std::string()); then != data.vocabulary.hash())
    throw CheckpointError(source.string(),
                          "was trained with another vocabulary: its word vectors would go to other words",
                          "use the same training captions and data.text, or give the image weights alone as a "
                          "safetensors file (model.image.weights)");
  restore_module(system, checkpoint.model.tensors, source.string());
  Ema ema(system, experiment.train.ema);
  ema.restore(checkpoint.optimizer.tensors);
  ema.apply();
  log::info(concat("weights of ", source.string(), ", step ", checkpoint.state.step));
}

std::string preflight_text(const Preflight& preflight, const Experiment& experiment) {
  const std::string batch = preflight.loss ? concat("objective on one batch: ", *preflight.loss,
                                                    "\nfirst step: ", preflight.step_seconds, " s; ")
                                           : std::string();
  return concat(preflight.groups, batch, "steps of the run: ", preflight.steps, "\n", "one checkpoint: about ",
                bytes_text(static_cast<double>(preflight.checkpoint_bytes)),
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

/// Trains, evaluates the best checkpoint, and keeps STATUS true whatever happens: "done" once the result is written.
std::optional<ProtocolResult> run_guarded(Trainer& trainer, RunDirectory& run, const Experiment& experiment,
                                          const DataBundle& data, System& system) {
  const auto end = [&](const std::string& status) {
    run.set_status(status);
    run.add_session("end", Json{{"step", trainer.state().step}, {"status", status}});
  };
  try {
    std::optional<TensorboardLog> tensorboard;
    if (experiment.log.tensorboard)
      tensorboard.emplace(run.path(), experiment, data, trainer.state(),
                          trainer.complete() || trainer.state().evaluation_due);
    if (!trainer.complete()) trainer.run(run, tensorboard ? &*tensorboard : nullptr);
    auto result = final_evaluation(run.path(), experiment, data, system);
    if (tensorboard) tensorboard->finish(trainer.state().step, result);
    end("done");
    return result;
  } catch (const Interrupted& interrupted) {
    end(concat("interrupted:", interrupted.signal));
    log::info(concat("stopped by signal ", interrupted.signal, " after saving step ", trainer.state().step,
                     "; continue with: diptych train --resume ", run.path().string()));
    throw;
  } catch (...) {
    const int code = verdict_of_current_exception().exit_code;
    try {
      end(concat("failed:", code));
    } catch (const Error& second) {
      log::warn(second.what());
    }
    throw;
  }
}

void check_request(const TrainRequest& request, bool automatic, bool resuming) {
  if (automatic && request.run_dir.empty())
    throw UsageError::command_line("--resume auto needs --run-dir DIR",
                                   "diptych train --config F --run-dir DIR --resume auto");
  if (!automatic && !request.resume.empty() && !request.run_dir.empty())
    throw UsageError::command_line("--run-dir says where a new run goes, --resume which one to continue",
                                   "leave --run-dir out, or use --resume auto");
  if (!resuming && request.config.empty())
    throw UsageError::command_line("no configuration given", "diptych train --config FILE");
  if (!resuming && !request.checkpoint.empty())
    throw UsageError::command_line("--checkpoint chooses where to resume and needs --resume RUN",
                                   "to start a new run from weights, use --init-from");
  if (resuming && !request.init_from.empty())
    throw UsageError::command_line("--init-from starts a new run and cannot be combined with --resume");
}

/// Puts the trainer where the run stands. Under the run's lock.
void restore_from(const fs::path& run, const std::string& checkpoint, Trainer& trainer) {
  std::optional<std::pair<fs::path, Checkpoint>> found;
  if (checkpoint.empty()) {
    found = newest_checkpoint(run);
  } else {
    const fs::path folder = find_checkpoint(run, checkpoint);
    found.emplace(folder, load_checkpoint(folder));
  }
  if (found)
    trainer.restore(found->second);
  else
    log::info(concat(run.string(), " has no checkpoint yet: starting from step 0"));
}

}  // namespace

TrainOutcome train(const Catalog& catalog, const TrainRequest& request,
                   const std::function<void(const std::string&)>& print) {
  const bool automatic = request.resume == "auto";
  fs::path run_path = automatic ? request.run_dir : request.resume;
  const bool resuming = !run_path.empty() && (!automatic || is_run_directory(run_path));
  check_request(request, automatic, resuming);

  const ExperimentSource source = request.config.empty() ? load_run_source(run_path, request.overrides)
                                                         : load_experiment_source(request.config, request.overrides);
  const Experiment experiment = read_experiment(catalog, source.tree);
  echo(source);
  check_expected_names(experiment, request.expectations);
  configure(experiment, request.threads);
  if (resuming) compare_with_run(catalog, run_path, experiment, request.force_resume);
  if (!resuming && !request.dry_run && !request.run_dir.empty()) RunDirectory::check_free(request.run_dir);

  std::optional<Vocabulary> stored;
  if (resuming) stored = load_run_vocabulary(run_path);
  const DataBundle data = load_data(experiment, stored ? &*stored : nullptr);
  const auto system = build_system(experiment, data, !resuming);
  if (!request.init_from.empty()) initialise_from(*system, data, experiment, request.init_from);
  Trainer trainer(experiment, data, *system);

  std::optional<RunDirectory> run;
  if (resuming) {
    run = RunDirectory::open(run_path);
    if (fs::is_directory(run->checkpoints())) remove_stale_staging(run->checkpoints());
    restore_from(run_path, request.checkpoint, trainer);
    if (run->status() == "done" && trainer.complete() && !request.dry_run)
      return {run_path, true, stored_evaluation(run_path, experiment)};
    log::info(concat("resumed ", run_path.string(), " at step ", trainer.state().step, " (epoch ",
                     trainer.state().epochs + 1, ")"));
  }
  const Preflight preflight = trainer.preflight();
  if (request.dry_run) {
    probe_checkpoint(*system);
    note_cut_texts(data.corpus, experiment.data.text);
    print(preflight_text(preflight, experiment));
    return {};
  }
  if (resuming) {
    run->record_configuration(experiment, trainer.state().step);
    run->set_status("running");
  } else {
    run_path = request.run_dir.empty() ? default_run_path(experiment) : request.run_dir;
    run = RunDirectory::create(run_path, experiment, source, data, request.command);
    if (request.run_dir.empty()) run->point_latest_here();
    log::info(concat("run directory: ", run_path.string()));
  }
  log::add_file((run_path / "run.log").string());
  note_cut_texts(data.corpus, experiment.data.text);
  run->add_session(resuming ? "resume" : "start", Json{{"step", trainer.state().step}, {"argv", request.command}});
  return {run_path, false, run_guarded(trainer, *run, experiment, data, *system)};
}

}  // namespace diptych

#include <torch/torch.h>

#include "diptych/core/io/hash.h"
#include "diptych/core/log.h"
#include "diptych/core/tensor/gemm.h"
#include "diptych/eval/result_json.h"
#include "diptych/train/ema.h"
#include "train/session_parts.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

Split final_split(const Experiment& experiment) {
  return experiment.evaluate.final_split == "val" ? Split::val : Split::test;
}

/// What `evaluate` asks for beside the run's own result gets a folder of its own: another checkpoint than the best,
/// changed settings.
std::string folder_suffix(const fs::path& run, const std::string& checkpoint,
                          const std::vector<std::string>& overrides) {
  std::string out;
  if (find_checkpoint(run, "best").filename() != checkpoint) out += "-" + checkpoint;
  if (!overrides.empty()) out += "-with-" + sha256(join(overrides, "\n")).substr(0, 8);
  return out;
}

/// Raw weights of a checkpoint, or its moving average where it keeps one.
void load_weights_of(const Checkpoint& checkpoint, const Experiment& experiment, System& system,
                     const std::string& where) {
  restore_module(system, checkpoint.model.tensors, where);
  Ema ema(system, experiment.train.ema);
  ema.restore(checkpoint.optimizer.tensors);
  ema.apply();
}

[[noreturn]] void throw_collapsed(const fs::path& run) {
  throw NumericError(run.string(), "the model has collapsed: its embeddings are all alike; the results are marked so");
}

}  // namespace

fs::path evaluation_folder(const fs::path& root, const std::string& protocol, const std::string& split) {
  return root / (split == "test" ? protocol : protocol + "-" + split);
}

void configure(const Experiment& experiment, int64_t threads) {
  const int64_t count = threads > 0 ? threads : experiment.threads;
  configure_torch(static_cast<int>(count), experiment.deterministic);
  log::set_progress_interval(experiment.log.interval_s);
}

std::optional<ProtocolResult> final_evaluation(const fs::path& run, const Experiment& experiment,
                                               const DataBundle& data, System& system) {
  if (experiment.evaluate.final_split == "none") return {};
  const Split split = final_split(experiment);
  if (data.corpus.image_rows(split).empty()) {
    log::info(concat("the corpus has no ", enum_text(split), " split: no final evaluation"));
    return {};
  }
  const fs::path folder = find_checkpoint(run, "best");
  load_weights_of(load_checkpoint(folder), experiment, system, folder.string());
  const EncodedSplit encoded = encode_split(system, data, experiment, split);
  ProtocolResult result =
      evaluate_split(system, data, experiment, *experiment.evaluate.protocol.make(), encoded, split, true);
  result.checkpoint = folder.filename().string();
  write_evaluation(evaluation_folder(run / "eval", result.protocol, result.split), result, data, encoded, system);
  if (result.collapsed && experiment.train.on_collapse == OnCollapse::stop) throw_collapsed(run);
  return result;
}

std::optional<ProtocolResult> stored_evaluation(const fs::path& run, const Experiment& experiment) {
  if (experiment.evaluate.final_split == "none") return {};
  const fs::path file =
      evaluation_folder(run / "eval", experiment.evaluate.protocol.type(), enum_text(final_split(experiment))) /
      "metrics.json";
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return {};
  constexpr uint64_t kMaxResult = 16 << 20;
  return result_from_json(load_json(file, kMaxResult, ErrorClass::ckp), file.string(), ErrorClass::ckp);
}

void check_expected_names(const Experiment& experiment, const std::vector<Expectation>& expectations) {
  if (expectations.empty()) return;
  if (experiment.evaluate.final_split == "none")
    throw UsageError::command_line("--expect needs a final evaluation, but evaluate.final is none",
                                   "set evaluate.final=test");
  const std::string protocol = experiment.evaluate.protocol.type();
  const std::vector<std::string> names = experiment.evaluate.protocol.make()->metric_names();
  for (const Expectation& each : expectations) {
    if (!each.protocol.empty() && each.protocol != protocol)
      throw UsageError::command_line(
          concat("--expect: the run is evaluated under ", protocol, ", not ", escape_for_log(each.protocol)));
    if (std::ranges::find(names, each.metric) == names.end())
      throw UsageError::command_line(
          concat("--expect: ", protocol, " has no metric '", escape_for_log(each.metric), "'"),
          did_you_mean(each.metric, names));
  }
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
  if (const auto then = stored.identity.value("vocabulary", std::string()); then != vocabulary.hash())
    throw CheckpointError((run / "vocabulary.txt").string(),
                          "is not the vocabulary that the checkpoint was trained with",
                          "put the run's own vocabulary.txt back");
  loaded.data = load_data(*loaded.experiment, &vocabulary);
  if (const auto then = stored.identity.value("data", std::string()); then != loaded.data.corpus.fingerprint)
    log::warn("the data set differs from the one the run was trained on");
  loaded.system = build_system(*loaded.experiment, loaded.data, false);
  load_weights_of(stored, *loaded.experiment, *loaded.system, folder.string());
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
  LoadedRun loaded = load_run(catalog, run, checkpoint, request.overrides, request.threads);
  const Experiment& experiment = *loaded.experiment;
  const EncodedSplit encoded = encode_split(*loaded.system, loaded.data, experiment, request.split);
  EvaluateOutcome outcome{loaded.checkpoint, {}, {}};
  const std::vector<std::string> names =
      request.protocols.empty() ? std::vector<std::string>{experiment.evaluate.protocol.type()} : request.protocols;
  for (const std::string& name : names) {
    const auto protocol = name == experiment.evaluate.protocol.type() ? experiment.evaluate.protocol.make()
                                                                      : catalog.protocols.make_default(name);
    ProtocolResult result =
        evaluate_split(*loaded.system, loaded.data, experiment, *protocol, encoded, request.split, true);
    result.checkpoint = loaded.checkpoint, result.overrides = request.overrides;
    outcome.directory =
        evaluation_folder(request.out.empty() ? run / "eval" : request.out, result.protocol, result.split);
    if (request.out.empty()) outcome.directory += folder_suffix(run, loaded.checkpoint, request.overrides);
    outcome.results.push_back(std::move(result));
    write_evaluation(outcome.directory, outcome.results.back(), loaded.data, encoded, *loaded.system);
  }
  for (const ProtocolResult& result : outcome.results)
    if (result.collapsed) throw_collapsed(run);
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

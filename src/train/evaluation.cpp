#include <torch/torch.h>

#include "diptych/core/io/hash.h"
#include "diptych/core/log.h"
#include "diptych/core/tensor/gemm.h"
#include "diptych/eval/result_json.h"
#include "diptych/train/ema.h"
#include "diptych/train/trained_model.h"
#include "train/ensemble.h"
#include "train/session_parts.h"
#include "train/shortlist.h"

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

/// The other runs of an evaluation: an ensemble's, or the one that makes the shortlist.
struct Others {
  std::vector<fs::path> paths;
  std::vector<LoadedRun> runs;

  std::vector<const LoadedRun*> with(const LoadedRun& first) const {
    std::vector<const LoadedRun*> out{&first};
    for (const LoadedRun& run : runs) out.push_back(&run);
    return out;
  }
  std::vector<std::string> names_with(const fs::path& first) const {
    std::vector<std::string> out{first.string()};
    for (const fs::path& path : paths) out.push_back(path.string());
    return out;
  }
  /// Runs that take part give a folder of their own; which runs, not how their paths are written, names it.
  std::string suffix() const {
    if (runs.empty()) return "";
    std::string all;
    for (size_t i = 0; i < runs.size(); ++i)
      all += fs::weakly_canonical(locate_run(paths[i], "").first).string() + "\n" + runs[i].checkpoint + "\n";
    return "-by-" + sha256(all).substr(0, 8);
  }
  /// {"what": "ensemble", "runs": [{"run", "checkpoint", "experiment", "scorer"}]}: which runs took part beside the
  /// one in whose folder it stands; of a shortlist also how much it spared.
  Json record(const EvaluateRequest& request, const Shortlist* shortlist) const {
    Json out{{"what", shortlist ? "shortlist" : "ensemble"}, {"runs", Json::array()}};
    for (size_t i = 0; i < runs.size(); ++i)
      out["runs"].push_back({{"run", paths[i].string()},
                             {"checkpoint", runs[i].checkpoint},
                             {"experiment", runs[i].experiment->name},
                             {"scorer", scorer_text(*runs[i].system, *runs[i].experiment)}});
    if (shortlist)
      out["k"] = request.shortlist_k, out["pairs_scored"] = shortlist->pairs_scored(),
      out["pairs"] = shortlist->pairs();
    return out;
  }
};
Others load_others(const Catalog& catalog, const EvaluateRequest& request) {
  Others out{request.ensemble, {}};
  if (!request.shortlist.empty()) {
    if (!request.ensemble.empty())
      throw UsageError::command_line("--ensemble and --shortlist do not go together", "evaluate twice");
    out.paths = {request.shortlist};
  }
  out.runs = load_runs(catalog, out.paths, request.checkpoint, request.overrides, request.threads);
  return out;
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
  const auto [run, checkpoint] = locate_run(request.run, request.checkpoint);
  find_checkpoint(run, checkpoint);  // throws before the others are loaded
  const Others others = load_others(catalog, request);
  // Last, so that the run's own GEMM backend is in use.
  const LoadedRun loaded = load_run(catalog, run, checkpoint, request.overrides, request.threads);
  const Experiment& experiment = *loaded.experiment;
  std::optional<Shortlist> shortlist;
  EncodedSplit encoded;
  if (!request.shortlist.empty())
    shortlist.emplace(loaded, others.runs[0], request.shortlist.string(), request.shortlist_k, request.split);
  else if (!request.ensemble.empty())
    encoded = encode_ensemble(others.with(loaded), request.split, others.names_with(request.run));
  else
    encoded = encode_split(*loaded.system, loaded.data, experiment, request.split);
  EvaluateOutcome outcome{loaded.checkpoint, {}, {}};
  const std::vector<std::string> names =
      request.protocols.empty() ? std::vector<std::string>{experiment.evaluate.protocol.type()} : request.protocols;
  for (const std::string& name : names) {
    const auto protocol = name == experiment.evaluate.protocol.type() ? experiment.evaluate.protocol.make()
                                                                      : catalog.protocols.make_default(name);
    if (shortlist) encoded = shortlist->encode(*protocol);
    ProtocolResult result =
        evaluate_split(*loaded.system, loaded.data, experiment, *protocol, encoded, request.split, true);
    result.checkpoint = loaded.checkpoint, result.overrides = request.overrides;
    if (shortlist)
      result.protocol = shortlist->name(result.protocol);
    else if (!others.runs.empty())
      result.protocol = ensemble_protocol(result.protocol, others.runs.size() + 1);
    outcome.directory =
        evaluation_folder(request.out.empty() ? run / "eval" : request.out, result.protocol, result.split);
    if (request.out.empty())
      outcome.directory += others.suffix() + folder_suffix(run, loaded.checkpoint, request.overrides);
    outcome.results.push_back(std::move(result));
    write_evaluation(outcome.directory, outcome.results.back(), loaded.data, encoded, *loaded.system);
    if (!others.runs.empty())
      write_file_atomically(outcome.directory / "runs.json",
                            dump_line(others.record(request, shortlist ? &*shortlist : nullptr)) + "\n");
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
    std::vector<std::string> known, protocols;
    for (const ProtocolResult& result : results) {
      protocols.push_back(result.protocol);
      if (!expectation.protocol.empty() && expectation.protocol != result.protocol) continue;
      for (const auto& [name, value] : result.metrics) known.push_back(name);
      if (const Metric* found = result.find(expectation.metric)) metric = found;
    }
    if (!expectation.protocol.empty() && known.empty())
      throw UsageError::command_line(
          concat("--expect: protocol '", escape_for_log(expectation.protocol), "' was not evaluated"),
          concat("evaluated: ", protocols.empty() ? "nothing" : join(protocols, ", ")));
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

#include "command.h"
#include "diptych/core/log.h"
#include "diptych/eval/result_json.h"
#include "diptych/train/session.h"

namespace diptych::tools {

Command add_train(CLI::App& app) {
  struct Arguments {
    TrainRequest request;
    std::string config, run_dir, resume, init_from;
    std::vector<std::string> set, unset, expect;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("train", "train one experiment into a run directory, or resume it");
  command->footer(
      "KEY=VALUE words override the configuration: train.stages.0.optim.lr=1e-4 objective.0.weight=0.5 "
      "'+objective={type: cmpc}' "
      "~train.ema");
  command->add_option("-c,--config", arguments->config, "configuration file");
  command->add_option("--run-dir", arguments->run_dir, "where the run goes (default runs/<experiment>/<time>-<hash>)");
  command->add_option("--resume", arguments->resume,
                      "continue a run directory; 'auto' continues --run-dir if it holds a run");
  command->add_option("--checkpoint", arguments->request.checkpoint,
                      "with --resume: exactly this checkpoint, such as step-00001234");
  command->add_option("--init-from", arguments->init_from,
                      "start a new run from the weights of a checkpoint folder or safetensors file");
  command->add_flag("--dry-run", arguments->request.dry_run,
                    "build everything, one step and one checkpoint, print the plan, leave nothing behind");
  command->add_flag("--force-resume", arguments->request.force_resume, "resume although keys of class 'refuse' differ");
  command->add_option("--set", arguments->set, "KEY=VALUE, as an option")->allow_extra_args(false);
  command->add_option("--unset", arguments->unset, "KEY back to its default")->allow_extra_args(false);
  command
      ->add_option("--expect", arguments->expect,
                   "[PROTOCOL:]METRIC OP VALUE, such as 'rsum >= 205'; exit 9 if it does not hold")
      ->allow_extra_args(false);
  const auto run = [arguments](const Globals& globals, const Catalog& catalog,
                               const std::vector<std::string>& overrides) {
    TrainRequest request = arguments->request;
    for (const std::string& text : arguments->expect) request.expectations.push_back(parse_expectation(text));
    request.config = arguments->config, request.run_dir = arguments->run_dir, request.resume = arguments->resume;
    request.init_from = arguments->init_from, request.threads = globals.threads, request.command = globals.argv;
    request.overrides = overrides;
    request.overrides.insert(request.overrides.end(), arguments->set.begin(), arguments->set.end());
    for (const std::string& key : arguments->unset) request.overrides.push_back("~" + key);
    const auto printer = [&](const std::string& text) { print(globals, text); };
    const TrainOutcome outcome = train(catalog, request, printer);
    Json document{{"diptych", "train/1"}, {"ok", true}, {"exit", 0}, {"run", outcome.run.string()}};
    if (outcome.already_complete) print(globals, outcome.run.string() + " is already complete\n");
    std::vector<ProtocolResult> results;
    if (outcome.final_result) {
      results.push_back(*outcome.final_result);
      document["result"] = to_json(*outcome.final_result);
      print(globals, table_text(*outcome.final_result));
    }
    if (!outcome.run.empty() && !outcome.already_complete) print(globals, "run: " + outcome.run.string() + "\n");
    if (!request.dry_run)
      check_expectations(request.expectations, results, [&](const std::string& line) { print(globals, line + "\n"); });
    return document;
  };
  return {command, run, true};
}

}  // namespace diptych::tools

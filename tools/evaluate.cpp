#include "command.h"
#include "diptych/core/text.h"
#include "diptych/eval/result_json.h"
#include "diptych/train/session.h"

namespace diptych::tools {

Command add_evaluate(CLI::App& app) {
  struct Arguments {
    std::string run, checkpoint = "best", split = "test", out, shortlist;
    std::vector<std::string> protocols, expect, ensemble;
    int64_t shortlist_k = EvaluateRequest{}.shortlist_k;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("evaluate", "Recall@K of a run under a named protocol");
  command->add_option("RUN", arguments->run, "run directory, or a checkpoint folder inside one");
  command->add_option("--checkpoint", arguments->checkpoint, "best, latest, or a name such as step-00001234");
  command->add_option("--protocol", arguments->protocols, "protocol (repeatable); default: the run's own")
      ->allow_extra_args(false);
  command->add_option("--split", arguments->split, "val or test");
  command
      ->add_option("--ensemble", arguments->ensemble,
                   "another run of the same corpus (repeatable), whose scores are added; the result's protocol is "
                   "PROTOCOL-ensemble-N, N runs")
      ->allow_extra_args(false);
  command->add_option("--shortlist", arguments->shortlist,
                      "a run of embeddings that chooses the pairs that RUN, which compares pairs, scores");
  command->add_option("--shortlist-k", arguments->shortlist_k,
                      "how many captions of each image, and images of each caption, are chosen (default 50)");
  command->add_option("-o,--out", arguments->out, "where the results go (default RUN/eval)");
  command->add_option("--expect", arguments->expect, "[PROTOCOL:]METRIC OP VALUE; exit 9 if it does not hold")
      ->allow_extra_args(false);
  const auto run = [arguments, command](const Globals& globals, const Catalog& catalog,
                                        const std::vector<std::string>& overrides) {
    if (arguments->run.empty()) throw UsageError::command_line("no run given", "diptych evaluate RUN");
    EvaluateRequest request;
    request.run = arguments->run, request.checkpoint = arguments->checkpoint, request.protocols = arguments->protocols;
    request.out = arguments->out, request.overrides = overrides, request.threads = globals.threads;
    request.ensemble.assign(arguments->ensemble.begin(), arguments->ensemble.end());
    request.shortlist = arguments->shortlist, request.shortlist_k = arguments->shortlist_k;
    if (request.shortlist_k < 1)
      throw UsageError::command_line(concat("--shortlist-k ", request.shortlist_k, ": expected at least 1"));
    if (request.shortlist.empty() && command->count("--shortlist-k") > 0)
      throw UsageError::command_line("--shortlist-k needs --shortlist", "diptych evaluate RUN --shortlist FAST_RUN");
    const std::vector<std::string> splits = {"val", "test"};
    if (arguments->split != "val" && arguments->split != "test")
      throw UsageError::command_line("--split " + escape_for_log(arguments->split) + ": expected val or test",
                                     did_you_mean(arguments->split, splits));
    request.split = arguments->split == "val" ? Split::val : Split::test;
    for (const std::string& name : request.protocols)
      if (!catalog.protocols.find(name))
        throw UsageError::command_line("--protocol " + escape_for_log(name) + ": no such protocol",
                                       did_you_mean(name, catalog.protocols.names()));
    std::vector<Expectation> expectations;
    for (const std::string& text : arguments->expect) expectations.push_back(parse_expectation(text));
    const EvaluateOutcome outcome = evaluate(catalog, request);
    Json document{{"diptych", "evaluate/1"},
                  {"ok", true},
                  {"exit", 0},
                  {"run", arguments->run},
                  {"checkpoint", outcome.checkpoint},
                  {"results", Json::array()}};
    for (const ProtocolResult& result : outcome.results) {
      document["results"].push_back(to_json(result));
      print(globals, table_text(result));
    }
    print(globals, concat("checkpoint ", outcome.checkpoint, "; written to ", outcome.directory.string(), "\n"));
    check_expectations(expectations, outcome.results, [&](const std::string& line) { print(globals, line + "\n"); });
    return document;
  };
  return {command, run, true};
}

}  // namespace diptych::tools

#include "diptych/train/export.h"
#include "command.h"
#include "diptych/core/text.h"

namespace diptych::tools {

Command add_export(CLI::App& app) {
  struct Arguments {
    std::string run, checkpoint = "best", out;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("export", "weights as safetensors, and a Python module that gives the same embeddings");
  command->add_option("RUN", arguments->run, "run directory, or a checkpoint folder inside one");
  command->add_option("-o,--out", arguments->out, "folder to make");
  command->add_option("--checkpoint", arguments->checkpoint, "best, latest, or a name such as step-00001234");
  const auto run = [arguments](const Globals& globals, const Catalog& catalog, const std::vector<std::string>&) {
    if (arguments->run.empty()) throw UsageError::command_line("no run given", "diptych export RUN -o DIR");
    if (arguments->out.empty()) throw UsageError::command_line("no folder given (-o)", "diptych export RUN -o DIR");
    const TrainedModel trained =
        load_trained_model(catalog, arguments->run, arguments->checkpoint, {}, globals.threads);
    export_model(trained, arguments->out);
    print(globals,
          concat(arguments->out, ": checkpoint ", trained.checkpoint, " of ", escape_for_log(trained.experiment->name),
                 "\n  try it: cd ", arguments->out,
                 " && python3 -c 'import diptych_model as d; print(d.load().encode_texts([\"a dog\"]).shape)'\n"));
    return Json{{"diptych", "export/1"},
                {"ok", true},
                {"exit", 0},
                {"out", arguments->out},
                {"checkpoint", trained.checkpoint},
                {"model", trained.fingerprint}};
  };
  return {command, run, false};
}

}  // namespace diptych::tools

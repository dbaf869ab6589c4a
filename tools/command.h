#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "diptych/core/error.h"
#include "diptych/core/io/json.h"
#include "diptych/train/catalog.h"

namespace diptych::tools {

/// Options that every subcommand has.
struct Globals {
  bool json = false, verbose = false, quiet = false;
  std::string color = "auto", progress = "auto", completion;
  int64_t threads = 0;
  std::vector<std::string> argv;
};

/// A command ran to its end and says no (exit 9): `document` is what --json prints, with the errors added.
struct ReportedFailure : CheckFailed {
  ReportedFailure(Json report, const std::string& where, const std::string& message)
      : CheckFailed(where, message, "they are listed above"), document(std::move(report)) {}
  Json document;
};

/// One subcommand: its parser and what it does. A file of tools/ defines one `add_*` function that makes it.
struct Command {
  CLI::App* app;
  /// Runs after parsing; `overrides` are the positional KEY=VALUE words. Returns the document that --json prints.
  std::function<Json(const Globals&, const Catalog&, const std::vector<std::string>& overrides)> run;
  bool takes_overrides = false;
};

Command add_train(CLI::App& app);
Command add_evaluate(CLI::App& app);
Command add_encode(CLI::App& app);
Command add_search(CLI::App& app);
Command add_export(CLI::App& app);
std::vector<Command> add_config(CLI::App& app);
Command add_describe(CLI::App& app);
Command add_sweep(CLI::App& app);
Command add_report(CLI::App& app);
Command add_explain(CLI::App& app);
Command add_reconstruct(CLI::App& app);
std::vector<Command> add_data(CLI::App& app);
std::vector<Command> add_data_import(CLI::App& data);
Command add_doctor(CLI::App& app);

/// The script of --completion. throws UsageError for an unknown shell.
std::string completion_of(const CLI::App& app, const std::vector<Command>& commands, const Catalog& catalog,
                          const std::string& shell);

/// Results go to stdout, unless --json asked for the document alone.
void print(const Globals& globals, const std::string& text);

}  // namespace diptych::tools

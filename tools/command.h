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
  std::string color = "auto", progress = "auto";
  int64_t threads = 0;
  std::vector<std::string> argv;
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
std::vector<Command> add_config(CLI::App& app);
Command add_describe(CLI::App& app);
std::vector<Command> add_data(CLI::App& app);

/// Results go to stdout, unless --json asked for the document alone.
void print(const Globals& globals, const std::string& text);

}  // namespace diptych::tools

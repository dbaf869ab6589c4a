#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "command.h"
#include "diptych/core/log.h"
#include "diptych/core/signals.h"
#include "diptych/core/text.h"
#include "diptych/train/version.h"

namespace diptych::tools {
namespace {

// glibc gives big activations back to the kernel and faults them in again at every step: 1.2 to 1.5 times slower
// training.
void keep_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
#endif
}

void add_globals(CLI::App& app, Globals& globals) {
  app.add_flag("--json", globals.json, "print one JSON document on stdout");
  app.add_flag("-v,--verbose", globals.verbose, "also print debug lines");
  app.add_flag("-q,--quiet", globals.quiet, "print warnings and errors only");
  app.add_option("--color", globals.color, "auto, always or never");
  app.add_option("--progress", globals.progress, "auto, bar, plain or off");
  app.add_option("--completion", globals.completion, "print a completion script for bash, zsh or fish");
  app.add_option("--threads", globals.threads, "compute threads (default: from the configuration, or all cores)")
      ->check(CLI::Range(0, 1024));
}

void apply_globals(const Globals& globals) {
  if (globals.verbose) log::set_level(log::Level::debug);
  if (globals.quiet) log::set_level(log::Level::warn);
  const std::vector<std::pair<std::string, log::Progress>> modes = {{"auto", log::Progress::automatic},
                                                                    {"bar", log::Progress::bar},
                                                                    {"plain", log::Progress::plain},
                                                                    {"off", log::Progress::off}};
  const auto mode = std::ranges::find(modes, globals.progress, &std::pair<std::string, log::Progress>::first);
  if (mode == modes.end())
    throw UsageError::command_line("--progress " + escape_for_log(globals.progress) +
                                   ": expected auto, bar, plain or off");
  log::set_progress(globals.quiet ? log::Progress::off : mode->second);
  if (globals.color == "always")
    log::set_color(true);
  else if (globals.color == "never")
    log::set_color(false);
  else if (globals.color != "auto")
    throw UsageError::command_line("--color " + escape_for_log(globals.color) + ": expected auto, always or never");
}

std::vector<std::string> visible_subcommands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(each->get_name());
  return names;
}

/// The deepest subcommand that was given.
CLI::App* chosen(CLI::App& app) {
  CLI::App* current = &app;
  while (!current->get_subcommands().empty()) current = current->get_subcommands().front();
  return current;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* each = &app; each; each = each->get_parent())
    for (const CLI::Option* option : each->get_options())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

/// Words that CLI11 left over: overrides (with a =, ~ or +), or mistakes. CLI11 names neither unknown options nor
/// misspelt subcommands, so both are looked for here.
std::vector<std::string> sort_extras(CLI::App& app, const Command* command) {
  CLI::App& leaf = *chosen(app);
  std::vector<std::string> overrides;
  for (const std::string& word : app.remaining(true)) {
    if (word == "--") continue;
    if (word.size() > 1 && word[0] == '-')
      throw UsageError::command_line("unknown option " + escape_for_log(word),
                                     did_you_mean(word.substr(0, word.find('=')), option_names(leaf)));
    const bool looks_like_override = word.find('=') != std::string::npos || word[0] == '~';
    if (command && command->takes_overrides && looks_like_override) {
      overrides.push_back(word);
      continue;
    }
    if (!command) {
      throw UsageError::command_line("unknown subcommand '" + escape_for_log(word) + "'",
                                     did_you_mean(word, visible_subcommands(leaf)));
    }
    const bool yaml = word.ends_with(".yaml") || word.ends_with(".yml");
    throw UsageError::command_line(
        "unexpected argument '" + escape_for_log(word) + "'",
        yaml ? "did you mean: --config " + word : leaf.get_name() + " --help lists the arguments");
  }
  return overrides;
}

void print_issues(const Verdict& verdict, const Globals& globals, Json document = {{"diptych", "error/1"}}) {
  log::progress("", true);
  for (const Issue& issue : verdict.issues) std::fputs((to_text(issue) + "\n").c_str(), stderr);
  const size_t count = verdict.issues.size();
  std::fputs(concat("error: ", count, count == 1 ? " error" : " errors", " (exit ", verdict.exit_code, ")\n").c_str(),
             stderr);
  if (!globals.json) return;
  document.update(Json{{"ok", false}, {"exit", verdict.exit_code}, {"errors", Json::array()}});
  for (const Issue& issue : verdict.issues)
    document["errors"].push_back(
        {{"class", tag(issue.error_class)}, {"where", issue.where}, {"message", issue.message}, {"hint", issue.hint}});
  std::fputs((dump_line(document) + "\n").c_str(), stdout);
}

int run(int argc, char** argv, Globals& globals) {
  CLI::App app("Trains and evaluates joint image-text embeddings.", "diptych");
  app.set_version_flag("--version", std::string("diptych ") + kVersion + " (" + kCommit + ")");
  app.require_subcommand(0, 1);
  app.allow_extras();
  app.fallthrough();
  add_globals(app, globals);
  globals.argv.assign(argv, argv + argc);

  std::vector<Command> commands = {add_train(app),  add_evaluate(app), add_sweep(app),      add_report(app),
                                   add_encode(app), add_search(app),   add_explain(app),    add_export(app),
                                   add_doctor(app), add_describe(app), add_reconstruct(app)};
  for (auto& each : add_config(app)) commands.push_back(each);
  for (auto& each : add_data(app)) commands.push_back(each);
  for (CLI::App* each : app.get_subcommands([](CLI::App*) { return true; })) each->allow_extras()->fallthrough();

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success, std::cout, std::cerr);
  } catch (const CLI::ParseError& error) {
    throw UsageError::command_line(escape_for_log(error.what(), 300), "diptych --help");
  }
  CLI::App* leaf = chosen(app);
  const auto command = std::ranges::find(commands, leaf, &Command::app);
  const Command* found = command == commands.end() ? nullptr : &*command;
  const std::vector<std::string> overrides = sort_extras(app, found);
  if (!globals.completion.empty()) {
    const Catalog catalog;
    std::fputs(completion_of(app, commands, catalog, globals.completion).c_str(), stdout);
    return 0;
  }
  if (!found) {
    if (leaf != &app)
      throw UsageError::command_line(leaf->get_name() + " needs a subcommand",
                                     "one of: " + join(visible_subcommands(*leaf), ", "));
    std::fputs(app.help().c_str(), stdout);
    return 0;
  }
  apply_globals(globals);
  const Catalog catalog;
  const Json document = found->run(globals, catalog, overrides);
  if (globals.json) print(Globals{}, dump_line(document) + "\n");
  return 0;
}

}  // namespace

void print(const Globals& globals, const std::string& text) {
  if (globals.json) return;
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace diptych::tools

int main(int argc, char** argv) {
  using namespace diptych;
  tools::keep_memory();
  signals::install();
  std::set_terminate([] {
    std::fputs("error[BUG]: the program ended unexpectedly; please report the command and the lines above\n", stderr);
    _exit(1);
  });
  tools::Globals globals;
  int code = 1;
  try {
    code = tools::run(argc, argv, globals);
  } catch (const Interrupted& interrupted) {
    std::fputs(
        concat("error: stopped by signal ", interrupted.signal, " (exit ", 128 + interrupted.signal, ")\n").c_str(),
        stderr);
    code = 128 + interrupted.signal;
  } catch (const tools::ReportedFailure& failure) {
    code = failure.exit_code();
    tools::print_issues({code, failure.issues()}, globals, failure.document);
  } catch (...) {
    const Verdict verdict = verdict_of_current_exception();
    tools::print_issues(verdict, globals);
    code = verdict.exit_code;
  }
  log::close_files();
  return code;
}

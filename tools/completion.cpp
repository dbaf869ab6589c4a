#include "diptych/core/completion.h"

#include <algorithm>
#include <map>
#include <set>

#include "command.h"
#include "diptych/core/text.h"
#include "diptych/train/experiment.h"

namespace diptych::tools {
namespace {

using Words = std::vector<std::string>;

/// What the value of an option or of a positional argument can be, where it is no file.
std::map<std::string, Words> known_values(const Catalog& catalog) {
  Words sections;
  for (const Row& row : rows_of(Experiment(catalog)))
    if (row.depth == 0) sections.push_back(row.key);
  return {{"--color", {"auto", "always", "never"}},
          {"--progress", {"auto", "bar", "plain", "off"}},
          {"--completion", {"bash", "zsh", "fish"}},
          {"--split", {"val", "test"}},
          {"--checkpoint", {"best", "latest"}},
          {"--protocol", catalog.protocols.names()},
          {"--decode", {"all"}},
          {"--known", {"flickr8k", "flickr30k", "coco", "coco2014", "cuhk-pedes", "icfg-pedes", "cub", "flowers"}},
          {"PREFIX", sections},
          {"WHAT", {"shapes", "positions", "classes", "css"}}};
}

/// `describe KIND NAME`: a kind leads to its components as a command to its subcommands.
std::vector<CompletionCommand> kinds_of(const Catalog& catalog) {
  std::vector<CompletionCommand> out;
  catalog.for_each([&](const auto& registry) {
    out.push_back({.name = registry.kind(), .doc = "components of this kind", .words = registry.names()});
  });
  return out;
}

CompletionCommand describe(const CLI::App& app, const std::set<const CLI::App*>& with_overrides,
                           const std::map<std::string, Words>& values) {
  CompletionCommand out{.name = app.get_name(), .doc = app.get_description()};
  out.takes_overrides = with_overrides.contains(&app);
  for (const CLI::Option* option : app.get_options()) {
    if (app.get_parent() && option->check_lname("help")) continue;  // the program's own is valid everywhere
    if (!option->nonpositional()) {
      if (const auto found = values.find(option->get_name(true)); found != values.end())
        out.words.insert(out.words.end(), found->second.begin(), found->second.end());
      continue;
    }
    CompletionOption described{{}, option->get_description(), option->get_items_expected_max() > 0, {}};
    for (const std::string& name : option->get_lnames()) described.names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) described.names.push_back("-" + name);
    for (const std::string& name : described.names)
      if (const auto found = values.find(name); found != values.end()) described.values = found->second;
    out.options.push_back(std::move(described));
  }
  for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; }))
    out.subcommands.push_back(describe(*each, with_overrides, values));
  return out;
}

/// "a | b | c" -> a, b, c; other types have no list of values.
Words words_of(const std::string& type) {
  if (type.find(" | ") == std::string::npos) return {};
  Words out;
  for (const std::string& each : split(type, '|')) out.emplace_back(trim(each));
  return out;
}

/// Every key of a configuration: those of the defaults, and below each choice the options of all its components.
std::vector<CompletionKey> keys_of(const Catalog& catalog) {
  std::vector<CompletionKey> out;
  std::set<std::string> seen;
  const auto add = [&](const std::string& path, const Row& row) {
    if (!row.is_section && seen.insert(path).second) out.push_back({path, row.doc, words_of(row.type)});
  };
  for (const Row& row : rows_of(Experiment(catalog))) {
    add(row.path, row);
    if (!row.path.ends_with(".type")) continue;
    const std::string prefix = row.path.substr(0, row.path.size() - 4);
    catalog.for_each([&](const auto& registry) {
      if (join(registry.names(), " | ") != row.type) return;
      for (const auto& [name, entry] : registry.entries()) {
        Lister lister;
        entry.list(entry.defaults(), lister);
        for (const Row& each : lister.rows) add(prefix + each.path, each);
      }
    });
  }
  return out;
}

}  // namespace

std::string completion_of(const CLI::App& app, const std::vector<Command>& commands, const Catalog& catalog,
                          const std::string& shell) {
  std::set<const CLI::App*> with_overrides;
  for (const Command& each : commands)
    if (each.takes_overrides) with_overrides.insert(each.app);
  CompletionCommand program = describe(app, with_overrides, known_values(catalog));
  for (CompletionCommand& each : program.subcommands)
    if (each.name == "describe") each.subcommands = kinds_of(catalog);
  for (const auto& [value, name] : enum_names(Shell{}))
    if (shell == name) return completion_script(value, program, keys_of(catalog));
  throw UsageError::command_line("--completion " + escape_for_log(shell) + ": expected bash, zsh or fish",
                                 did_you_mean(shell, enum_words<Shell>()));
}

}  // namespace diptych::tools

#include <algorithm>

#include "command.h"
#include "diptych/core/text.h"
#include "diptych/train/run_directory.h"

namespace diptych::tools {
namespace {

struct Arguments {
  std::string config, diff, prefix;
  std::vector<std::string> files;
  bool origin = false;
};

ExperimentSource source_of(const std::string& path, const std::vector<std::string>& overrides) {
  return is_run_directory(path) ? load_run_source(path, overrides) : load_experiment_source(path, overrides);
}

std::string pad(const std::string& text, size_t width) {
  return text + std::string(text.size() < width ? width - text.size() : 0, ' ');
}

std::string origin_table(const std::vector<Row>& rows, const ConfigNode& tree) {
  size_t path_width = 0, value_width = 0;
  for (const Row& row : rows)
    path_width = std::max(path_width, row.path.size()),
    value_width = std::max(value_width, std::min<size_t>(row.value.size(), 40));
  std::string out;
  for (const Row& row : rows) {
    if (row.is_section) continue;
    const ConfigNode* node = tree.at_path(row.path);
    std::string origin = node ? to_text(node->origin) : "default";
    if (node && !node->replaced.empty()) origin += " (was " + node->replaced + ")";
    out += pad(row.path, path_width) + "  " + pad(row.value, value_width) + "  " + origin + "\n";
  }
  return out;
}

Json rows_json(const std::vector<Row>& rows) {
  Json out = Json::object();
  for (const Row& row : rows)
    if (!row.is_section) out[row.path] = row.value;
  return out;
}

Command add_show(CLI::App& parent) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = parent.add_subcommand("show", "the resolved configuration, complete and re-runnable");
  command->add_option("-c,--config", arguments->config, "configuration file or run directory");
  command->add_flag("--origin", arguments->origin, "where every value comes from");
  command->add_option("--diff", arguments->diff, "only the keys that differ from this file or run");
  const auto run = [arguments](const Globals& globals, const Catalog& catalog,
                               const std::vector<std::string>& overrides) {
    if (arguments->config.empty())
      throw UsageError::command_line("no configuration given", "diptych config show --config FILE");
    const ExperimentSource source = source_of(arguments->config, overrides);
    const auto rows = rows_of(read_experiment(catalog, source.tree));
    Json document{{"diptych", "config-show/1"},
                  {"ok", true},
                  {"exit", 0},
                  {"hash", config_hash(rows)},
                  {"values", rows_json(rows)}};
    if (!arguments->diff.empty()) {
      const auto other = rows_of(read_experiment(catalog, source_of(arguments->diff, {}).tree));
      document["values"] = Json::object();
      for (const RowDifference& each : difference(other, rows)) {
        document["values"][each.path] = {each.a, each.b};
        print(globals, concat(each.path, ": ", each.a.empty() ? "(absent)" : each.a, " -> ",
                              each.b.empty() ? "(absent)" : each.b, "\n"));
      }
    } else {
      print(globals, arguments->origin ? origin_table(rows, source.tree) : to_yaml(rows));
    }
    return document;
  };
  return {command, run, true};
}

Command add_check(CLI::App& parent) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = parent.add_subcommand("check", "read configurations and report every mistake; nothing is loaded");
  command->add_option("FILE", arguments->files, "configuration files");
  const auto run = [arguments](const Globals& globals, const Catalog& catalog, const std::vector<std::string>&) {
    if (arguments->files.empty()) throw UsageError::command_line("no file given", "diptych config check FILE ...");
    std::vector<Issue> issues;
    for (const std::string& file : arguments->files) {
      try {
        read_experiment(catalog, load_experiment_source(file, {}).tree);
        print(globals, file + ": ok\n");
      } catch (const UsageError& error) {
        issues.insert(issues.end(), error.issues().begin(), error.issues().end());
      }
    }
    if (!issues.empty()) throw UsageError(issues);
    return Json{{"diptych", "config-check/1"}, {"ok", true}, {"exit", 0}, {"files", arguments->files}};
  };
  return {command, run, false};
}

Command add_keys(CLI::App& parent) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = parent.add_subcommand("keys", "every key with its default, range and meaning");
  command->add_option("PREFIX", arguments->prefix, "only keys below this one, such as data.image");
  const auto run = [arguments](const Globals& globals, const Catalog& catalog, const std::vector<std::string>&) {
    Json document{{"diptych", "config-keys/1"}, {"ok", true}, {"exit", 0}, {"keys", Json::array()}};
    std::vector<std::string> known;
    for (const Row& row : rows_of(Experiment(catalog))) {
      known.push_back(row.path);
      if (!(row.path + ".").starts_with(arguments->prefix.empty() ? "" : arguments->prefix + ".")) continue;
      document["keys"].push_back(
          {{"key", row.path}, {"default", row.value}, {"type", row.type}, {"range", row.range}, {"doc", row.doc}});
      if (row.is_section)
        print(globals, concat(row.path, ":  ", row.doc, "\n"));
      else
        print(globals, concat(row.path, " = ", row.value, "\n    ", row.doc, " (", row.type,
                              row.range.empty() ? "" : ", " + row.range, ")\n"));
    }
    if (document["keys"].empty())
      throw UsageError::command_line("no key starts with '" + escape_for_log(arguments->prefix) + "'",
                                     did_you_mean(arguments->prefix, known));
    return document;
  };
  return {command, run, false};
}

}  // namespace

std::vector<Command> add_config(CLI::App& app) {
  CLI::App* parent = app.add_subcommand("config", "show, check and explain configurations");
  parent->require_subcommand(0, 1);
  std::vector<Command> commands = {add_show(*parent), add_check(*parent), add_keys(*parent)};
  for (Command& each : commands) each.app->allow_extras()->fallthrough();
  return commands;
}

}  // namespace diptych::tools

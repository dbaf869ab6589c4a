#include <algorithm>

#include "command.h"
#include "diptych/core/log.h"
#include "diptych/core/text.h"
#include "diptych/data/image/check.h"
#include "diptych/data/image/synth.h"
#include "diptych/train/experiment.h"

namespace diptych::tools {
namespace {

namespace fs = std::filesystem;

struct SetArguments {
  std::string set, root, config, decode = "100", out, what = "shapes";
  std::optional<int64_t> images, seed;
};

ConfigNode text_node(const std::string& text) {
  ConfigNode node;
  node.kind = ConfigNode::Kind::scalar, node.text = text, node.quoted = true, node.origin.file = "command line";
  return node;
}

/// The reader for an annotation file, by its name: dataset_*.json, captions_*.json, *.token.txt, reid_raw.json,
/// *.jsonl, *.csv, *.tsv.
std::string reader_of(const fs::path& file) {
  const std::string name = file.filename().string();
  if (file.extension() == ".jsonl") return "jsonl";
  if (file.extension() == ".csv" || file.extension() == ".tsv") return "csv";
  if (name.ends_with("token.txt") || file.extension() == ".token") return "flickr_token";
  if (name.starts_with("reid_raw")) return "cuhk_pedes";
  if (name.starts_with("captions_")) return "coco_captions";
  if (file.extension() == ".json") return "karpathy";
  throw UsageError::command_line("'" + escape_for_log(file.string()) + "': the format cannot be told from the name",
                                 "give a configuration instead: diptych data check --config FILE");
}

Corpus read_set(const Catalog& catalog, const SetArguments& arguments, const std::vector<std::string>& overrides) {
  const fs::path set = arguments.set;
  const bool is_config = set.extension() == ".yaml" || set.extension() == ".yml";
  if (const std::string config = is_config ? set.string() : arguments.config; !config.empty())
    return read_experiment(catalog, load_experiment_source(config, overrides).tree).data.corpus.make()->read();
  if (set.empty()) throw UsageError::command_line("no set given", "diptych data check SET, or --config FILE");
  ConfigNode node = ConfigNode::make_map();
  const fs::path root = arguments.root.empty() ? (set.parent_path().empty() ? fs::path(".") : set.parent_path())
                                               : fs::path(arguments.root);
  node.entries.push_back({"type", {}, text_node(reader_of(set))});
  node.entries.push_back({"root", {}, text_node(root.string())});
  node.entries.push_back(
      {"annotations", {}, text_node(fs::absolute(set).lexically_relative(fs::absolute(root)).string())});
  Choice<CorpusRegistry> choice(catalog.corpora, "jsonl");
  Complaints complaints;
  choice.read(node, "corpus", complaints);
  complaints.throw_if_any();
  return choice.make()->read();
}

void add_set(CLI::App& command, SetArguments& arguments) {
  command.add_option("SET", arguments.set, "annotation file or configuration");
  command.add_option("-c,--config", arguments.config, "configuration whose corpus is looked at");
  command.add_option("--root", arguments.root, "folder of the images (default: where the annotation file is)");
}

Command add_data_check(CLI::App& parent) {
  auto arguments = std::make_shared<SetArguments>();
  CLI::App* command = parent.add_subcommand(
      "check", "look for damaged, missing, duplicate and inconsistent data; exit 9 when there are errors");
  add_set(*command, *arguments);
  command->add_option("--decode", arguments->decode, "how many images are decoded: a number, or all (default 100)");
  const auto run = [arguments](const Globals& globals, const Catalog& catalog,
                               const std::vector<std::string>& overrides) {
    const auto count = arguments->decode == "all" ? std::optional<int64_t>(-1) : parse_integer(arguments->decode);
    if (!count || (*count < 0 && arguments->decode != "all"))
      throw UsageError::command_line("--decode " + escape_for_log(arguments->decode) + ": expected a number or all");
    const Corpus corpus = read_set(catalog, *arguments, overrides);
    const CheckReport report = check_corpus(corpus, CheckOptions{.decode = *count});
    print(globals, to_text(report));
    if (report.has_errors()) {
      if (globals.json)
        print(Globals{},
              dump_line(Json{{"diptych", "data-check/1"}, {"ok", false}, {"exit", 9}, {"report", to_json(report)}}) +
                  "\n");
      throw CheckFailed(corpus.name, "the data has errors", "they are listed above");
    }
    return Json{{"diptych", "data-check/1"}, {"ok", true}, {"exit", 0}, {"report", to_json(report)}};
  };
  return {command, run, true};
}

Command add_data_stats(CLI::App& parent) {
  auto arguments = std::make_shared<SetArguments>();
  CLI::App* command = parent.add_subcommand("stats", "images, captions, lengths, vocabulary of a set");
  add_set(*command, *arguments);
  const auto run = [arguments](const Globals& globals, const Catalog& catalog,
                               const std::vector<std::string>& overrides) {
    const CorpusStats stats = stats_of(read_set(catalog, *arguments, overrides));
    print(globals, to_text(stats));
    return Json{{"diptych", "data-stats/1"}, {"ok", true}, {"exit", 0}, {"stats", to_json(stats)}};
  };
  return {command, run, true};
}

Command add_data_synth(CLI::App& parent) {
  auto arguments = std::make_shared<SetArguments>();
  CLI::App* command =
      parent.add_subcommand("synth", "draw pictures of coloured shapes with captions that state their content");
  command->add_option("WHAT", arguments->what, "shapes");
  command->add_option("-o,--out", arguments->out, "folder to write; must be empty or hold the same corpus");
  command->add_option("--images", arguments->images, "training images (val and test stay as they are)");
  command->add_option("--seed", arguments->seed, "of the drawing");
  const auto run = [arguments](const Globals& globals, const Catalog&, const std::vector<std::string>&) {
    if (arguments->what != "shapes")
      throw UsageError::command_line("data synth " + escape_for_log(arguments->what) + ": no such corpus",
                                     did_you_mean(arguments->what, {"shapes"}));
    if (arguments->out.empty()) throw UsageError::command_line("no folder given", "diptych data synth shapes -o DIR");
    ShapesOptions options;
    if (arguments->images) options.images = *arguments->images;
    if (arguments->seed) options.seed = *arguments->seed;
    write_shapes_corpus(arguments->out, options);
    print(globals, arguments->out + "/set.jsonl\n");
    return Json{{"diptych", "data-synth/1"}, {"ok", true}, {"exit", 0}, {"set", arguments->out + "/set.jsonl"}};
  };
  return {command, run, false};
}

}  // namespace

std::vector<Command> add_data(CLI::App& app) {
  CLI::App* parent = app.add_subcommand("data", "check, describe and draw data sets");
  parent->require_subcommand(0, 1);
  std::vector<Command> commands = {add_data_check(*parent), add_data_stats(*parent), add_data_synth(*parent)};
  for (Command& each : commands) each.app->allow_extras()->fallthrough();
  return commands;
}

}  // namespace diptych::tools

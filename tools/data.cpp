#include <algorithm>

#include "command.h"
#include "diptych/core/log.h"
#include "diptych/core/text.h"
#include "diptych/data/image/check.h"
#include "diptych/data/image/class_corpus.h"
#include "diptych/data/image/css_corpus.h"
#include "diptych/data/image/positions.h"
#include "diptych/data/image/synth.h"
#include "diptych/train/experiment.h"

namespace diptych::tools {
namespace {

namespace fs = std::filesystem;

struct SetArguments {
  std::string set, root, config, decode = "100", out, what = "shapes", word_vectors;
  std::vector<int64_t> min_counts;
  std::optional<int64_t> images, seed, train_queries, test_queries;
  bool shuffled = false;
};

constexpr const char* kSynthesised[] = {"shapes", "positions", "classes", "css"};

int64_t decode_count(const std::string& text) {
  if (text == "all") return -1;
  if (const auto count = parse_integer(text); count && *count >= 0) return *count;
  throw UsageError::command_line("--decode " + escape_for_log(text) + ": expected a number or all");
}

ConfigNode text_node(const std::string& text) {
  ConfigNode node;
  node.kind = ConfigNode::Kind::scalar, node.text = text, node.quoted = true, node.origin.file = "command line";
  return node;
}

/// The reader for an annotation file, by its name: dataset_*.json, captions_*.json, *.token.txt, reid_raw.json,
/// ICFG-PEDES.json, manifest.txt, css_*.npy, *.jsonl, *.csv, *.tsv.
std::string reader_of(const fs::path& file) {
  const std::string name = file.filename().string();
  if (file.extension() == ".jsonl") return "jsonl";
  if (file.extension() == ".csv" || file.extension() == ".tsv") return "csv";
  if (name.ends_with("token.txt") || file.extension() == ".token") return "flickr_token";
  if (name.starts_with("reid_raw") || name.starts_with("ICFG")) return "cuhk_pedes";
  if (name.starts_with("captions_")) return "coco_captions";
  if (name == "manifest.txt") return "reed";
  if (name.starts_with("css_") && file.extension() == ".npy") return "css";
  if (file.extension() == ".json") return "karpathy";
  throw UsageError::command_line("'" + escape_for_log(file.string()) + "': the format cannot be told from the name",
                                 "give a configuration instead: diptych data check --config FILE");
}

/// What SET and --config name: a reader, and what the configuration says of texts.
struct ChosenSet {
  std::shared_ptr<CorpusReader> reader;
  TextOptions text;
};

ChosenSet choose_set(const Catalog& catalog, const SetArguments& arguments, const std::vector<std::string>& overrides) {
  const fs::path set = arguments.set;
  const bool is_config = set.extension() == ".yaml" || set.extension() == ".yml";
  if (const std::string config = is_config ? set.string() : arguments.config; !config.empty()) {
    const Experiment experiment = read_experiment(catalog, load_experiment_source(config, overrides).tree);
    return {experiment.data.corpus.make(), experiment.data.text};
  }
  if (set.empty())
    throw UsageError::command_line("no set given", "name an annotation file, or a configuration: --config FILE");
  ConfigNode node = ConfigNode::make_map();
  const fs::path root = arguments.root.empty() ? (set.parent_path().empty() ? fs::path(".") : set.parent_path())
                                               : fs::path(arguments.root);
  node.entries.push_back({"type", {}, text_node(reader_of(set))});
  node.entries.push_back({"root", {}, text_node(root.string())});
  node.entries.push_back(
      {"annotations", {}, text_node(fs::absolute(set).lexically_relative(fs::absolute(root)).string())});
  apply_overrides(node, overrides);
  Choice<CorpusRegistry> choice(catalog.corpora, "jsonl");
  Complaints complaints;
  choice.read(node, "corpus", complaints);
  complaints.throw_if_any();
  return {choice.make(), {}};
}

/// The corpus of `data check`: a set whose files are there and that cannot be read is wrong (exit 9), not missing (3).
Corpus read_to_check(const CorpusReader& reader) {
  try {
    return reader.read();
  } catch (const DataError& error) {
    for (const fs::path& file : reader.needed_files())
      if (std::error_code ignored; !fs::is_regular_file(file, ignored)) throw;
    std::vector<Issue> issues = error.issues();
    for (Issue& each : issues) each.error_class = ErrorClass::chk;
    throw CheckFailed(std::move(issues));
  }
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
    const CheckOptions options{.decode = decode_count(arguments->decode)};
    const Corpus corpus = read_to_check(*choose_set(catalog, *arguments, overrides).reader);
    const CheckReport report = check_corpus(corpus, options);
    print(globals, to_text(report));
    Json document{{"diptych", "data-check/1"}, {"ok", true}, {"exit", 0}, {"report", to_json(report)}};
    if (report.has_errors()) throw ReportedFailure(std::move(document), corpus.name, "the data has errors");
    return document;
  };
  return {command, run, true};
}

Command add_data_stats(CLI::App& parent) {
  auto arguments = std::make_shared<SetArguments>();
  CLI::App* command = parent.add_subcommand("stats", "images, captions, lengths, vocabulary of a set");
  add_set(*command, *arguments);
  command->add_option("--decode", arguments->decode, "how many images are measured: a number, or all (default 100)");
  command->add_option("--word-vectors", arguments->word_vectors,
                      "GloVe or word2vec text file (default: the configuration's)");
  command->add_option("--min-count", arguments->min_counts, "vocabulary thresholds (default: 1 2 3 4 5 10)")
      ->allow_extra_args(false)
      ->check(CLI::Range(int64_t{1}, int64_t{1000000}));
  const auto run = [arguments](const Globals& globals, const Catalog& catalog,
                               const std::vector<std::string>& overrides) {
    StatsOptions options;
    options.decode = decode_count(arguments->decode);
    const ChosenSet set = choose_set(catalog, *arguments, overrides);
    options.word_vectors = arguments->word_vectors.empty() ? set.text.word_vectors : arguments->word_vectors;
    if (!arguments->min_counts.empty()) options.min_counts = arguments->min_counts;
    const CorpusStats stats = stats_of(set.reader->read(), options);
    print(globals, to_text(stats));
    return Json{{"diptych", "data-stats/1"}, {"ok", true}, {"exit", 0}, {"stats", to_json(stats)}};
  };
  return {command, run, true};
}

Command add_data_synth(CLI::App& parent) {
  auto arguments = std::make_shared<SetArguments>();
  CLI::App* command =
      parent.add_subcommand("synth", "draw pictures of coloured shapes with captions that state their content");
  command->add_option(
      "WHAT", arguments->what,
      "shapes: one to three of them; positions: pairs that differ only in left and right, above and "
      "below, inside and outside, larger and smaller; classes: one shape, 24 classes of which four are "
      "tested unseen, in the layout of CUB and Flowers; css: composed retrieval, scenes of a 3 x 3 grid "
      "and texts that change them, drawn in 2-D and 3-D");
  command->add_option("-o,--out", arguments->out, "folder to write; must be empty or hold the same corpus");
  command->add_option("--images", arguments->images,
                      "training images (val and test stay as they are); classes: images of each class");
  command->add_option("--train-queries", arguments->train_queries, "css: edits to train on (default 6000; paper 16000)")
      ->check(CLI::Range(int64_t{16}, int64_t{200000}));
  command->add_option("--test-queries", arguments->test_queries, "css: edits to test on (default 2000; paper 16000)")
      ->check(CLI::Range(int64_t{16}, int64_t{200000}));
  command->add_option("--seed", arguments->seed, "of the drawing");
  command->add_flag(
      "--shuffled", arguments->shuffled,
      "positions: exchange the partners' captions in half of the training pairs (a control: nothing to learn)");
  const auto run = [arguments](const Globals& globals, const Catalog&, const std::vector<std::string>&) {
    const std::string& what = arguments->what;
    if (std::ranges::count(kSynthesised, what) == 0)
      throw UsageError::command_line("data synth " + escape_for_log(what) + ": no such corpus",
                                     did_you_mean(what, {std::begin(kSynthesised), std::end(kSynthesised)}));
    if (arguments->out.empty())
      throw UsageError::command_line("no folder given", "diptych data synth " + what + " -o DIR");
    if (arguments->shuffled && what != "positions")
      throw UsageError::command_line("--shuffled goes with: diptych data synth positions");
    if (what == "css" ? arguments->images.has_value() : arguments->train_queries || arguments->test_queries)
      throw UsageError::command_line(what == "css"
                                         ? "--images does not go with: diptych data synth css"
                                         : "--train-queries and --test-queries go with: diptych data synth css");
    const auto asked_for = [&](auto options) {
      if constexpr (requires { options.images; }) {
        if (arguments->images) options.images = *arguments->images;
      } else {
        if (arguments->train_queries) options.train_queries = *arguments->train_queries;
        if (arguments->test_queries) options.test_queries = *arguments->test_queries;
      }
      if (arguments->seed) options.seed = *arguments->seed;
      return options;
    };
    if (what == "positions")
      write_positions_corpus(arguments->out, asked_for(PositionsOptions{.shuffled = arguments->shuffled}));
    else if (what == "classes")
      write_class_corpus(arguments->out, asked_for(ClassCorpusOptions{}));
    else if (what == "css")
      write_css_corpus(arguments->out, asked_for(CssCorpusOptions{}));
    else
      write_shapes_corpus(arguments->out, asked_for(ShapesOptions{}));
    const std::string set = arguments->out + (what == "classes" ? "/manifest.txt"
                                              : what == "css"   ? "/css_toy_dataset_novel2_small.dup.npy"
                                                                : "/set.jsonl");
    print(globals, set + "\n");
    return Json{{"diptych", "data-synth/1"}, {"ok", true}, {"exit", 0}, {"set", set}};
  };
  return {command, run, false};
}

}  // namespace

std::vector<Command> add_data(CLI::App& app) {
  CLI::App* parent = app.add_subcommand("data", "check, describe, import and draw data sets");
  parent->require_subcommand(0, 1);
  std::vector<Command> commands = {add_data_check(*parent), add_data_stats(*parent), add_data_synth(*parent)};
  for (Command& each : add_data_import(*parent)) commands.push_back(each);
  for (Command& each : commands) each.app->allow_extras()->fallthrough();
  return commands;
}

}  // namespace diptych::tools

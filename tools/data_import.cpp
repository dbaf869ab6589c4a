#include <algorithm>

#include "command.h"
#include "diptych/core/text.h"
#include "diptych/data/import.h"
#include "diptych/model/import_weights.h"

namespace diptych::tools {
namespace {

namespace fs = std::filesystem;

struct ImportArguments {
  std::string source, out, root, image_root, known, key;
  std::vector<std::string> prefixes;
  bool keep_names = false, float32 = false;
};

/// A format of the command line and the reader that knows it.
struct SetFormat {
  const char* name;
  const char* reader;
  const char* doc;
};
constexpr SetFormat kFormats[] = {
    {"karpathy", "karpathy", "dataset_*.json of Karpathy's splits: Flickr8k, Flickr30k, COCO"},
    {"coco", "coco_captions", "captions_*.json of COCO (split_file=FILE splits it anew)"},
    {"cuhk", "cuhk_pedes", "reid_raw.json of CUHK-PEDES, ICFG-PEDES.json"},
    {"reed", "reed", "manifest.txt of CUB-200-2011 and Oxford-102 Flowers as released by Reed et al."},
    {"flickr", "flickr_token", "token file and split lists of Flickr8k and Flickr30k"},
    {"csv", "csv", "CSV or TSV with a header, one caption a row"},
    {"jsonl", "jsonl", "the native format: checks and sorts it"},
};

void require(const std::string& value, const char* what, const std::string& command) {
  if (value.empty()) throw UsageError::command_line(concat("no ", what, " given"), command);
}

ConfigNode text_of(const std::string& text) {
  ConfigNode node;
  node.kind = ConfigNode::Kind::scalar, node.text = text, node.quoted = true, node.origin.file = "command line";
  return node;
}

/// The reader for SRC, which lies in the root folder unless --root names another; KEY=VALUE words are its options.
std::shared_ptr<CorpusReader> reader_for(const Catalog& catalog, const SetFormat& format,
                                         const ImportArguments& arguments, const std::vector<std::string>& overrides) {
  const fs::path source = fs::absolute(arguments.source);
  const fs::path root = arguments.root.empty() ? source.parent_path() : fs::absolute(arguments.root);
  ConfigNode node = ConfigNode::make_map();
  node.entries.push_back({"type", {}, text_of(format.reader)});
  node.entries.push_back({"root", {}, text_of(root.string())});
  node.entries.push_back({"annotations", {}, text_of(source.lexically_relative(root).string())});
  node.entries.push_back({"empty_captions", {}, text_of("drop")});
  if (!arguments.image_root.empty())
    node.entries.push_back({"images", {}, text_of(fs::absolute(arguments.image_root).string())});
  apply_overrides(node, overrides);
  Choice<CorpusRegistry> choice(catalog.corpora, format.reader);
  Complaints complaints;
  choice.read(node, "", complaints);
  complaints.throw_if_any();
  return choice.make();
}

Command add_set_import(CLI::App& parent, const SetFormat& format) {
  auto arguments = std::make_shared<ImportArguments>();
  CLI::App* command = parent.add_subcommand(format.name, format.doc);
  command->add_option("SRC", arguments->source, "annotation file");
  command->add_option("-o,--out", arguments->out, "JSONL file to write; must not be there yet");
  command->add_option("--root", arguments->root, "folder of the data set (default: where SRC is)");
  command->add_option("--image-root", arguments->image_root, "folder of the images (default: images below the root)");
  command->add_option("--known", arguments->known,
                      "set whose published counts it must have: flickr8k, flickr30k, coco, coco2014, cuhk-pedes, "
                      "icfg-pedes");
  const auto run = [arguments, format](const Globals& globals, const Catalog& catalog,
                                       const std::vector<std::string>& overrides) {
    const std::string example = concat("diptych data import ", format.name, " SRC -o OUT.jsonl");
    require(arguments->source, "annotation file", example), require(arguments->out, "output file", example);
    const auto reader = reader_for(catalog, format, *arguments, overrides);
    const ImportReport report = write_jsonl_set(reader->read(), arguments->out, arguments->known);
    print(globals, to_text(report));
    return Json{{"diptych", "data-import/1"}, {"ok", true}, {"exit", 0}, {"import", to_json(report)}};
  };
  return {command, run, true};
}

std::pair<std::string, std::string> prefix_of(const std::string& text) {
  const size_t at = text.find('=');
  if (at == std::string::npos || at == 0)
    throw UsageError::command_line("--prefix " + escape_for_log(text) + ": expected FROM=TO",
                                   "--prefix encoder.= strips it, --prefix net.=features. replaces it");
  return {text.substr(0, at), text.substr(at + 1)};
}

Command add_weight_import(CLI::App& parent) {
  auto arguments = std::make_shared<ImportArguments>();
  CLI::App* command = parent.add_subcommand(
      "weights", "a .pt or .pth file of PyTorch as safetensors; it is read without executing anything");
  command->add_option("SRC", arguments->source, ".pt or .pth file");
  command->add_option("-o,--out", arguments->out, "safetensors file to write; must not be there yet");
  command->add_option("--key", arguments->key, "entry of a checkpoint that holds the tensors, such as state_dict");
  command->add_option("--prefix", arguments->prefixes, "FROM=TO: names that begin with FROM begin with TO instead")
      ->allow_extra_args(false);
  command->add_flag("--keep-names", arguments->keep_names,
                    "do not strip module., _orig_mod., backbone. and visual.trunk.");
  command->add_flag("--float32", arguments->float32, "store F16, BF16 and F64 as F32, which the encoders read");
  const auto run = [arguments](const Globals& globals, const Catalog&, const std::vector<std::string>&) {
    const std::string example = "diptych data import weights SRC.pth -o OUT.safetensors";
    require(arguments->source, "weight file", example), require(arguments->out, "output file", example);
    ImportWeightsOptions options{arguments->key, {}, arguments->keep_names, arguments->float32};
    for (const std::string& each : arguments->prefixes) options.prefixes.push_back(prefix_of(each));
    const ImportedWeights imported = import_weights(arguments->source, arguments->out, options);
    print(globals, to_text(imported));
    return Json{{"diptych", "data-import/1"}, {"ok", true}, {"exit", 0}, {"weights", to_json(imported)}};
  };
  return {command, run, false};
}

}  // namespace

std::vector<Command> add_data_import(CLI::App& data) {
  CLI::App* parent =
      data.add_subcommand("import", "other formats to the native one: sets to JSONL, weights to safetensors");
  parent->require_subcommand(0, 1)->allow_extras()->fallthrough();
  std::vector<Command> commands = {add_weight_import(*parent)};
  for (const SetFormat& format : kFormats) commands.push_back(add_set_import(*parent, format));
  for (Command& each : commands) each.app->allow_extras()->fallthrough();
  return commands;
}

}  // namespace diptych::tools

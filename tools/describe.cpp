#include "command.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/core/text.h"
#include "diptych/model/weights.h"
#include "diptych/train/checkpoint.h"
#include "diptych/train/run_directory.h"

namespace diptych::tools {
namespace {

namespace fs = std::filesystem;

template <class Entry>
Json entry_json(const Entry& entry) {
  Lister lister;
  entry.list(entry.defaults(), lister);
  Json out{{"name", entry.name}, {"doc", entry.doc}, {"paper", entry.paper}, {"options", Json::array()}};
  for (const Row& row : lister.rows)
    if (!row.is_section)
      out["options"].push_back(
          {{"key", row.path}, {"default", row.value}, {"type", row.type}, {"range", row.range}, {"doc", row.doc}});
  return out;
}

std::string entry_text(const Json& entry) {
  std::string out = concat(entry["name"].get<std::string>(), ": ", entry["doc"].get<std::string>(), "\n");
  if (const auto paper = entry["paper"].get<std::string>(); !paper.empty()) out += "  paper: " + paper + "\n";
  for (const Json& option : entry["options"]) {
    const auto range = option["range"].get<std::string>();
    out += concat("  ", option["key"].get<std::string>(), " = ", option["default"].get<std::string>(), "\n      ",
                  option["doc"].get<std::string>(), " (", option["type"].get<std::string>(),
                  range.empty() ? "" : ", " + range, ")\n");
  }
  return out;
}

Json catalogue(const Catalog& catalog) {
  Json kinds = Json::object();
  catalog.for_each([&](const auto& registry) {
    Json& list = kinds[registry.kind()] = Json::array();
    for (const auto& [name, entry] : registry.entries()) list.push_back(entry_json(entry));
  });
  return kinds;
}

Json describe_components(const Globals& globals, const Json& kinds, const std::string& kind, const std::string& name) {
  std::vector<std::string> kind_names, names;
  for (const auto& [each, list] : kinds.items()) kind_names.push_back(each);
  if (kind.empty()) {
    for (const auto& [each, list] : kinds.items()) {
      print(globals, each + ":\n");
      for (const Json& entry : list)
        print(globals, concat("  ", entry["name"].get<std::string>(), ": ", entry["doc"].get<std::string>(), "\n"));
    }
    return kinds;
  }
  if (!kinds.contains(kind))
    throw UsageError::command_line(
        "'" + escape_for_log(kind) +
            "' is no kind of component, run directory, checkpoint, configuration or weight file",
        did_you_mean(kind, kind_names));
  Json shown = Json::array();
  for (const Json& entry : kinds[kind]) {
    names.push_back(entry["name"].get<std::string>());
    if (!name.empty() && names.back() != name) continue;
    shown.push_back(entry);
    print(globals, entry_text(entry));
  }
  if (shown.empty())
    throw UsageError::command_line("no " + kind + " called '" + escape_for_log(name) + "'", did_you_mean(name, names));
  return shown;
}

Json describe_weights(const Globals& globals, const fs::path& file) {
  const TensorFileInfo info = read_safetensors_header(file);
  Json out = Json::object();
  double parameters = 0;
  for (const auto& [name, tensor] : info.tensors) {
    double count = 1;
    std::string shape;
    for (const int64_t size : tensor.shape)
      count *= static_cast<double>(size), shape += concat(shape.empty() ? "" : " x ", size);
    parameters += count;
    out["tensors"][name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}};
    print(globals, concat(name, "  ", tensor.dtype, "  [", shape, "]\n"));
  }
  for (const auto& [key, value] : info.metadata) out["metadata"][key] = value;
  print(globals, concat(info.tensors.size(), " tensors, ", static_cast<int64_t>(parameters), " numbers, ",
                        bytes_text(static_cast<double>(info.file_bytes)), "\n"));
  return out;
}

Json describe_run(const Globals& globals, const fs::path& run) {
  Json out{{"run", run.string()},
           {"status", std::string(trim(read_file(run / "STATUS", 4096, ErrorClass::ckp)))},
           {"checkpoints", list_checkpoints(run / "checkpoints")}};
  print(globals, concat("run ", run.string(), "\nstatus: ", out["status"].get<std::string>(), "\n"));
  for (const char* pointer : {"best", "latest"})
    if (const auto name = pointed_at(run / "checkpoints", pointer)) {
      out[pointer] = *name;
      print(globals, concat(pointer, ": ", *name, "\n"));
    }
  for (const char* file : {"data.json", "env.json"}) {
    out[file] = load_json(run / file, 16 << 20, ErrorClass::ckp);
    print(globals, concat(file, ": ", out[file].dump(), "\n"));
  }
  print(globals, read_file(run / "config.resolved.yaml", 16 << 20, ErrorClass::ckp));
  return out;
}

Json match_weights_of(const Globals& globals, const Catalog& catalog, const fs::path& file, const std::string& config) {
  const Experiment experiment = read_experiment(catalog, load_experiment_source(config, {}).tree);
  const auto encoder = experiment.model.image.make();
  const WeightReport report = match_weights(*encoder, file);
  print(globals,
        concat(file.string(), " against model.image = ", experiment.model.image.type(), ": ", report.brief(), "\n"));
  const auto list = [&](const char* title, const std::vector<std::string>& names) {
    for (const std::string& name : names) print(globals, concat("  ", title, ": ", name, "\n"));
  };
  list("missing", report.missing), list("unexpected", report.unexpected), list("mis-shaped", report.mismatched);
  return Json{{"matched", report.matched.size()},
              {"missing", report.missing},
              {"unexpected", report.unexpected},
              {"mismatched", report.mismatched}};
}

}  // namespace

Command add_describe(CLI::App& app) {
  struct Arguments {
    std::string what, name, match;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand(
      "describe",
      "what components exist, with options, defaults, ranges and papers; or what a run or weight file holds");
  command->add_option("KIND", arguments->what,
                      "kind of component, or a run directory, checkpoint folder, configuration or safetensors file");
  command->add_option("NAME", arguments->name, "component");
  command->add_option("--match", arguments->match, "configuration whose image encoder a weight file is compared with");
  const auto run = [arguments](const Globals& globals, const Catalog& catalog, const std::vector<std::string>&) {
    Json document{{"diptych", "describe/1"}, {"ok", true}, {"exit", 0}};
    const fs::path path = arguments->what;
    std::error_code ignored;
    if (is_run_directory(path))
      document["run"] = describe_run(globals, path);
    else if (fs::is_regular_file(path / "model.safetensors", ignored))
      document["weights"] = describe_weights(globals, path / "model.safetensors");
    else if (path.extension() == ".yaml" || path.extension() == ".yml") {
      const auto rows = rows_of(read_experiment(catalog, load_experiment_source(path, {}).tree));
      print(globals, to_yaml(rows, true));
      document["hash"] = config_hash(rows);
    } else if (fs::exists(path, ignored) || path.extension() == ".safetensors") {
      document["weights"] = arguments->match.empty() ? describe_weights(globals, path)
                                                     : match_weights_of(globals, catalog, path, arguments->match);
    } else {
      document["components"] = describe_components(globals, catalogue(catalog), arguments->what, arguments->name);
    }
    return document;
  };
  return {command, run, false};
}

}  // namespace diptych::tools

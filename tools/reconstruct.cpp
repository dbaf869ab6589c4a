#include <cstdio>

#include "command.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/text.h"
#include "diptych/data/image/pipeline.h"
#include "diptych/report/reconstruction_page.h"
#include "diptych/train/reconstruct.h"

namespace diptych::tools {
namespace {

struct ReconstructArguments {
  std::string run, out, checkpoint = "best";
  ReconstructOptions options;
};

void check_reconstruct(const ReconstructArguments& arguments) {
  if (arguments.run.empty() || arguments.out.empty())
    throw UsageError::command_line(arguments.run.empty() ? "no run given" : "no page given",
                                   "diptych reconstruct RUN -o PAGE.html");
  if (!arguments.out.ends_with(".html"))
    throw UsageError::command_line("-o " + escape_for_log(arguments.out) + ": expected a name ending in .html");
  const auto folder = std::filesystem::path(arguments.out).parent_path();
  std::error_code absent;
  if (!folder.empty() && !std::filesystem::is_directory(folder, absent))  // now rather than after the training
    throw OutputError(escape_for_log(arguments.out, 400), "its folder does not exist", "make the folder first");
  if (std::filesystem::is_directory(arguments.out, absent))
    throw OutputError(escape_for_log(arguments.out, 400), "is a folder", "give the name of a file");
  if (!is_run_directory(arguments.run))
    throw CheckpointError(escape_for_log(arguments.run, 200), "is no run directory: it has no config.resolved.yaml");
}

report::ShownImage shown_image(const FoundImage& found) { return {found.id, found.picture, found.score, found.right}; }

std::string reconstruct_page(const LoadedRun& run, const Reconstruction& result, const ReconstructOptions& options) {
  report::ReconstructionView view{run.data.corpus.image_root, result.scorer,     {},
                                  result.test_error,          result.mean_error, {}};
  for (const ReconstructedQuery& query : result.queries) {
    view.queries.push_back({shown_image(query.source),
                            shown_image(query.target),
                            query.change,
                            query.decoded_source,
                            query.decoded_composed,
                            query.decoded_target,
                            {}});
    for (const FoundImage& found : query.nearest) view.queries.back().nearest.push_back(shown_image(found));
  }
  view.facts = {{"experiment", run.experiment->name},
                {"checkpoint", run.checkpoint},
                {"training images", concat(result.training_images)},
                {"test images", concat(result.test_images)},
                {"steps", concat(options.steps)},
                {"size", concat(options.size, " x ", options.size)},
                {"seed", concat(options.seed)}};
  const ImageOptions images = run.experiment->data.image;
  return report::reconstruction_page(
      view, [images](const std::filesystem::path& file) { return decode_image(file, images); });
}

Json query_json(const ReconstructedQuery& query) {
  Json nearest = Json::array();
  for (const FoundImage& found : query.nearest)
    nearest.push_back({{"id", found.id}, {"score", found.score}, {"right", found.right}});
  return Json{{"source", query.source.id}, {"change", query.change}, {"target", query.target.id}, {"nearest", nearest}};
}

std::string errors_text(const Reconstruction& result) {
  char text[160];
  std::snprintf(text, sizeof text,
                "mean squared error: %.5f on test images (%.5f in training; the mean training picture: %.5f)\n",
                result.test_error, result.training_error, result.mean_error);
  return text;
}

}  // namespace

Command add_reconstruct(CLI::App& app) {
  auto arguments = std::make_shared<ReconstructArguments>();
  ReconstructOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand(
      "reconstruct", "composed retrieval: pictures that a decoder draws from composed features, and their neighbours");
  command->add_option("RUN", arguments->run, "run directory of composed retrieval");
  command->add_option("-o,--out", arguments->out, "page to write, PAGE.html");
  command->add_option("--steps", options.steps, "training steps of the decoder (default 2000)")
      ->check(CLI::Range(1, 10000000));
  command->add_option("--queries", options.queries, "test queries to show, drawn by the seed (default 12)")
      ->check(CLI::Range(1, 100));
  command->add_option("--size", options.size, "side of decoded pictures: 8, 16, 32, 64 (default), 128 or 256 pixels")
      ->check(CLI::Range(8, 256));
  command->add_option("--seed", options.seed, "of the decoder and of the choice of queries (default 1)")
      ->check(CLI::Range(0, 2147483647));
  command->add_option("--checkpoint", arguments->checkpoint, "best, latest, or a name such as step-00001234");
  const auto run = [arguments](const Globals& globals, const Catalog& catalog,
                               const std::vector<std::string>& overrides) {
    check_reconstruct(*arguments);
    const LoadedRun loaded = load_run(catalog, arguments->run, arguments->checkpoint, overrides, globals.threads);
    const Reconstruction result = reconstruct(loaded, arguments->options);
    write_file_atomically(arguments->out, reconstruct_page(loaded, result, arguments->options));
    print(globals, concat(errors_text(result), "written to ", escape_for_log(arguments->out, 4096), "\n"));
    Json queries = Json::array();
    for (const ReconstructedQuery& query : result.queries) queries.push_back(query_json(query));
    return Json{{"diptych", "reconstruct/1"},
                {"ok", true},
                {"exit", 0},
                {"run", arguments->run},
                {"checkpoint", loaded.checkpoint},
                {"training_images", result.training_images},
                {"test_images", result.test_images},
                {"training_error", result.training_error},
                {"test_error", result.test_error},
                {"mean_picture_error", result.mean_error},
                {"scorer", result.scorer},
                {"queries", queries},
                {"page", arguments->out}};
  };
  return {command, run, true};
}

}  // namespace diptych::tools

#include <ctime>

#include "command.h"
#include "diptych/core/text.h"
#include "diptych/data/image/pipeline.h"
#include "report_options.h"

namespace diptych::tools {
namespace {

std::string today() {
  char text[32];
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &local);
  return text;
}

}  // namespace

report::ReportOptions report_options() {
  report::ReportOptions options;
  options.date = today();
  options.reader = [](const std::filesystem::path& path) { return decode_image(path, ImageOptions{}); };
  return options;
}

Command add_report(CLI::App& app) {
  struct Arguments {
    std::vector<std::string> inputs;
    std::string output, assets;
    bool csv = false, include_host = false;
    int64_t queries = 12, map_points = 1000;
    double max_mb = 15;
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("report", "One offline HTML page over runs and sweeps");
  command->add_option("RUN", arguments->inputs, "run directories and sweep directories, in the order of the page");
  command->add_option("-o,--out,--output", arguments->output,
                      "FILE.html; summary.md is written beside it (default: RUN/report/index.html of a single run)");
  command->add_option("--assets", arguments->assets, "put the pictures into this folder instead of into the page");
  command->add_flag("--csv", arguments->csv, "also write metrics.jsonl of every run as CSV beside the page");
  command->add_flag("--include-host", arguments->include_host, "show absolute paths and host names");
  command->add_option("--queries", arguments->queries, "queries in each gallery group (default 12)")
      ->check(CLI::Range(1, 100));
  command->add_option("--map-points", arguments->map_points, "points of the embedding map (default 1000)")
      ->check(CLI::Range(6, 5000));
  command->add_option("--max-mb", arguments->max_mb, "size of the page at most, in MB (default 15)")
      ->check(CLI::Range(1.0, 200.0));
  const auto run = [arguments](const Globals& globals, const Catalog&, const std::vector<std::string>&) {
    report::ReportOptions options = report_options();
    options.output = arguments->output;
    if (arguments->inputs.empty()) throw UsageError::command_line("no run given", "diptych report RUN... -o FILE.html");
    if (arguments->output.empty()) {
      if (arguments->inputs.size() > 1)
        throw UsageError::command_line("no output given", "diptych report RUN RUN -o FILE.html");
      options.output = std::filesystem::path(arguments->inputs[0]) / "report" / "index.html";
    }
    options.assets = arguments->assets, options.csv = arguments->csv, options.include_host = arguments->include_host;
    options.queries = arguments->queries, options.map_points = arguments->map_points;
    options.max_bytes = static_cast<uint64_t>(arguments->max_mb * 1e6);
    const std::vector<std::filesystem::path> inputs(arguments->inputs.begin(), arguments->inputs.end());
    const report::ReportOutcome outcome = report::write_report(inputs, options);
    Json document{{"diptych", "report/1"},
                  {"ok", true},
                  {"exit", 0},
                  {"bytes", outcome.page_bytes},
                  {"files", Json::array()},
                  {"unavailable", Json::object()}};
    for (const auto& [section, reason] : outcome.unavailable) {
      document["unavailable"][section] = reason;
      print(globals, concat("not available: ", section, ": ", escape_for_log(reason, 300), "\n"));
    }
    for (const auto& file : outcome.files) {
      document["files"].push_back(file.string());
      print(globals, concat("written: ", escape_for_log(file.string(), 4096), "\n"));
    }
    print(globals, concat("page: ", bytes_text(static_cast<double>(outcome.page_bytes)), "\n"));
    return document;
  };
  return {command, run, false};
}

}  // namespace diptych::tools
